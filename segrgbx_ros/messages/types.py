# SPDX-License-Identifier: Apache-2.0
"""The message types recordings are read and written with: ours, vision_msgs', event cameras'.

No ROS needed: rosbags knows the standard types, the rest is registered from its text.
"""

from functools import cache
from typing import TYPE_CHECKING

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.files.resources import share_dir
from segrgbx_core.labels.label_set import LabelSet

if TYPE_CHECKING:
    from rosbags.typesys.store import Msg, Msgarg

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
LABEL_INFO = "vision_msgs/msg/LabelInfo"
STATUS = "segrgbx_ros/msg/SegmentationStatus"

EVENT_PACKET = "event_camera_msgs/msg/EventPacket"
OLD_EVENT_PACKET = "event_array_msgs/msg/EventArray"
DVS_EVENTS = "dvs_msgs/msg/EventArray"
PROPHESEE_EVENTS = "prophesee_event_msgs/msg/EventArray"
EVENT_TYPES = (EVENT_PACKET, OLD_EVENT_PACKET, DVS_EVENTS, PROPHESEE_EVENTS)

VISION_CLASS = "vision_msgs/msg/VisionClass"
VISION_TEXTS = {
    VISION_CLASS: "uint16 class_id\nstring class_name\n",
    LABEL_INFO: (
        "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n"
    ),
}
_PACKET_TEXT = (
    "std_msgs/Header header\nuint32 height\nuint32 width\nuint64 seq\nuint64 time_base\n"
    "string encoding\nbool is_bigendian\nuint8[] events\n"
)
_EVENT_TEXT = "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n"
EVENT_TEXTS = {
    EVENT_PACKET: _PACKET_TEXT,
    OLD_EVENT_PACKET: _PACKET_TEXT,
    "dvs_msgs/msg/Event": _EVENT_TEXT,
    DVS_EVENTS: "std_msgs/Header header\nuint32 height\nuint32 width\ndvs_msgs/Event[] events\n",
    "prophesee_event_msgs/msg/Event": _EVENT_TEXT,
    PROPHESEE_EVENTS: (
        "std_msgs/Header header\nuint32 height\nuint32 width\n"
        "prophesee_event_msgs/Event[] events\n"
    ),
}
NS_PER_S = 1_000_000_000


@cache
def typestore() -> Typestore:
    """ROS 2 Jazzy's types with vision_msgs/LabelInfo, event cameras' and our SegmentationStatus.

    Raises SegRgbxError where the installation lacks the message's text.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    path = share_dir() / "msg" / "SegmentationStatus.msg"
    if not path.is_file():
        raise SegRgbxError(
            f"The message definition {path} is missing; install the package again with pip or "
            "colcon."
        )
    for name, text in {**VISION_TEXTS, **EVENT_TEXTS, STATUS: path.read_text("utf-8")}.items():
        store.register(get_types_from_msg(text, name))
    return store


def message(type_name: str, **fields: "Msgarg") -> "Msg":
    """A message of a type that `typestore` knows; every field must be given."""
    return typestore().types[type_name](**fields)


def header(stamp_ns: int, frame_id: str) -> "Msg":
    """std_msgs/Header from nanoseconds since the epoch."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    time = message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return message("std_msgs/msg/Header", stamp=time, frame_id=frame_id)


def label_info(label_set: LabelSet, header: "Msg") -> "Msg":
    """vision_msgs/LabelInfo: each class's id and name; the threshold is 0, every pixel counts."""
    classes = [
        message(VISION_CLASS, class_id=i, class_name=name)
        for i, name in enumerate(label_set.names)
    ]
    return message(LABEL_INFO, header=header, class_map=classes, threshold=0.0)
