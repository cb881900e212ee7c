# SPDX-License-Identifier: Apache-2.0
"""Message types of recordings, without ROS.

rosbags has the standard types. The types of this package, vision_msgs and event cameras are
registered from their definitions.
"""

import struct
from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from segrgbx_core.errors import BagError, SegRgbxError, guarded
from segrgbx_core.files.resources import share_dir

if TYPE_CHECKING:
    from rosbags.typesys.store import Msgarg, Typestore

    from segrgbx_core.labels.label_set import LabelSet

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
STRING = "std_msgs/msg/String"
LABEL_INFO = "vision_msgs/msg/LabelInfo"
STATUS = "segrgbx_ros/msg/SegmentationStatus"

EVENT_PACKET = "event_camera_msgs/msg/EventPacket"
OLD_EVENT_PACKET = "event_array_msgs/msg/EventArray"
DVS_EVENTS = "dvs_msgs/msg/EventArray"
PROPHESEE_EVENTS = "prophesee_event_msgs/msg/EventArray"
EVENT_TYPES = (EVENT_PACKET, OLD_EVENT_PACKET, DVS_EVENTS, PROPHESEE_EVENTS)

FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
VIDEO_TEXTS = {
    FFMPEG_PACKET: (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n"
        "uint8 flags\nbool is_bigendian\nuint8[] data\n"
    ),
    COMPRESSED_VIDEO: (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    ),
}

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

M = TypeVar("M")
R = TypeVar("R")
P = ParamSpec("P")


class Time(Protocol):
    """builtin_interfaces/Time."""

    sec: int
    nanosec: int


class Header(Protocol):
    """std_msgs/Header."""

    stamp: Time
    frame_id: str


class VisionClass(Protocol):
    """vision_msgs/VisionClass."""

    class_id: int
    class_name: str


class LabelInfoMessage(Protocol):
    """vision_msgs/LabelInfo."""

    header: Header
    class_map: list[VisionClass]
    threshold: float


@cache
def typestore() -> "Typestore":
    """ROS 2 Jazzy's types, vision_msgs/LabelInfo, event cameras, video, SegmentationStatus.

    Raises SegRgbxError if the installation lacks the message definition.
    """
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    path = share_dir() / "msg" / "SegmentationStatus.msg"
    if not path.is_file():
        raise SegRgbxError(
            f"The message definition {path} is missing; install the package again with pip or "
            "colcon."
        )
    own = {STATUS: path.read_text("utf-8")}
    for name, text in {**VISION_TEXTS, **EVENT_TEXTS, **VIDEO_TEXTS, **own}.items():
        store.register(get_types_from_msg(text, name))
    return store


def message(type_name: str, **fields: object) -> Any:
    """A message of a type that `typestore` has; every field must be given."""
    return typestore().types[type_name](**cast("dict[str, Msgarg]", fields))


class UnreadableMessageError(BagError):
    """Bytes that are no message of the type that they are recorded as."""


def deserialized(data: bytes, type_name: str) -> Any:
    """The message in these CDR bytes. Raises UnreadableMessageError for other bytes."""
    refusal = f"A message of {len(data)} bytes is no whole {type_name} ({{}}); it is cut short."
    with guarded(f"a {type_name}", UnreadableMessageError, refusal):
        return typestore().deserialize_cdr(data, type_name)


def guarded_message(
    read: Callable[Concatenate[M, str, P], R],
) -> Callable[Concatenate[M, str, P], R]:
    """A function of a message and its topic; BagError for whatever it throws but our errors."""

    @wraps(read)
    def guarded_read(msg: M, topic: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        refusal = (
            f"A message on topic {topic} cannot be read ({{}}); its fields contradict each other: "
            "check its publisher."
        )
        with guarded(f"a message on topic {topic}", BagError, refusal):
            return read(msg, topic, *args, **kwargs)

    return guarded_read


def header_stamp_ns(data: bytes, type_name: str) -> int | None:
    """The header's stamp from the CDR bytes; None if the type has no header first."""
    if not begins_with_header(type_name) or len(data) < 12:
        return None
    order = "<" if data[1] == 1 else ">"
    sec, nanosec = struct.unpack_from(f"{order}iI", data, 4)
    return int(sec) * NS_PER_S + int(nanosec)


@cache
def begins_with_header(type_name: str) -> bool:
    """Whether the type is known and has std_msgs/Header as its first field."""
    from rosbags.interfaces import Nodetype

    definition = typestore().fielddefs.get(type_name)
    if definition is None or not definition[1]:
        return False
    kind, what = definition[1][0][1]
    return kind == Nodetype.NAME and what == "std_msgs/msg/Header"


def header(stamp_ns: int, frame_id: str) -> Header:
    """std_msgs/Header from nanoseconds since the epoch."""
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    time = message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    made: Header = message("std_msgs/msg/Header", stamp=time, frame_id=frame_id)
    return made


def label_info(label_set: "LabelSet", header: Header) -> LabelInfoMessage:
    """vision_msgs/LabelInfo: id and name of each class; threshold 0, as every pixel counts."""
    classes = [
        message(VISION_CLASS, class_id=i, class_name=name)
        for i, name in enumerate(label_set.names)
    ]
    info: LabelInfoMessage = message(LABEL_INFO, header=header, class_map=classes, threshold=0.0)
    return info
