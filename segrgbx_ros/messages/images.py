# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays and back, for messages of rosbags and of rclpy.

rosbags-image converts colours; in the live node, cv_bridge does (`node/conversions.py`). This
module first does what neither supports: it removes row padding, converts to the native byte order,
and decodes compressed images at full bit depth.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, cast

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.image import ImageError, message_to_cvimage

from segrgbx_core.errors import BagError, guarded
from segrgbx_core.files.headers import check_image
from segrgbx_core.files.images import is_cut, one_channel
from segrgbx_core.plausible import plain_numbers
from segrgbx_core.readings import ImageReading, RgbImage
from segrgbx_ros.messages.compressed_depth import decode_compressed_depth, is_compressed_depth
from segrgbx_ros.messages.encodings import (
    COLOUR_PIXEL_BYTES,
    LABEL_PIXEL_BYTES,
    PLANAR,
    READING_PIXEL_BYTES,
    RGB_PIXEL_BYTES,
    THREEFOLD_PIXEL_BYTES,
    value_bytes,
)
from segrgbx_ros.messages.rgb_words import NAMELESS, RgbWords
from segrgbx_ros.messages.types import IMAGE, NS_PER_S, Header, guarded_message, message

if TYPE_CHECKING:
    from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__Image as RosbagsImage

# image_transport names the encoding that was compressed first.
_DEEP_SOURCE = re.compile(r"\s*(mono16|16[US]C1|32[FS]C1|64FC1)\b")
_VIDEO = re.compile(r"\b(h\.?26[45]|hevc|avc|av1|vp[89]|mpeg4)\b")


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


REPUBLISH = (
    "turn it into images with ros2 run image_transport republish --ros-args "
    "-p in_transport:=ffmpeg -p out_transport:=raw"
)


@dataclass(frozen=True)
class UndecodedVideo:
    """A packet of a video that gave no image. problem: why, as a sentence."""

    header: Header
    problem: str


AnyImage: TypeAlias = ImageMessage | CompressedImageMessage | UndecodedVideo


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
def rgb_from_message(
    msg: AnyImage,
    topic: str,
    convert: Convert = convert_offline,
    words: RgbWords | None = None,
) -> RgbImage:
    """(H, W, 3) uint8, red first, from any colour or grey encoding.

    Grey has three equal channels; 16 bits are scaled to 8. words: of the topic's images so far,
    with what the user says of them. Raises BagError for another encoding, data of the wrong
    length, or an undecodable image.
    """
    _need_image(msg)
    words = words or RgbWords()
    if is_compressed(msg):
        return _compressed_rgb(msg, topic, words)
    packed = _rgb_packed(cast(ImageMessage, msg), topic, words)
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
    _need_image(msg)
    if is_compressed(msg):
        return _compressed_reading(msg, topic, colour, rgb_size)
    raw = cast(ImageMessage, msg)
    if raw.encoding in THREEFOLD_PIXEL_BYTES and raw.encoding not in accepted:
        channels = _packed(raw, topic, THREEFOLD_PIXEL_BYTES, "an X reading")
        one = one_channel(_channels(channels))
        if one is not None:
            return cast(ImageReading, one)
    if colour and raw.encoding in COLOUR_PIXEL_BYTES:
        return rgb_from_message(msg, topic, convert)
    taken = {**accepted, **COLOUR_PIXEL_BYTES} if colour else accepted
    packed = _packed(raw, topic, taken, "an X reading")
    return _plain(convert(packed, None), topic, raw.encoding)


