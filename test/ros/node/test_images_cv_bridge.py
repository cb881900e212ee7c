# SPDX-License-Identifier: Apache-2.0
"""Image conversion of the live node and offline compared, with a genuine cv_bridge."""

import sys
from array import array

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_ros.messages.encodings import BAYER_PIXEL_BYTES, READING_PIXEL_BYTES, RGB_PIXEL_BYTES
from segrgbx_ros.messages.images import AnyImage, reading_from_message, rgb_from_message

pytestmark = pytest.mark.ros

NUMPY_1 = np.lib.NumpyVersion(np.__version__) < "2.0.0"
cv_bridge_itself = pytest.mark.skipif(
    not NUMPY_1, reason="released cv_bridge is built for numpy 1 and would end this process"
)

WIDTH, HEIGHT = 12, 8


def ros_image(encoding: str, pixel_bytes: int, padding: int, big: bool) -> AnyImage:
    """A genuine sensor_msgs/Image of random bytes; finite numbers for float encodings."""
    from sensor_msgs.msg import Image

    rng = np.random.default_rng([pixel_bytes, padding])
    rows = HEIGHT * 3 // 2 if encoding in ("nv12", "nv21") else HEIGHT
    row = WIDTH * pixel_bytes
    pixels: npt.NDArray[np.generic] = rng.integers(0, 256, (rows, row)).astype(np.uint8)
    if encoding == "32FC1":
        pixels = rng.normal(size=(rows, WIDTH)).astype(">f4" if big else "<f4").view(np.uint8)
    if encoding in ("32SC1", "64FC1"):
        kind = {"32SC1": "i4", "64FC1": "f8"}[encoding]
        numbers = rng.integers(0, 60_000, (rows, WIDTH)).astype((">" if big else "<") + kind)
        pixels = numbers.view(np.uint8)
    padded = np.pad(pixels, ((0, 0), (0, padding)), constant_values=0xEE)
    msg = Image(
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        is_bigendian=int(big),
        step=row + padding,
    )
    msg.data = array("B", padded.tobytes())
    made: AnyImage = msg
    return made


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 8, 5])
@pytest.mark.parametrize("encoding", RGB_PIXEL_BYTES)
def test_every_colour_encoding_is_equal(encoding: str, padding: int, big: bool) -> None:
    from segrgbx_ros.node.conversions import convert_live

    msg = ros_image(encoding, RGB_PIXEL_BYTES[encoding], padding, big)
    live = rgb_from_message(msg, "/rgb", convert_live)
    offline = rgb_from_message(msg, "/rgb")
    assert live.shape == (HEIGHT, WIDTH, 3)
    assert live.dtype == offline.dtype == np.uint8
    np.testing.assert_array_equal(live, offline)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 8, 5])
@pytest.mark.parametrize("encoding", [*READING_PIXEL_BYTES, *BAYER_PIXEL_BYTES])
def test_every_reading_is_equal(encoding: str, padding: int, big: bool) -> None:
    from segrgbx_ros.node.conversions import convert_live

    accepted = {**READING_PIXEL_BYTES, **BAYER_PIXEL_BYTES}
    msg = ros_image(encoding, accepted[encoding], padding, big)
    live = reading_from_message(msg, "/x", convert_live, accepted)
    offline = reading_from_message(msg, "/x", accepted=accepted)
    assert live.shape == (HEIGHT, WIDTH)
    assert live.dtype == offline.dtype
    np.testing.assert_array_equal(live, offline)


def test_the_live_node_uses_cv_bridge_under_numpy_1_alone() -> None:
    from segrgbx_ros.node import conversions

    msg = ros_image("bgr8", 3, 0, False)
    assert rgb_from_message(msg, "/rgb", conversions.convert_live).shape == (HEIGHT, WIDTH, 3)
    assert ("cv_bridge" in sys.modules) == NUMPY_1


@cv_bridge_itself
@pytest.mark.parametrize("encoding", ["rgb8", "mono16", "bayer_rggb8", "yuv422"])
def test_cv_bridge_itself_agrees_where_it_needs_no_preparation(encoding: str) -> None:
    """Packed rows in native byte order, passed to cv_bridge directly."""
    from cv_bridge import CvBridge

    pixel_bytes = {**RGB_PIXEL_BYTES, **READING_PIXEL_BYTES}[encoding]
    msg = ros_image(encoding, pixel_bytes, 0, False)
    if encoding == "mono16":
        np.testing.assert_array_equal(
            CvBridge().imgmsg_to_cv2(msg), reading_from_message(msg, "/x")
        )
    else:
        np.testing.assert_array_equal(
            CvBridge().imgmsg_to_cv2(msg, "rgb8"), rgb_from_message(msg, "/rgb")
        )


@cv_bridge_itself
def test_compressed_pictures_are_equal() -> None:
    from cv_bridge import CvBridge

    rng = np.random.default_rng(2)
    colour = cv2.GaussianBlur(rng.integers(0, 256, (32, 48, 3)).astype(np.uint8), (0, 0), 2)
    for ending in ("jpg", "png"):
        msg = CvBridge().cv2_to_compressed_imgmsg(colour, ending)
        live = CvBridge().compressed_imgmsg_to_cv2(msg, "rgb8")
        np.testing.assert_array_equal(live, rgb_from_message(msg, "/rgb"))
    counts = rng.integers(0, 65536, (6, 5)).astype(np.uint16)
    msg = CvBridge().cv2_to_compressed_imgmsg(counts, "png")
    live = CvBridge().compressed_imgmsg_to_cv2(msg)
    np.testing.assert_array_equal(live, reading_from_message(msg, "/x"))
    np.testing.assert_array_equal(live, counts)
