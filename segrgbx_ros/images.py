# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back; messages of rosbags and of rclpy alike.

rosbags-image converts colours. It takes rows to be tightly packed and reads compressed images
with 8 bits only, so padding is cut off here first, and compressed data is decoded here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.image import ImageError, message_to_cvimage

from segrgbx_core.errors import BagError
from segrgbx_core.frame import Reading, RgbImage
from segrgbx_ros.message_types import IMAGE, NS_PER_S, message

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg
    from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__Image as RosbagsImage

RGB_PIXEL_BYTES: Mapping[str, int] = {
    "rgb8": 3,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "rgb16": 6,
    "bgr16": 6,
    "rgba16": 8,
    "bgra16": 8,
    "bayer_rggb8": 1,
    "bayer_bggr8": 1,
    "bayer_gbrg8": 1,
    "bayer_grbg8": 1,
    "bayer_rggb16": 2,
    "bayer_bggr16": 2,
    "bayer_gbrg16": 2,
    "bayer_grbg16": 2,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
}
READING_PIXEL_BYTES: Mapping[str, int] = {
    "mono8": 1,
    "8UC1": 1,
    "mono16": 2,
    "16UC1": 2,
    "32FC1": 4,
}
LABEL_PIXEL_BYTES: Mapping[str, int] = {"mono8": 1, "8UC1": 1}

DEPTH_HEADER_BYTES = 12


class Time(Protocol):
    """builtin_interfaces/Time."""

    sec: int
    nanosec: int


class Header(Protocol):
    """std_msgs/Header."""

    stamp: Time
    frame_id: str


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
class _Packed:
    """An image without row padding, as rosbags-image expects it."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    data: npt.NDArray[np.uint8]


def stamp_ns(header: Header) -> int:
    """The header's stamp in nanoseconds since the epoch."""
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


