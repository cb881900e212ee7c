# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back, for messages of rosbags and of rclpy.

rosbags-image converts colours; in the live node, cv_bridge does (`node/conversions.py`). This
module first does what neither supports: it removes row padding, converts to the native byte order,
and decodes compressed images at full bit depth.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, cast

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.image import ImageError, message_to_cvimage

from segrgbx_core.errors import BagError, guarded
from segrgbx_core.files.headers import check_image
from segrgbx_core.files.images import is_cut
from segrgbx_core.readings import ImageReading, RgbImage
from segrgbx_ros.messages.compressed_depth import decode_compressed_depth, is_compressed_depth
from segrgbx_ros.messages.guard import guarded_message
from segrgbx_ros.messages.types import IMAGE, NS_PER_S, Header, message

if TYPE_CHECKING:
    from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__Image as RosbagsImage

BAYER_PIXEL_BYTES: Mapping[str, int] = {
    "bayer_rggb8": 1,
    "bayer_bggr8": 1,
    "bayer_gbrg8": 1,
    "bayer_grbg8": 1,
    "bayer_rggb16": 2,
    "bayer_bggr16": 2,
    "bayer_gbrg16": 2,
    "bayer_grbg16": 2,
}
RGB_PIXEL_BYTES: Mapping[str, int] = {
    "rgb8": 3,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "rgb16": 6,
    "bgr16": 6,
    "rgba16": 8,
    "bgra16": 8,
    **BAYER_PIXEL_BYTES,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
    "nv12": 1,
    "nv21": 1,
}
READING_PIXEL_BYTES: Mapping[str, int] = {
    "mono8": 1,
    "8UC1": 1,
    "mono16": 2,
    "16UC1": 2,
    "32FC1": 4,
}
LABEL_PIXEL_BYTES: Mapping[str, int] = {"mono8": 1, "8UC1": 1}
# A plane of luma, then chroma at half the resolution: 1.5 times the rows of the image.
PLANAR = ("nv12", "nv21")


def value_bytes(encoding: str) -> int:
    """Bytes per channel value."""
    if encoding.startswith("32F"):
        return 4
    return 2 if "16" in encoding else 1


class ImageMessage(Protocol):
    """sensor_msgs/Image."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: npt.NDArray[np.uint8]


class CompressedImageMessage(Protocol):
    """sensor_msgs/CompressedImage."""

    header: Header
    format: str
    data: npt.NDArray[np.uint8]


AnyImage = ImageMessage | CompressedImageMessage


@dataclass(frozen=True)
class PackedImage:
    """An image message without row padding, in native byte order.

    height: rows of data; 1.5 times the rows of the image for nv12 and nv21. step: bytes per row.
    data: (height * step,) uint8.
    """

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: npt.NDArray[np.uint8]


Convert: TypeAlias = Callable[[PackedImage, str | None], npt.NDArray[Any]]
"""Converts a packed image to an array of the given encoding; None keeps its own encoding."""


def convert_offline(image: PackedImage, encoding: str | None) -> npt.NDArray[Any]:
    """`Convert` with rosbags-image; 16 bits are rounded to 8, as in cv_bridge."""
    source = cast("RosbagsImage", image)
    if encoding == "rgb8" and image.encoding.endswith("16"):
        deep = message_to_cvimage(source, "rgb16").astype(np.uint32)
        return ((deep * 255 + 32767) // 65535).astype(np.uint8)
    return message_to_cvimage(source, encoding)


def stamp_ns(header: Header) -> int:
    """The header's stamp in nanoseconds since the epoch."""
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


