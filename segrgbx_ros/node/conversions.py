# SPDX-License-Identifier: Apache-2.0
"""Reads images and clouds in the live node, with cv_bridge and sensor_msgs_py where possible.

cv_bridge receives packed rows in native byte order: it misreads padding that is not a multiple of
the pixel size. Encodings that it does not support go to rosbags-image, and under numpy 2 all do:
the binary packages of Humble and Jazzy hold a cv_bridge built for numpy 1, which ends the process
at its first change of colours there (vision_opencv issue 535).
"""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs_py import point_cloud2

from segrgbx_ros.messages.clouds import AXES, PointCloudMessage, Points, read_points
from segrgbx_ros.messages.images import PackedImage, convert_offline
from segrgbx_ros.messages.types import guarded_message

# Names missing from Jazzy's cv_bridge, and its names for the same layout.
SAME_LAYOUT = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
UNKNOWN_TO_CV_BRIDGE = ("nv12", "nv21")


def _bridge() -> Any:
    """A CvBridge; None under numpy 2, where importing it alone prints a page of warnings."""
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        return None
    from cv_bridge import CvBridge

    return CvBridge()


_BRIDGE = _bridge()


def convert_live(image: PackedImage, encoding: str | None) -> npt.NDArray[Any]:
    """`segrgbx_ros.messages.images.Convert` with cv_bridge, or rosbags-image where it cannot."""
    if _BRIDGE is None or image.encoding in UNKNOWN_TO_CV_BRIDGE:
        return convert_offline(image, encoding)
    named = SAME_LAYOUT.get(image.encoding, image.encoding)
    if named != image.encoding:
        image = PackedImage(
            image.height, image.width, named, image.is_bigendian, image.step, image.data
        )
    return np.asarray(_BRIDGE.imgmsg_to_cv2(image, encoding or "passthrough"))


@guarded_message
def read_points_live(msg: PointCloudMessage, topic: str) -> Points:
    """Like `segrgbx_ros.messages.clouds.read_points`, with sensor_msgs_py.

    sensor_msgs_py ignores padding after a row, and converts the other byte order in the message
    itself. Such clouds, and malformed messages, are read by `read_points`.
    """
    fields = {field.name: field for field in msg.fields}
    plain = (
        msg.row_step == msg.width * msg.point_step
        and len(msg.data) == msg.row_step * msg.height
        and bool(msg.is_bigendian) == (sys.byteorder == "big")
        and all(axis in fields and fields[axis].count == 1 for axis in AXES)
        and len(fields) == len(msg.fields)
    )
    if not plain:
        return read_points(msg, topic)
    points = point_cloud2.read_points(msg, list(AXES))
    return np.stack([points[axis].astype(np.float64) for axis in AXES], axis=1)
