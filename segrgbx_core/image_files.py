# SPDX-License-Identifier: Apache-2.0
"""Image files to arrays and back; pixels as stored, red first, no orientation tag applied."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.frame import Reading, RgbImage
from segrgbx_core.output import write_whole

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
READING_SUFFIXES = (*IMAGE_SUFFIXES, ".npy")
READING_TYPES = (np.uint8, np.uint16, np.float32)

Pixels = npt.NDArray[Any]


def read_rgb(path: Path) -> RgbImage:
    """An 8-bit colour image, (H, W, 3) uint8.

    An alpha channel that is opaque everywhere is dropped.
    Raises InputError for a file that is missing, unreadable, grey, deeper than 8 bits or
    transparent in places (then it may hold a second sensor: `read_rgbx`).
    """
    image = _decoded(path)
    if image.ndim == 2:
        raise InputError(
            f"{path} is a grey image; the RGB image needs three channels (are --rgb and --x "
            "exchanged?)."
        )
    _need_bytes(path, image)
    if image.shape[2] == 4 and (image[..., 3] < 255).any():
        raise InputError(
            f"{path} has a fourth channel that is not plain opacity; if that is the second "
            "sensor, give the file as --rgbx."
        )
    return np.ascontiguousarray(image[..., :3])


def read_reading(path: Path) -> Reading:
    """The second sensor's raw values: (h, w), or (h, w, 3) for a file that truly has colours.

    8 and 16 bit PNG, JPEG, TIFF (also 32-bit float) and `.npy`; uint8, uint16 or float32, in the
    sensor's own unit. Three equal channels become one; float64 becomes float32.
    Raises InputError for a file that is missing or unreadable and for other types.
    """
    values = _decoded_npy(path) if path.suffix.lower() == ".npy" else _decoded(path)
    if values.ndim == 3 and values.shape[2] == 4:
        raise InputError(
            f"{path} has four channels; give it as --rgbx if it holds RGB and X together, or "
            "store the X reading alone."
        )
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    if values.dtype not in READING_TYPES:
        raise InputError(
            f"{path} holds values of type {values.dtype}; expected uint8, uint16 or float32."
        )
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise InputError(f"{path} holds an array of shape {values.shape}; expected one image.")
    return np.ascontiguousarray(values)


def read_rgbx(path: Path) -> tuple[RgbImage, npt.NDArray[np.uint8]]:
    """RGB and X from one 4-channel PNG, as MFNet ships its pairs.

    Returns (H, W, 3) uint8 and the fourth channel (H, W) uint8.
    Raises InputError for a file that is missing, unreadable, deeper than 8 bits or has another
    number of channels.
    """
    image = _decoded(path)
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels != 4:
        raise InputError(
            f"{path} has {channels} channel{'s' * (channels > 1)}; --rgbx expects four (red, "
            "green, blue, X): give separate files as --rgb and --x."
        )
    _need_bytes(path, image)
    return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Class ids (H, W) uint8 from an 8-bit grey file.

    Raises InputError for a file that is missing, unreadable, coloured, deeper than 8 bits or
    JPEG, which does not keep ids.
    """
    labels = _decoded(path)
    if labels.ndim != 2 or labels.dtype != np.uint8 or path.suffix.lower() in (".jpg", ".jpeg"):
        channels = 1 if labels.ndim == 2 else labels.shape[2]
        raise InputError(
            f"{path} has {channels} channel{'s' * (channels > 1)} of {labels.dtype} and the "
            f"ending {path.suffix}; class ids need one channel of 8 bits in a PNG."
        )
    return np.ascontiguousarray(labels)


def write_png(path: Path, image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    """Writes (H, W) uint8 or uint16, or (H, W, 3) uint8 red first, whole or not at all.

    Raises OutputError where the disk refuses it.
    """
    write_whole(path, png_bytes(image))


def png_bytes(image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """The PNG file of an (H, W) uint8 or uint16 image, or an (H, W, 3) one, red first."""
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", stored)[1].tobytes()


def _bytes_of(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected an image file.")
    try:
        data = path.read_bytes()
    except PermissionError as err:
        raise InputError(f"{path} cannot be read: permission is denied.") from err
    if not data:
        raise InputError(f"{path} is empty; record or copy it again.")
    return data


def _decoded(path: Path) -> Pixels:
    data = _bytes_of(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(
            f"{path} has the ending '{path.suffix}'; expected an image: "
            f"{', '.join(IMAGE_SUFFIXES)} (or .npy for the X reading)."
        )
    try:
        image = (
            None
            if _is_cut(data)
            else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        )
    except cv2.error:
        image = None
    if image is None:
        raise InputError(
            f"{path} cannot be decoded as an image; it is truncated, damaged or of another format."
        )
    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return cv2.cvtColor(image, code) if image.dtype in READING_TYPES else image[..., ::-1]
    return image


def _is_cut(data: bytes) -> bool:
    """Whether the end of a PNG or JPEG is missing, which some decoders fill with grey."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    return data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")


def _decoded_npy(path: Path) -> Pixels:
    _bytes_of(path)
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as err:
        raise InputError(
            f"{path} is not a whole .npy file of numbers; save the array again with numpy.save."
        ) from err
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path} is an archive of arrays; save one array with numpy.save.")
    return values


def _need_bytes(path: Path, image: Pixels) -> None:
    if image.dtype != np.uint8:
        raise InputError(
            f"{path} has colour values of type {image.dtype}; the RGB image needs 8 bits a "
            "channel: convert it (16-bit values are for the X reading)."
        )