@guarded_message
def rgb_from_message(msg: AnyImage, topic: str, convert: Convert = convert_offline) -> RgbImage:
    """(H, W, 3) uint8, red first, from any colour encoding; 16 bits are scaled to 8.

    Raises BagError for another encoding, data of the wrong length, or an undecodable image.
    """
    if is_compressed(msg):
        image = _decompressed(msg, topic, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image.ndim != 3:
            raise BagError(
                f"Topic {topic} holds grey compressed pictures ('{msg.format}'); the RGB topic "
                "must have colour: choose another with --rgb-topic."
            )
        return cast(RgbImage, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    packed = _packed(cast(ImageMessage, msg), topic, RGB_PIXEL_BYTES, "an RGB image")
    try:
        image = convert(packed, "rgb8")
    except (ImageError, cv2.error) as err:
        raise BagError(
            f"An image on topic {topic} ({packed.encoding}, {packed.width}x{packed.height}) could "
            "not be converted to rgb8; record it as rgb8 or bgr8."
        ) from err
    return cast(RgbImage, np.ascontiguousarray(image))


@guarded_message
def reading_from_message(
    msg: AnyImage,
    topic: str,
    convert: Convert = convert_offline,
    accepted: Mapping[str, int] = READING_PIXEL_BYTES,
    colour: bool = False,
    rgb_size: tuple[int, int] | None = None,
) -> ImageReading:
    """The second sensor's values as recorded: (h, w) uint8, uint16 or float32.

    accepted: accepted encodings of one channel, with their bytes per pixel. colour: accept colour
    images too, as (h, w, 3) uint8, red first. rgb_size: (height, width) of the RGB image, which
    bounds a size that no data are behind. Raises BagError for another encoding, data of the wrong
    length, or an undecodable image.
    """
    if is_compressed(msg):
        return _compressed_reading(msg, topic, colour, rgb_size)
    raw = cast(ImageMessage, msg)
    if colour and raw.encoding in RGB_PIXEL_BYTES:
        return rgb_from_message(msg, topic, convert)
    taken = {**accepted, **RGB_PIXEL_BYTES} if colour else accepted
    packed = _packed(raw, topic, taken, "an X reading")
    return cast(ImageReading, np.ascontiguousarray(convert(packed, None)))


@guarded_message
def labels_from_message(msg: AnyImage, topic: str) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 class ids from mono8. Raises BagError for anything else."""
    if is_compressed(msg):
        image = _decompressed(msg, topic, cv2.IMREAD_UNCHANGED)
        if image.ndim != 2 or image.dtype != np.uint8 or "jp" in msg.format.lower():
            raise BagError(
                f"Topic {topic} holds '{msg.format}' pictures, which are no class ids; ground "
                "truth must be mono8, raw or PNG."
            )
        return cast("npt.NDArray[np.uint8]", image)
    packed = _packed(cast(ImageMessage, msg), topic, LABEL_PIXEL_BYTES, "a label image")
    return cast("npt.NDArray[np.uint8]", np.ascontiguousarray(convert_offline(packed, None)))


def image_message(
    array: npt.NDArray[np.generic],
    encoding: str,
    header: Header,
) -> ImageMessage:
    """sensor_msgs/Image without row padding, with the given header.

    array: (H, W) or (H, W, 3), with the dtype and channels of the encoding.
    """
    pixels = np.ascontiguousarray(array)
    image: ImageMessage = message(
        IMAGE,
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(pixels.dtype.byteorder == ">"),
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )
    return image


@guarded_message
def check_whole(msg: AnyImage, topic: str) -> str:
    """The encoding and size of an image; for compressed images, only the format.

    Raises BagError for an inconsistent header, and for truncated data.
    """
    if is_compressed(msg):
        data = bytes(np.frombuffer(msg.data, np.uint8))
        if not data or (not is_compressed_depth(msg.format) and is_cut(data)):
            raise _undecodable(msg, topic, len(data))
        return msg.format.strip()
    raw = cast(ImageMessage, msg)
    known = {**READING_PIXEL_BYTES, **RGB_PIXEL_BYTES}
    if raw.encoding in known:
        _rows(raw, topic, known[raw.encoding])
    return f"{raw.encoding} {raw.width}x{raw.height}"


def is_compressed(msg: AnyImage) -> TypeGuard[CompressedImageMessage]:
    """Whether the message is a CompressedImage."""
    return hasattr(msg, "format")


def _packed(msg: ImageMessage, topic: str, accepted: Mapping[str, int], what: str) -> PackedImage:
    """The checked message without row padding, in native byte order.

    For 8-bit encodings is_bigendian is ignored, because drivers set it arbitrarily.
    """
    if msg.encoding not in accepted:
        raise BagError(
            f"Topic {topic} has encoding '{msg.encoding}', which {what} cannot have; accepted: "
            f"{', '.join(accepted)}."
        )
    row = msg.width * accepted[msg.encoding]
    rows = _rows(msg, topic, accepted[msg.encoding])
    tight = np.ascontiguousarray(rows[:, :row]).reshape(-1)
    native_big = sys.byteorder == "big"
    if bool(msg.is_bigendian) != native_big:
        tight = tight.view(f"u{value_bytes(msg.encoding)}").byteswap().view(np.uint8)
    return PackedImage(len(rows), msg.width, msg.encoding, int(native_big), row, tight)


def _rows(msg: ImageMessage, topic: str, pixel_bytes: int) -> npt.NDArray[np.uint8]:
    """(rows, step) uint8 as stored. Raises BagError if size, step and data are inconsistent."""
    row = msg.width * pixel_bytes
    if msg.width < 1 or msg.height < 1 or msg.step < row:
        raise BagError(
            f"An image on topic {topic} states {msg.width}x{msg.height} {msg.encoding} with step "
            f"{msg.step}; expected a size of at least 1x1 and a step of at least {row} bytes."
        )
    data = np.frombuffer(msg.data, np.uint8)
    rows = msg.height * 3 // 2 if msg.encoding in PLANAR else msg.height
    if data.size != msg.step * rows:
        raise BagError(
            f"An image on topic {topic} has {data.size} bytes of data, but its step {msg.step} "
            f"times its height {rows} is {msg.step * rows}; it is cut short or its header is "
            "wrong."
        )
    return data.reshape(rows, msg.step)


def _decompressed(msg: CompressedImageMessage, topic: str, flags: int) -> npt.NDArray[Any]:
    data = np.frombuffer(msg.data, np.uint8)
    whole = data.tobytes()
    check_image(whole, f"A compressed image on topic {topic}", BagError)
    with guarded("a compressed image", BagError, str(_undecodable(msg, topic, data.size))):
        image = cv2.imdecode(data, flags) if whole and not is_cut(whole) else None
    if image is None:
        raise _undecodable(msg, topic, data.size)
    return image


def _undecodable(msg: CompressedImageMessage, topic: str, size: int) -> BagError:
    return BagError(
        f"A compressed image on topic {topic} (format '{msg.format}', {size} bytes) cannot be "
        "decoded; expected whole JPEG or PNG data."
    )


def _compressed_reading(
    msg: CompressedImageMessage, topic: str, colour: bool, rgb_size: tuple[int, int] | None
) -> ImageReading:
    """Decodes image_transport's `compressed` and `compressedDepth` at full bit depth."""
    if is_compressed_depth(msg.format):
        data = np.frombuffer(msg.data, np.uint8)
        return decode_compressed_depth(data, msg.format, topic, rgb_size)
    image = _decompressed(msg, topic, cv2.IMREAD_UNCHANGED)
    if colour and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8:
        return cast(ImageReading, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise BagError(
            f"Topic {topic} has compressed pictures of shape {image.shape} and type {image.dtype} "
            f"(format '{msg.format}'), which an X reading cannot have; expected one channel of 8 "
            "or 16 bits: a coloured picture has lost its readings, record the raw topic."
        )
    return cast(ImageReading, image)
