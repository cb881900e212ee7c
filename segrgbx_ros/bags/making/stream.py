# SPDX-License-Identifier: Apache-2.0
"""Messages of several sensors in the order in which a recorder would have received them."""

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from rosbags.interfaces import Qos

from segrgbx_ros.bags.writer import STREAM_QOS, BagWriter
from segrgbx_ros.messages.types import Header


@dataclass(frozen=True)
class CaptureTime:
    """The header of an image, and when its messages are logged, in nanoseconds."""

    header: Header
    log_time_ns: int


class MessageSink(Protocol):
    """What messages are written to."""

    def add_topic(self, topic: str, msgtype: str, qos: Qos = STREAM_QOS) -> None:
        """Declares a topic; `write` requires it."""

    def write(self, topic: str, log_time_ns: int, msg: object) -> None:
        """Appends a message of the type that the topic was declared with."""


class InOrder:
    """Holds messages back until none earlier can come; equal times keep the order of writing."""

    def __init__(self, bag: BagWriter) -> None:
        self._bag = bag
        self._held: list[tuple[int, int, str, object]] = []
        self._number = count()

    def add_topic(self, topic: str, msgtype: str, qos: Qos = STREAM_QOS) -> None:
        """See MessageSink."""
        self._bag.add_topic(topic, msgtype, qos)

    def write(self, topic: str, log_time_ns: int, msg: object) -> None:
        """See MessageSink."""
        heappush(self._held, (log_time_ns, next(self._number), topic, msg))

    def release(self, before_ns: int | None = None) -> None:
        """Writes what was logged before that time; None: everything."""
        while self._held and (before_ns is None or self._held[0][0] < before_ns):
            log_time_ns, _, topic, msg = heappop(self._held)
            self._bag.write(topic, log_time_ns, msg)
