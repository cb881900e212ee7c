# SPDX-License-Identifier: Apache-2.0
"""Converts label images as datasets store them, numbers or colours, to class ids.

A lookup table maps one numbering to another: no arithmetic that can wrap around.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segrgbx_core.errors import InputError, LabelError, guarded
from segrgbx_core.files.disk import input_bytes
from segrgbx_core.files.headers import check_image
from segrgbx_core.files.images import read_pixels
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet

LabelImage = npt.NDArray[np.uint8]

_JPEG = (".jpg", ".jpeg")
_PALETTE_AT, _PALETTE = 25, b"\x03"


def remap(labels: LabelImage, numbering: Mapping[int, int], what: str) -> LabelImage:
    """Each value replaced by what `numbering` gives for it; 255 stays 255.

    labels: uint8 of any shape, values 0..255; what: the image's name in an error.
    Raises LabelError for another type, or for a value that `numbering` lacks.
    """
    if labels.dtype != np.uint8:
        raise LabelError(f"{what} is of type {labels.dtype}; expected uint8 class ids.")
    table = np.full(256, UNLABELLED, np.uint8)
    table[list(numbering)] = list(numbering.values())
    met = np.bincount(labels.reshape(-1), minlength=256)
    met[[*numbering, UNLABELLED]] = 0
    strange = np.flatnonzero(met)
    if strange.size:
        raise LabelError(
            f"{what} holds the values {', '.join(map(str, strange[:5]))} in {met.sum()} pixels; "
            f"expected {min(numbering)} to {max(numbering)}, or 255 for unlabelled: it is of "
            "another label set, or was resized with interpolation."
        )
    return table[labels]


def numbers_in(path: Path, channel: int | None = None) -> npt.NDArray[np.integer]:
    """The numbers of a label file (H, W), PNG or `.npy`; channel: which of several to read. A PNG
    with a palette gives its indices.

    Raises InputError for a file that cannot be read, is JPEG, which does not keep numbers, or
    has other channels or types.
    """
    values = _indices(path)
    if values is None:
        values = read_pixels(path)
    if values.ndim == 3 and channel is not None:
        values = values[..., channel]
    if values.ndim != 2 or values.dtype.kind not in "iu" or path.suffix.lower() in _JPEG:
        raise InputError(
            f"{path} has shape {values.shape}, type {values.dtype} and the ending {path.suffix}; "
            "class numbers need one channel of whole numbers in a PNG or .npy file."
        )
    return values


def _indices(path: Path) -> npt.NDArray[np.integer] | None:
    """Of a PNG with a palette, for which OpenCV gives only colours; None for other files."""
    if path.suffix.lower() != ".png" or not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(_PALETTE_AT + 1)
    if not start.startswith(b"\x89PNG") or start[_PALETTE_AT:] != _PALETTE:
        return None
    refusal = f"{path} cannot be decoded as an image; it is truncated or damaged."
    data = input_bytes(path, "a label image")
    check_image(data, str(path), InputError)
    with guarded(str(path), InputError, refusal), Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def ids_of_numbers(
    numbers: npt.NDArray[np.integer], numbering: Mapping[int, int], path: Path
) -> LabelImage:
    """Class ids of stored numbers by `numbering`; -1 and 255 are unlabelled as well.

    Raises LabelError for any other number.
    """
    marked = np.where(numbers == -1, UNLABELLED, numbers)
    if marked.min(initial=0) < 0 or marked.max(initial=0) > UNLABELLED:
        worst = int(marked.max()) if marked.max() > UNLABELLED else int(marked.min())
        raise LabelError(
            f"{path} holds the value {worst}; expected {min(numbering)} to {max(numbering)}: it "
            "is not a label image of this set."
        )
    return remap(marked.astype(np.uint8), numbering, str(path))


def from_one(label_set: LabelSet) -> dict[int, int]:
    """The numbering that stores id + 1, and 0 for unlabelled."""
    return {0: UNLABELLED, **{i + 1: i for i in range(len(label_set))}}


def from_zero(label_set: LabelSet) -> dict[int, int]:
    """The numbering that stores the ids."""
    return {i: i for i in range(len(label_set))}


def ids_of_colours(path: Path, label_set: LabelSet, black: int | None = None) -> LabelImage:
    """Class ids of a coloured label image, by the label set's colours.

    black: the id of 0, 0, 0 where the set has no class of that colour. Raises InputError for a
    file that cannot be read, is JPEG or has no colours, LabelError for a colour of no class.
    """
    image = read_pixels(path)
    if image.ndim != 3 or image.dtype != np.uint8 or path.suffix.lower() in _JPEG:
        raise InputError(
            f"{path} has shape {image.shape}, type {image.dtype} and the ending {path.suffix}; "
            "coloured labels need three channels of 8 bits in a PNG file."
        )
    ids = {_code(c.color): i for i, c in enumerate(label_set.classes)}
    if black is not None:
        ids.setdefault(0, black)
    known = np.array(sorted(ids), np.uint32)
    codes = image[..., :3].astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    strange = codes[known[at] != codes]
    if strange.size:
        red, rest = divmod(int(strange[0]), 65536)
        raise LabelError(
            f"{path} has the colour {red},{rest // 256},{rest % 256} and {strange.size} pixels of "
            f"no class of label set '{label_set.name}'; it is of another label set, or was "
            "resized with interpolation."
        )
    return np.array([ids[int(code)] for code in known], np.uint8)[at]


def _code(color: tuple[int, int, int]) -> int:
    return color[0] * 65536 + color[1] * 256 + color[2]
