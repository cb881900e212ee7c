# SPDX-License-Identifier: Apache-2.0
"""Pictures as sensor_msgs/CompressedImage."""

import numpy as np

from segrgbx_core.files.images import jpeg_bytes
from segrgbx_core.readings import RgbImage
from segrgbx_ros.messages.images import AnyImage, CompressedImageMessage, is_compressed, is_jpeg
from segrgbx_ros.messages.types import COMPRESSED_IMAGE, Header, message

JPEG_QUALITY = 90
# As image_transport calls an rgb8 image that it compressed; Foxglove and RViz read it.
JPEG_FORMAT = "rgb8; jpeg compressed bgr8"
_BEFORE_PIXELS = 4096


def picture_message(picture: RgbImage, header: Header) -> CompressedImageMessage:
    """A JPEG of (H, W, 3) uint8, red first."""
    return _jpeg(jpeg_bytes(picture, JPEG_QUALITY), JPEG_FORMAT, header)


def rgb_picture_message(msg: AnyImage, rgb: RgbImage, header: Header) -> CompressedImageMessage:
    """The bytes of the recorded image if they are a JPEG, else a JPEG of its pixels.

    rgb: (H, W, 3) uint8, as decoded. A JPEG with Exif data, which may turn it on the screen, is
    made anew.
    """
    if is_compressed(msg) and is_jpeg(msg):
        data = bytes(np.frombuffer(msg.data, np.uint8))
        if data.startswith(b"\xff\xd8\xff") and b"Exif" not in data[:_BEFORE_PIXELS]:
            return _jpeg(data, msg.format, header)
    return picture_message(rgb, header)


def _jpeg(data: bytes, form: str, header: Header) -> CompressedImageMessage:
    made: CompressedImageMessage = message(
        COMPRESSED_IMAGE, header=header, format=form, data=np.frombuffer(data, np.uint8)
    )
    return made
