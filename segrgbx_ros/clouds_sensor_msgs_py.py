# SPDX-License-Identifier: Apache-2.0
"""Reading point clouds in the live node: sensor_msgs_py, where it can."""

import sys

import numpy as np
from sensor_msgs_py import point_cloud2

from segrgbx_ros.clouds import AXES, PointCloudMessage, Points, read_points


def read_points_live(msg: PointCloudMessage, topic: str) -> Points:
    """As `segrgbx_ros.clouds.read_points`, by sensor_msgs_py.

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
