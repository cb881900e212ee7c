# SPDX-License-Identifier: Apache-2.0
"""Extracts the payload of event messages: EventPacket objects, or serialised messages of any type.

Parsing the serialised form (from a bag, or an rclpy subscription with raw=True) needs no copy. For
an EventArray it is the only supported form: in the object, each event is a Python object.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import BagError, guarded
from segrgbx_ros.events.event_array import LAST_BYTES, STRIDE
from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.messages.types import DVS_EVENTS, NS_PER_S, PROPHESEE_EVENTS, Header

ARRAY_TYPES = (DVS_EVENTS, PROPHESEE_EVENTS)
_ENCAPSULATION_BYTES = 4
_PADDING = 4


class EventPacketMessage(Protocol):
    """event_camera_msgs/EventPacket, and event_array_msgs/EventArray of the same fields."""

    header: Header
    height: int
    width: int
    seq: int
    time_base: int
    encoding: str
    is_bigendian: bool
    events: npt.NDArray[np.uint8]


EventMessage = EventPacketMessage | bytes


@dataclass(frozen=True)
class RawPacket:
    """One message before its events are decoded.

    stamp_ns: the header's stamp. seq, encoding: None if the type has none. payload: (B,) uint8,
    the bytes of the events. truncated: they are fewer than the message states.
    """

    stamp_ns: int
    width: int
    height: int
    seq: int | None
    time_base_ns: int
    encoding: str | None
    big_endian: bool
    payload: npt.NDArray[np.uint8]
    truncated: bool = False


class _Cdr:
    """Reads primitives from serialised bytes, each aligned to its own size."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _ENCAPSULATION_BYTES or data[0] != 0 or data[1] > 1:
            raise struct.error("no CDR header")
        self.big_endian = data[1] == 0
        self._order = ">" if self.big_endian else "<"
        self._body = memoryview(data)[_ENCAPSULATION_BYTES:]
        self._at = 0

    def read(self, kind: str) -> int:
        size = struct.calcsize(kind)
        self._at += -self._at % size
        (value,) = struct.unpack_from(self._order + kind, self._body, self._at)
        self._at += size
        return int(value)

    def string(self) -> str:
        length = self.read("I")
        text = bytes(self._body[self._at : self._at + length])
        self._at += length
        return text.rstrip(b"\0").decode("utf-8", "replace")

    def rest(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self._body, np.uint8)[self._at :]


def raw_stamp_ns(message: bytes) -> int:
    """The header's stamp of a serialised message, in nanoseconds; 0 for bytes without one."""
    try:
        cdr = _Cdr(message)
        return cdr.read("i") * NS_PER_S + cdr.read("I")
    except struct.error:
        return 0


def raw_packet(message: EventMessage, msgtype: str, topic: str) -> RawPacket:
    """The fields of the message; the bytes of its events are not copied.

    message: an EventPacket object of rclpy or rosbags, or the serialised bytes of a message of
    `msgtype`. Raises BagError for an EventArray object, and for bytes of another layout.
    """
    if not isinstance(message, bytes):
        return _from_object(message, topic)
    refusal = (
        f"A message on topic {topic} of {len(message)} bytes ends within its header or is not a "
        f"{msgtype}; check the type, or record it again."
    )
    with guarded("an event message", BagError, refusal):
        return _from_bytes(message, msgtype, topic)


def _from_object(message: EventPacketMessage, topic: str) -> RawPacket:
    if not hasattr(message, "encoding"):
        raise BagError(
            f"Topic {topic} delivers an EventArray as an object of {type(message).__name__}; "
            "give its serialised bytes instead (subscribe with raw=True)."
        )
    return RawPacket(
        stamp_ns=stamp_ns(message.header),
        width=int(message.width),
        height=int(message.height),
        seq=int(message.seq),
        time_base_ns=int(message.time_base),
        encoding=str(message.encoding),
        big_endian=bool(message.is_bigendian),
        payload=np.frombuffer(message.events, np.uint8),
    )


def _from_bytes(data: bytes, msgtype: str, topic: str) -> RawPacket:
    cdr = _Cdr(data)
    stamp = cdr.read("i") * NS_PER_S + cdr.read("I")
    cdr.string()
    height, width = cdr.read("I"), cdr.read("I")
    if msgtype in ARRAY_TYPES:
        payload, truncated = _array_payload(cdr, msgtype, topic)
        return RawPacket(
            stamp_ns=stamp,
            width=width,
            height=height,
            seq=None,
            time_base_ns=0,
            encoding=None,
            big_endian=cdr.big_endian,
            payload=payload,
            truncated=truncated,
        )
    seq, time_base = cdr.read("Q"), cdr.read("Q")
    encoding, big_endian = cdr.string(), bool(cdr.read("B"))
    length = cdr.read("I")
    rest = cdr.rest()
    return RawPacket(
        stamp_ns=stamp,
        width=width,
        height=height,
        seq=seq,
        time_base_ns=time_base,
        encoding=encoding,
        big_endian=big_endian,
        payload=rest[:length],
        truncated=len(rest) < length,
    )


def _array_payload(cdr: _Cdr, msgtype: str, topic: str) -> tuple[npt.NDArray[np.uint8], bool]:
    """The bytes of the events, and whether some are missing."""
    count = cdr.read("I")
    rest = cdr.rest()
    length = STRIDE * count - (STRIDE - LAST_BYTES) if count else 0
    if len(rest) >= length + _PADDING:
        raise BagError(
            f"A message on topic {topic} has {len(rest)} bytes for {count} events; a {msgtype} "
            f"with x, y, ts and polarity has {length}: its package is of another version, record "
            "it with event_camera_msgs instead."
        )
    return rest[:length], len(rest) < length
