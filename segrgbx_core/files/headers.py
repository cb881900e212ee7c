# SPDX-License-Identifier: Apache-2.0
"""What an image states before it is decoded: its size, and whether its data are all there.

Decoders take memory for the size that a header states, and for the length that a chunk states,
before they look for the data behind it.
"""

import io
import struct
from collections.abc import Callable, Iterator

from PIL import Image

from segrgbx_core.bounds import check_stated_pixels
from segrgbx_core.errors import SegRgbxError, guarded

Size = tuple[int, int]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_SIZE_TAGS = {256: 0, 257: 1}
_TIFF_TILE_TAGS = {322: 0, 323: 1}
_TIFF_TYPES = {3: "H", 4: "I"}
# Deflate packs 1032 bytes into one; a JPEG needs a bit for each block of 8x8.
_PIXELS_PER_BYTE = {"PNG": 8 * 1032, "JPEG": 1024}


def check_image(data: bytes, what: str, error: type[SegRgbxError]) -> None:
    """Raises `error` where the image states more pixels than its bytes can hold.

    what: the image in an error. Data of an unknown or damaged header pass, and are for the
    decoder to refuse.
    """
    kind, size = stated_size(data)
    check_stated_pixels(size, len(data), what, error, _PIXELS_PER_BYTE.get(kind))


def stated_size(data: bytes) -> tuple[str, Size]:
    """Kind of image, and the (width, height) that its header states; (0, 0) if it states none.

    For a tiled TIFF whose tiles are larger than the image, the size of a tile.
    """
    readers: tuple[tuple[str, bool, Callable[[bytes], Size]], ...] = (
        ("PNG", data.startswith(_PNG), _png_size),
        ("JPEG", data.startswith(_JPEG), _jpeg_size),
        ("TIFF", data[:4] in _TIFF, _tiff_size),
        ("BMP", data.startswith(b"BM"), _bmp_size),
        ("other", True, _other_size),
    )
    kind, _, read = next(reader for reader in readers if reader[1])
    try:
        with guarded("an image's header", SegRgbxError, "The header is damaged."):
            return kind, read(data)
    except SegRgbxError:
        return kind, (0, 0)


def png_is_cut(data: bytes) -> bool:
    """Whether a chunk of the PNG reaches beyond the data, or the last chunk is missing."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if name == b"IEND":
            return bool(at > len(data))
    return True


def _png_size(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _bmp_size(data: bytes) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def _jpeg_size(data: bytes) -> Size:
    """Of the largest frame header (SOF0 to SOF15 without DHT, JPG and DAC)."""
    at, largest = 2, (0, 0)
    while at + 9 <= len(data):
        if data[at] != 0xFF or data[at + 1] in (0x00, 0xFF):
            at += 1
            continue
        mark = data[at + 1]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            largest = max(largest, (width, height), key=lambda size: size[0] * size[1])
        if mark == 0xDA:
            break
        if 0xD0 <= mark <= 0xD9 or mark == 0x01:
            at += 2
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return largest


def tiff_fields(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Tag, count and first number of the fields of 16 or 32 bits in a TIFF's first directory.

    Those before its end where it is cut, none for data that are no TIFF.
    """
    order = _TIFF.get(data[:4], "")
    if not order or len(data) < 8:
        return
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    if at + 2 > len(data):
        return
    (fields,) = struct.unpack_from(f"{order}H", data, at)
    for field in range(at + 2, min(at + 2 + 12 * fields, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, field)
        if kind in _TIFF_TYPES:
            (number,) = struct.unpack_from(order + _TIFF_TYPES[kind], data, field + 8)
            yield tag, count, number


def _tiff_size(data: bytes) -> Size:
    image, tile = [0, 0], [0, 0]
    for tag, _, number in tiff_fields(data):
        if tag in _TIFF_SIZE_TAGS:
            image[_TIFF_SIZE_TAGS[tag]] = number
        elif tag in _TIFF_TILE_TAGS:
            tile[_TIFF_TILE_TAGS[tag]] = number
    width, height = max(image, tile, key=lambda size: size[0] * size[1])
    return width, height


def _other_size(data: bytes) -> Size:
    """By Pillow, which reads no pixels for it."""
    with Image.open(io.BytesIO(data)) as image:
        size: Size = image.size
    return size
