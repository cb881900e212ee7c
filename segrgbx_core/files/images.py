# SPDX-License-Identifier: Apache-2.0
"""Read and write images and readings: pixels as stored, red first, without orientation tags."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError, guarded
from segrgbx_core.files.arrays import array_from
from segrgbx_core.files.disk import input_bytes, write_whole
from segrgbx_core.files.headers import check_image, png_is_cut, tiff_fields
from segrgbx_core.files.resources import package_for
from segrgbx_core.plausible import plain_numbers
from segrgbx_core.readings import (
    ImageReading,
    LightFieldViews,
    Planes,
    PolarizerImages,
    RgbImage,
)
from segrgbx_core.tiles import views_from_tiles

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm", ".ppm", ".webp")
READING_SUFFIXES = (*IMAGE_SUFFIXES, ".npy")
READING_TYPES = (np.uint8, np.uint16, np.float32)
_PLACE = re.compile(r"(\d+)_(\d+)$")
_ANGLES = ("0", "45", "90", "135")
_TIFF_BITS, _TIFF_KIND = 258, 339
# Sample format (1 unsigned, 2 signed, 3 float) and bits.
_ODD_TIFFS = ((3, 16), (1, 32), (1, 64), (2, 64))
_TIFF_READER = ("tifffile", "formats")

Pixels = npt.NDArray[Any]


def read_rgb(path: Path) -> RgbImage:
    """Reads an 8-bit colour image, (H, W, 3) uint8.

    An alpha channel that is opaque everywhere is dropped.
    Raises InputError for a file that is missing, unreadable, grey, deeper than 8 bits, or has an
    alpha channel that is not opaque (it may contain a second sensor: `read_rgbx`).
    """
    image = _decoded(path)
    if image.ndim == 2:
        raise InputError(
            f"{path} is a grey image; the RGB image needs three channels (is it the second "
            "sensor's?)."
        )
    _need_bytes(path, image)
    if image.shape[2] == 4 and (image[..., 3] < 255).any():
        raise InputError(
            f"{path} has a fourth channel that is not plain opacity; if it is the second sensor, "
            "give the file as --rgbx."
        )
    return np.ascontiguousarray(image[..., :3])


def read_reading(path: Path) -> ImageReading:
    """Reads the second sensor's raw values: (h, w), or (h, w, 3) for a file with colours.

    Files: IMAGE_SUFFIXES and `.npy`, of whole numbers or floats. Returns uint8, uint16 or float32,
    in the sensor's unit: whole numbers of other types as the first of these that holds them
    exactly, other floats as float32. Three equal channels, with or without an opaque alpha
    channel, become one.
    Raises InputError for a file that is missing or unreadable, and for other types.
    """
    values = read_pixels(path)
    one = one_channel(values)
    if one is None and values.ndim == 3 and values.shape[2] == 4:
        raise InputError(_why_not_four(path, values))
    numbers = values if one is None else one
    plain = plain_numbers(numbers)
    if plain is None:
        beyond = f", up to {numbers.max()}" if numbers.dtype.kind in "iu" else ""
        raise InputError(
            f"{path} holds values of type {numbers.dtype}{beyond}; expected whole numbers of 0 to "
            "65535, or floats: convert them with astype, to the sensor's unit."
        )
    if plain.ndim not in (2, 3) or 0 in plain.shape:
        raise InputError(f"{path} holds an array of shape {plain.shape}; expected one image.")
    return cast(ImageReading, np.ascontiguousarray(plain))


def one_channel(values: Pixels) -> Pixels | None:
    """The one channel (H, W) that an image holds, perhaps three times and with an opaque alpha.

    None for an image with different channels. values: (H, W) or (H, W, C).
    """
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4):
        return None
    if values.shape[2] == 4 and not _is_opaque(values[..., 3]):
        return None
    first = values[..., 0]
    same = (values[..., :3] == first[..., None]).all()
    return np.ascontiguousarray(first) if same else None


def _is_opaque(alpha: Pixels) -> bool:
    most = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1.0
    return bool((alpha == most).all())


def _why_not_four(path: Path, values: Pixels) -> str:
    if (values[..., :3] == values[..., :1]).all():
        return (
            f"{path} is grey with an alpha channel that is not plain opacity; store the X reading "
            "alone, or give the file as --rgbx if X is the alpha channel."
        )
    return (
        f"{path} has four channels; give it as --rgbx if it holds RGB and X together, or store "
        "the X reading alone."
    )


def read_pixels(path: Path) -> Pixels:
    """Reads an image or `.npy` file as stored: any number of channels, red first, any dtype.

    Raises InputError for a file that is missing or cannot be decoded.
    """
    return _decoded_npy(path) if path.suffix.lower() == ".npy" else _decoded(path)


def planes_of_picture(path: Path) -> Planes:
    """Reads planes that are stored as a picture: 8-bit red, green and blue become 0..1.

    All pixels are valid. A grey picture gives three equal planes; an alpha channel is dropped.
    Raises InputError for a file that cannot be read or is deeper than 8 bits.
    """
    picture = read_pixels(path)
    if picture.dtype != np.uint8:
        raise InputError(
            f"{path} holds values of type {picture.dtype}; expected a picture of 8 bits."
        )
    three = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
    data = np.ascontiguousarray(np.moveaxis(three, -1, 0), np.float32) / np.float32(255)
    return Planes(data, np.ones(picture.shape[:2], np.bool_))


def read_light_field(
    path: Path, grid: tuple[int, int] | None = None
) -> LightFieldViews | ImageReading:
    """Reads a folder of views whose names end in `<row>_<column>`, or one image of all views.

    grid: rows and columns of the views in the image; with None the image is returned uncut.
    Raises InputError for a path that is missing, unreadable or of another kind.
    """
    if path.is_dir():
        return _views(path)
    image = read_reading(path)
    if grid is None:
        return image
    if image.dtype != np.uint8:
        raise InputError(f"{path} holds {image.dtype} values; views of a light field are uint8.")
    return views_from_tiles(image.astype(np.uint8, copy=False), *grid)


def _views(folder: Path) -> LightFieldViews:
    named = {
        match: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and (match := _PLACE.search(path.stem))
    }
    if not named:
        raise InputError(
            f"{folder} has no views; expected images whose names end in <row>_<column>, such as "
            "5_5.png."
        )
    views = _alike(list(named.values()))
    if views.dtype != np.uint8:
        raise InputError(f"{folder} holds {views.dtype} values; views of a light field are uint8.")
    rows, columns = ([int(match[i]) for match in named] for i in (1, 2))
    return LightFieldViews(
        views.astype(np.uint8, copy=False), np.array(rows, np.int64), np.array(columns, np.int64)
    )


def read_polarizer_images(folder: Path) -> PolarizerImages:
    """Reads a folder with images named `0`, `45`, `90` and `135` for the angles in degrees.

    Raises InputError if one is missing, unreadable, or differs from the others in size or type.
    """
    images = {p.stem: p for p in folder.iterdir() if p.suffix.lower() in READING_SUFFIXES}
    missing = [angle for angle in _ANGLES if angle not in images]
    if missing:
        raise InputError(
            f"{folder} lacks an image for {', '.join(missing)} degrees; expected "
            f"{', '.join(f'{angle}.png' for angle in _ANGLES)}."
        )
    return PolarizerImages(_alike([images[angle] for angle in _ANGLES]))


def _alike(paths: list[Path]) -> ImageReading:
    """Reads all images into one array; grey images among coloured ones get three channels.

    Raises InputError if they differ in size or type.
    """
    images: list[Pixels] = [read_reading(path) for path in paths]
    if any(image.ndim == 3 for image in images):
        images = [i if i.ndim == 3 else np.repeat(i[..., None], 3, axis=2) for i in images]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape or image.dtype != images[0].dtype:
            raise InputError(
                f"{path} has shape {image.shape} and type {image.dtype}, but {paths[0].name} "
                f"beside it {images[0].shape} and {images[0].dtype}; expected images of one kind."
            )
    together: Pixels = np.stack(images)
    return together


def read_rgbx(path: Path) -> tuple[RgbImage, npt.NDArray[np.uint8]]:
    """Reads RGB and X from one 4-channel PNG, the format of MFNet's pairs.

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


