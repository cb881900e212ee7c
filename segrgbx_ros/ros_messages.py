# SPDX-License-Identifier: Apache-2.0
"""Arrays to ROS messages of the live node, without a copy element by element."""

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from segrgbx_core.labels import LabelSet
from segrgbx_ros.frame_status import FrameStatus
from segrgbx_ros.message_types import NS_PER_S
from segrgbx_ros.msg import SegmentationStatus


def image_message(pixels: npt.NDArray[np.uint8], encoding: str, header: Header) -> Image:
    """sensor_msgs/Image without row padding; pixels: (H, W) mono8 or (H, W, 3) rgb8."""
    packed = np.ascontiguousarray(pixels)
    data = array("B")
    data.frombytes(packed.data.cast("B"))
    return Image(
        header=header,
        height=packed.shape[0],
        width=packed.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=packed.strides[0],
        data=data,
    )


def camera_info_message(info: Any, header: Header) -> CameraInfo:
    """The calibration with another header; the given message stays as it is."""
    fields = {name: getattr(info, name) for name in info.get_fields_and_field_types()}
    return CameraInfo(**{**fields, "header": header})


def label_info_message(label_set: LabelSet, stamp_ns: int) -> LabelInfo:
    """Each class's id and name; the threshold is 0, every labelled pixel counts."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return LabelInfo(
        header=Header(stamp=Time(sec=sec, nanosec=nanosec)),
        class_map=[
            VisionClass(class_id=i, class_name=name) for i, name in enumerate(label_set.names)
        ],
        threshold=0.0,
    )


def status_message(status: FrameStatus, header: Header) -> SegmentationStatus:
    """The status of one mask."""
    return SegmentationStatus(header=header, **vars(status))
