# SPDX-License-Identifier: Apache-2.0
"""The encodings of sensor_msgs/Image by what they can be, with their bytes per pixel."""

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
COLOUR_PIXEL_BYTES: Mapping[str, int] = {
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
RGB_PIXEL_BYTES: Mapping[str, int] = {**COLOUR_PIXEL_BYTES, "mono8": 1, "mono16": 2}
WHOLE_PIXEL_BYTES: Mapping[str, int] = {
    "mono8": 1,
    "8UC1": 1,
    "mono16": 2,
    "16UC1": 2,
    "16SC1": 2,
    "32SC1": 4,
}
READING_PIXEL_BYTES: Mapping[str, int] = {**WHOLE_PIXEL_BYTES, "32FC1": 4, "64FC1": 8}
# Encodings of one channel that some programs write three times, or with opacity.
THREEFOLD_PIXEL_BYTES: Mapping[str, int] = {
    "rgb8": 3,
    "bgr8": 3,
    "8UC3": 3,
    "rgba8": 4,
    "bgra8": 4,
    "8UC4": 4,
}
LABEL_PIXEL_BYTES: Mapping[str, int] = {**WHOLE_PIXEL_BYTES, **THREEFOLD_PIXEL_BYTES}
# A plane of luma, then chroma at half the resolution: 1.5 times the rows of the image.
PLANAR = ("nv12", "nv21")


def value_bytes(encoding: str) -> int:
    """Bytes per channel value."""
    for bits, size in (("64", 8), ("32", 4), ("16", 2)):
        if bits in encoding:
            return size
    return 1