@guarded_message
def labels_from_message(msg: AnyImage, topic: str) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 class ids from whole numbers of one channel, or of three equal ones.

    Raises BagError for anything else, and for numbers above 255.
    """
    if is_compressed(msg):
        image = _decompressed(msg, topic, cv2.IMREAD_UNCHANGED)
        if is_jpeg(msg):
            raise _no_ids(msg.format, topic)
        return _ids(image, msg.format, topic)
    packed = _packed(cast(ImageMessage, msg), topic, LABEL_PIXEL_BYTES, "a label image")
    if packed.encoding in THREEFOLD_PIXEL_BYTES:
        return _ids(_channels(packed), packed.encoding, topic)
    return _ids(convert_offline(packed, None), packed.encoding, topic)


def _ids(values: npt.NDArray[Any], kind: str, topic: str) -> npt.NDArray[np.uint8]:
    one = one_channel(values)
    if one is None or one.dtype.kind not in "iu":
        raise _no_ids(kind, topic)
    low, high = int(one.min(initial=0)), int(one.max(initial=0))
    if low < -1 or high > 255:
        raise BagError(
            f"Topic {topic} has the label {high if high > 255 else low}; expected class ids "
            "of 0 to 254, and 255 or -1 for unlabelled."
        )
    return np.ascontiguousarray(one.astype(np.uint8))


def _no_ids(kind: str, topic: str) -> BagError:
    return BagError(
        f"Topic {topic} holds '{kind.strip()}' pictures, which are no class ids; ground truth "
        "must be whole numbers of one channel, or of three equal ones: mono8, raw or PNG."
    )


def _channels(packed: PackedImage) -> npt.NDArray[np.uint8]:
    return packed.data.reshape(packed.height, packed.width, -1)


def _plain(values: npt.NDArray[Any], topic: str, kind: str) -> ImageReading:
    plain = plain_numbers(values)
    if plain is None:
        raise BagError(
            f"Topic {topic} ({kind.strip()}) has numbers of type {values.dtype} that an X reading "
            "cannot have; expected whole numbers of 0 to 65535, or floats."
        )
    return cast(ImageReading, np.ascontiguousarray(plain))


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
    known = {**LABEL_PIXEL_BYTES, **READING_PIXEL_BYTES, **RGB_PIXEL_BYTES}
    if raw.encoding in known:
        _rows(raw, topic, known[raw.encoding])
    return f"{raw.encoding} {raw.width}x{raw.height}"


def is_video_format(form: str) -> bool:
    """Whether a compressed image's format is a video's, such as h264."""
    return _VIDEO.search(form.lower()) is not None


def _need_image(msg: AnyImage) -> None:
    if isinstance(msg, UndecodedVideo):
        raise BagError(msg.problem)


def is_jpeg(msg: CompressedImageMessage) -> bool:
    """Whether the picture is a JPEG, by its first bytes or, without them, by its name."""
    start = bytes(np.frombuffer(msg.data, np.uint8)[:3])
    return start == b"\xff\xd8\xff" or (start[:2] != b"\x89P" and "jp" in msg.format.lower())


def is_compressed(msg: AnyImage) -> TypeGuard[CompressedImageMessage]:
    """Whether the message is a CompressedImage."""
    return hasattr(msg, "format")


def _compressed_rgb(msg: CompressedImageMessage, topic: str, words: RgbWords) -> RgbImage:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    image = _decompressed(msg, topic, flags)
    if image.dtype == np.uint16:
        deep = words.full_range(image).astype(np.uint32)
        image = ((deep * 255 + 32767) // 65535).astype(np.uint8)
    if image.dtype != np.uint8:
        raise BagError(
            f"Topic {topic} has compressed pictures of type {image.dtype} (format "
            f"'{msg.format}'); an RGB image needs 8 or 16 bits: choose another with --rgb-topic."
        )
    code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return cast(RgbImage, cv2.cvtColor(image, code))


def _rgb_packed(msg: ImageMessage, topic: str, words: RgbWords) -> PackedImage:
    """The packed image under its true encoding, with words of 16 bits stretched to all of them."""
    stated = words.settings.encoding
    if not stated and msg.encoding in NAMELESS:
        raise BagError(
            f"Topic {topic} has encoding '{msg.encoding}', which does not say what its channels "
            f"are: set rgb.encoding (--rgb-encoding) to {NAMELESS[msg.encoding]}, or publish it "
            "under that name."
        )
    packed = _packed(msg, topic, RGB_PIXEL_BYTES, "an RGB image", stated)
    if not packed.encoding.endswith("16"):
        return packed
    stored = packed.data.view(np.uint16).reshape(packed.height, packed.width, -1)
    data = words.full_range(stored).reshape(-1).view(np.uint8)
    return replace(packed, data=data)


def _packed(
    msg: ImageMessage, topic: str, accepted: Mapping[str, int], what: str, stated: str = ""
) -> PackedImage:
    """The checked message without row padding, in native byte order.

    stated: its encoding, whatever it says. For 8-bit encodings is_bigendian is ignored,
    because drivers set it arbitrarily.
    """
    encoding = stated or msg.encoding
    if encoding not in accepted:
        raise BagError(
            f"Topic {topic} has encoding '{encoding}', which {what} cannot have; accepted: "
            f"{', '.join(accepted)}."
        )
    row = msg.width * accepted[encoding]
    rows = _rows(msg, topic, accepted[encoding], encoding)
    tight = np.ascontiguousarray(rows[:, :row]).reshape(-1)
    native_big = sys.byteorder == "big"
    if bool(msg.is_bigendian) != native_big:
        tight = tight.view(f"u{value_bytes(encoding)}").byteswap().view(np.uint8)
    return PackedImage(len(rows), msg.width, encoding, int(native_big), row, tight)


def _rows(
    msg: ImageMessage, topic: str, pixel_bytes: int, encoding: str = ""
) -> npt.NDArray[np.uint8]:
    """(rows, step) uint8 as stored. Raises BagError if size, step and data are inconsistent."""
    encoding = encoding or msg.encoding
    row = msg.width * pixel_bytes
    if msg.width < 1 or msg.height < 1 or msg.step < row:
        raise BagError(
            f"An image on topic {topic} states {msg.width}x{msg.height} {encoding} with step "
            f"{msg.step}; expected a size of at least 1x1 and a step of at least {row} bytes."
        )
    data = np.frombuffer(msg.data, np.uint8)
    rows = msg.height * 3 // 2 if encoding in PLANAR else msg.height
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
    if is_video_format(msg.format):
        return BagError(
            f"Topic {topic} holds video (format '{msg.format}'), which the live node does not "
            f"read: {REPUBLISH}."
        )
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
    source = _DEEP_SOURCE.match(msg.format)
    if source is not None and is_jpeg(msg):
        raise BagError(
            f"Topic {topic} holds '{msg.format.strip()}' pictures: JPEG has 8 bits, so what the "
            f"{source[1]} readings held is lost; record it raw, as PNG, "
            "or as compressedDepth."
        )
    image = _decompressed(msg, topic, cv2.IMREAD_UNCHANGED)
    one = one_channel(image)
    if one is None and colour and image.shape[2] == 3 and image.dtype == np.uint8:
        return cast(ImageReading, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if one is None:
        raise BagError(
            f"Topic {topic} has compressed pictures of shape {image.shape} and type {image.dtype} "
            f"(format '{msg.format}'), which an X reading cannot have; expected one channel: a "
            "coloured picture has lost its readings, record the raw topic."
        )
    return _plain(one, topic, msg.format)
