# SPDX-License-Identifier: Apache-2.0
"""Converts label images as datasets store them, numbers or colours, to class ids.

A lookup table maps one numbering to another: no arithmetic that can wrap around.
"""

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from segrgbx_core.errors import InputError, LabelError, guarded
from segrgbx_core.files.disk import input_bytes
from segrgbx_core.files.headers import check_image
from segrgbx_core.files.images import one_channel, read_pixels
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet

LabelImage = npt.NDArray[np.uint8]

LABEL_FORMS = ("numbers", "red", "green", "blue", "colors", "binary")
"""How a folder's label images may hold the classes; see `label_ids`."""
_CHANNELS = {"red": 0, "green": 1, "blue": 2}
_PNG_BITS_AT, _PNG_KIND_AT, _PNG_GREY = 24, 25, 0


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


def label_ids(path: Path, form: str, label_set: LabelSet) -> npt.NDArray[np.integer]:
    """The class ids (H, W) of a label file, 255 or -1 where unlabelled; not yet checked.

    form: one of LABEL_FORMS. numbers: of one channel, or of three equal ones; red, green, blue:
    the numbers of that channel; colors: those of the label set, black is unlabelled where no class
    is black; binary: 0 and 255 are classes 0 and 1.
    Raises InputError and LabelError as the functions that read each form do.
    """
    if form == "colors":
        return ids_of_colours(path, label_set, black=UNLABELLED)
    if form != "binary":
        return numbers_in(path, _CHANNELS.get(form))
    numbers = numbers_in(path)
    strange = numbers[(numbers != 0) & (numbers != 1) & (numbers != UNLABELLED)]
    if strange.size or ((numbers == 1).any() and (numbers == UNLABELLED).any()):
        raise LabelError(
            f"{path} holds the value {int(strange[0]) if strange.size else 1}; binary labels hold "
            "0 and 255 alone: set labels: numbers, or convert the file."
        )
    return np.where(numbers == UNLABELLED, 1, numbers)


def numbers_in(path: Path, channel: int | None = None) -> npt.NDArray[np.integer]:
    """The numbers of a label file (H, W), an image or `.npy`; channel: which of several to read,
    None for one, or for equal ones. A file with a palette gives its indices, one of 1, 2 or 4 bits
    its numbers.

    Raises InputError for a file that cannot be read, is compressed with loss, which does not keep
    numbers, or has other channels or types.
    """
    values = _indices(path)
    if values is None:
        values = _unscaled(path, read_pixels(path))
    if values.ndim == 3 and channel is not None:
        one: npt.NDArray[Any] | None = values[..., channel]
    else:
        one = one_channel(values)
    whole = None if one is None else _whole(one)
    if whole is None or _is_lossy(path):
        raise InputError(
            f"{path} has shape {values.shape}, type {values.dtype} and the ending {path.suffix}; "
            "class numbers need one channel of whole numbers, or equal ones, in a PNG or .npy "
            "file. Where a channel holds them, or colours do, say labels: red (green, blue) or "
            "labels: colors in dataset.yaml."
        )
    return whole


def _whole(values: npt.NDArray[Any]) -> npt.NDArray[np.integer] | None:
    """Whole numbers, also those stored as floats or truth values; None for others."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values % 1 == 0).all():
        return values.astype(np.int64)
    if values.dtype.kind == "i":
        return values.astype(np.int64)
    return values if values.dtype.kind == "u" else None


def _start(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_PNG_KIND_AT + 1)


def _is_lossy(path: Path) -> bool:
    start = _start(path)
    return start.startswith(b"\xff\xd8\xff") or (start[:4] == b"RIFF" and start[12:16] == b"VP8 ")


def _unscaled(path: Path, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The numbers of a grey PNG of 1, 2 or 4 bits, which decoders spread over 0 to 255."""
    start = _start(path)
    if not start.startswith(b"\x89PNG") or start[_PNG_KIND_AT] != _PNG_GREY:
        return values
    bits = start[_PNG_BITS_AT]
    return values // (255 // ((1 << bits) - 1)) if bits in (1, 2, 4) else values


def _indices(path: Path) -> npt.NDArray[np.integer] | None:
    """Of an image with a palette, or of one bit: OpenCV gives only colours, or 0 and 255.

    None for other files.
    """
    if not path.is_file():
        return None
    refusal = f"{path} cannot be decoded as an image; it is truncated or damaged."
    data = input_bytes(path, "a label image")
    check_image(data, str(path), InputError)
    with (
        guarded(str(path), InputError, refusal),
        suppress(UnidentifiedImageError),
        Image.open(io.BytesIO(data)) as image,
    ):
        if image.mode == "P":
            return np.asarray(image)
        return np.asarray(image).astype(np.uint8) if image.mode == "1" else None
    return None


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
    if image.ndim != 3 or image.dtype != np.uint8 or _is_lossy(path):
        raise InputError(
            f"{path} has shape {image.shape}, type {image.dtype} and the ending {path.suffix}; "
            "coloured labels need three channels of 8 bits in a PNG file."
        )
    ids = {_code(c.color): i for i, c in enumerate(label_set.classes)}
    if len(ids) < len(label_set):
        raise LabelError(
            f"Label set '{label_set.name}' gives one colour to two classes, so {path} cannot be "
            "read by colour; give each its own."
        )
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