def rgb_from_message(msg: AnyImage, topic: str) -> RgbImage:
    """(H, W, 3) uint8, red first, from any colour encoding; 16 bits are scaled to 8.

    Raises BagError for another encoding, data of the wrong length, or an undecodable picture.
    """
    if _is_compressed(msg):
        image = _decompressed(msg, topic, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image.ndim != 3:
            raise BagError(
                f"Topic {topic} holds grey compressed pictures ('{msg.format}'); the RGB topic "
                "must have colour: choose another with --rgb-topic."
            )
        return cast(RgbImage, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    packed = _packed(cast(ImageMessage, msg), topic, RGB_PIXEL_BYTES, "an RGB image")
    try:
        image = message_to_cvimage(cast("RosbagsImage", packed), "rgb8")
    except (ImageError, cv2.error) as err:
        raise BagError(
            f"An image on topic {topic} ({packed.encoding}, {packed.width}x{packed.height}) could "
            "not be converted to rgb8; record it as rgb8 or bgr8."
        ) from err
    return cast(RgbImage, np.ascontiguousarray(image))


def reading_from_message(msg: AnyImage, topic: str) -> Reading:
    """The second sensor's values as recorded: (h, w) uint8, uint16 or float32, native byte order.

    Raises BagError for another encoding, data of the wrong length, or an undecodable picture.
    """
    if _is_compressed(msg):
        return _compressed_reading(msg, topic)
    packed = _packed(cast(ImageMessage, msg), topic, READING_PIXEL_BYTES, "an X reading")
    image = message_to_cvimage(cast("RosbagsImage", packed))
    return cast(Reading, np.ascontiguousarray(image))


def labels_from_message(msg: AnyImage, topic: str) -> npt.NDArray[np.uint8]:
    """Class ids (H, W) uint8 from mono8; BagError for anything else."""
    if _is_compressed(msg):
        image = _decompressed(msg, topic, cv2.IMREAD_UNCHANGED)
        if image.ndim != 2 or image.dtype != np.uint8 or "jp" in msg.format.lower():
            raise BagError(
                f"Topic {topic} holds '{msg.format}' pictures, which are no class ids; ground "
                "truth must be mono8, raw or PNG."
            )
        return cast("npt.NDArray[np.uint8]", image)
    packed = _packed(cast(ImageMessage, msg), topic, LABEL_PIXEL_BYTES, "a label image")
    image = message_to_cvimage(cast("RosbagsImage", packed))
    return cast("npt.NDArray[np.uint8]", np.ascontiguousarray(image))


def image_message(
    array: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32],
    encoding: str,
    header: Header,
) -> "Msg":
    """sensor_msgs/Image without row padding, with the header as given.

    array: (H, W) or (H, W, 3) whose dtype and channels are those of the encoding.
    """
    pixels = np.ascontiguousarray(array)
    return message(
        IMAGE,
        header=cast("Msg", header),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(pixels.dtype.byteorder == ">"),
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )


def _is_compressed(msg: AnyImage) -> TypeGuard[CompressedImageMessage]:
    return hasattr(msg, "format")


def _packed(msg: ImageMessage, topic: str, accepted: Mapping[str, int], what: str) -> _Packed:
    """The message checked and its row padding cut off."""
    if msg.encoding not in accepted:
        raise BagError(
            f"Topic {topic} has encoding '{msg.encoding}', which {what} cannot have; accepted: "
            f"{', '.join(accepted)}."
        )
    row = msg.width * accepted[msg.encoding]
    if msg.width < 1 or msg.height < 1 or msg.step < row:
        raise BagError(
            f"An image on topic {topic} states {msg.width}x{msg.height} {msg.encoding} with step "
            f"{msg.step}; expected a size of at least 1x1 and a step of at least {row} bytes."
        )
    data = np.frombuffer(msg.data, np.uint8)
    if data.size != msg.step * msg.height:
        raise BagError(
            f"An image on topic {topic} has {data.size} bytes of data, but its step {msg.step} "
            f"times its height {msg.height} is {msg.step * msg.height}; it is cut short or its "
            "header is wrong."
        )
    tight = np.ascontiguousarray(data.reshape(msg.height, msg.step)[:, :row])
    return _Packed(msg.height, msg.width, msg.encoding, msg.is_bigendian, tight.reshape(-1))


def _decompressed(
    msg: CompressedImageMessage, topic: str, flags: int, skip: int = 0
) -> npt.NDArray[Any]:
    data = np.frombuffer(msg.data, np.uint8)[skip:]
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise BagError(
            f"A compressed image on topic {topic} (format '{msg.format}', {data.size} bytes) "
            "cannot be decoded; expected whole JPEG or PNG data."
        )
    return image


def _compressed_reading(msg: CompressedImageMessage, topic: str) -> Reading:
    """image_transport's `compressed` and `compressedDepth` forms, depth of bits kept."""
    is_depth = "compressedDepth" in msg.format
    image = _decompressed(msg, topic, cv2.IMREAD_UNCHANGED, DEPTH_HEADER_BYTES if is_depth else 0)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise BagError(
            f"Topic {topic} has compressed pictures of shape {image.shape} and type {image.dtype} "
            f"(format '{msg.format}'), which an X reading cannot have; expected one channel of 8 "
            "or 16 bits: a coloured picture has lost its readings, record the raw topic."
        )
    if is_depth and re.match(r"\s*32FC1", msg.format):
        return _inverse_depth(msg, cast("npt.NDArray[np.uint16]", image))
    return cast(Reading, image)


def _inverse_depth(
    msg: CompressedImageMessage, quantised: npt.NDArray[np.uint16]
) -> npt.NDArray[np.float32]:
    """Metres float32 from compressed_depth_image_transport: depth = a / (q - b), q = 0 is NaN."""
    a, b = np.frombuffer(msg.data, np.uint8)[4:DEPTH_HEADER_BYTES].view("<f4")
    with np.errstate(divide="ignore"):
        metres: npt.NDArray[np.float32] = a / (quantised.astype(np.float32) - b)
    metres[quantised == 0] = np.nan
    return metres