def write_png(path: Path, image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    """Writes (H, W) uint8 or uint16, or (H, W, 3) uint8 red first, atomically.

    Raises OutputError if the file cannot be written.
    """
    write_whole(path, png_bytes(image))


def png_bytes(image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """The bytes of a PNG file with an (H, W) or (H, W, 3), red first, uint8 or uint16 image."""
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", stored)[1].tobytes()


def jpeg_bytes(image: npt.NDArray[np.uint8], quality: int) -> bytes:
    """The bytes of a JPEG file with an (H, W) or (H, W, 3), red first, uint8 image.

    quality: 1 to 100, as of libjpeg.
    """
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _decoded(path: Path) -> Pixels:
    data = input_bytes(path, "an image file")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(
            f"{path} has the ending '{path.suffix}'; expected an image: "
            f"{', '.join(IMAGE_SUFFIXES)} (or .npy for the X reading)."
        )
    check_image(data, str(path), InputError)
    if _is_odd_tiff(data):
        return _odd_tiff(path, data)
    refusal = (
        f"{path} cannot be decoded as an image; it is truncated, damaged or of another format."
    )
    with guarded(str(path), InputError, refusal):
        image = (
            None
            if is_cut(data)
            else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        )
    if image is None:
        raise InputError(refusal)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return cv2.cvtColor(image, code) if image.dtype in READING_TYPES else image[..., ::-1]
    return image


def _is_odd_tiff(data: bytes) -> bool:
    """Whether a TIFF holds one channel of numbers that OpenCV does not read, such as float16."""
    found = {tag: number for tag, count, number in tiff_fields(data) if count == 1}
    return (found.get(_TIFF_KIND, 1), found.get(_TIFF_BITS, 1)) in _ODD_TIFFS


def _odd_tiff(path: Path, data: bytes) -> Pixels:
    tifffile = package_for(f"{path}, a TIFF of numbers that OpenCV does not read,", *_TIFF_READER)
    refusal = (
        f"{path} cannot be decoded as a TIFF ({{}}); save it uncompressed, as uint16 or float32."
    )
    with guarded(str(path), InputError, refusal):
        image: Pixels = tifffile.imread(BytesIO(data))
    return image


def is_cut(data: bytes) -> bool:
    """Whether a PNG or JPEG is truncated; some decoders fill the missing part with grey."""
    if data.startswith(b"\x89PNG"):
        return png_is_cut(data)
    return data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")


def _decoded_npy(path: Path) -> Pixels:
    return array_from(input_bytes(path, "an image file"), str(path), InputError)


def _need_bytes(path: Path, image: Pixels) -> None:
    if image.dtype != np.uint8:
        raise InputError(
            f"{path} has colour values of type {image.dtype}; the RGB image needs 8 bits a "
            "channel: convert it (16-bit values are for the X reading)."
        )
