# SPDX-License-Identifier: Apache-2.0
"""How the live node reads images and clouds: by cv_bridge and sensor_msgs_py, where they can.

cv_bridge takes packed rows in this machine's byte order here, since it misreads padding that is
no whole pixel, and fails on the other byte order under numpy 2 (vision_opencv issue 535). What it
cannot do is handed to rosbags-image.
"""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from cv_bridge import CvBridge
from sensor_msgs_py import point_cloud2

from segrgbx_ros.messages.clouds import AXES, PointCloudMessage, Points, read_points
from segrgbx_ros.messages.images import PackedImage, convert_offline

# Names that Jazzy's cv_bridge lacks, and its own for the same layout.
SAME_LAYOUT = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
UNKNOWN_TO_CV_BRIDGE = ("nv12", "nv21")

_BRIDGE = CvBridge()


def convert_live(image: PackedImage, encoding: str | None) -> npt.NDArray[Any]:
    """`segrgbx_ros.messages.images.Convert` by cv_bridge."""
    if image.encoding in UNKNOWN_TO_CV_BRIDGE:
        return convert_offline(image, encoding)
    named = SAME_LAYOUT.get(image.encoding, image.encoding)
    if named != image.encoding:
        image = PackedImage(
            image.height, image.width, named, image.is_bigendian, image.step, image.data
        )
    return np.asarray(_BRIDGE.imgmsg_to_cv2(image, encoding or "passthrough"))


def read_points_live(msg: PointCloudMessage, topic: str) -> Points:
    """As `segrgbx_ros.messages.clouds.read_points`, by sensor_msgs_py.

    Padding after a row and the other byte order, which sensor_msgs_py leaves out or changes in
    the message itself, and every malformed message, go the offline way.
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
