# SPDX-License-Identifier: Apache-2.0
"""The encodings of sensor_msgs/Image that are taken, by what they can serve as.

Each table gives the bytes of a pixel. Names as in sensor_msgs/image_encodings.
"""

from collections.abc import Mapping

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
# Brightness of the whole image, then colour at half the resolution: half as many rows again.
PLANAR = ("nv12", "nv21")


def value_bytes(encoding: str) -> int:
    """Bytes of one channel's value."""
    if encoding.startswith("32F"):
        return 4
    return 2 if "16" in encoding else 1
