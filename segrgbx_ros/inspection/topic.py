# SPDX-License-Identifier: Apache-2.0
"""Inspects one topic of a recording, message by message, and sums over all of its events."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import BagError, SegRgbxError
from segrgbx_core.wording import counted
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagTopic
from segrgbx_ros.bags.topics import OWN_RESULT
from segrgbx_ros.events.packets import TOGETHER, EventChunk, EventCounts, EventDecoder
from segrgbx_ros.inspection.doubts import TopicDoubts
from segrgbx_ros.inspection.roles import Roles, event_roles, roles_of, roles_of_type
from segrgbx_ros.inspection.timing import TimeLog, Times, Timing, timing_problems
from segrgbx_ros.messages.images import check_whole
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    EVENT_TYPES,
    IMAGE,
    POINT_CLOUD,
    UnreadableMessageError,
    deserialized,
    header_stamp_ns,
)
from segrgbx_ros.messages.video import VIDEO_TYPES
from segrgbx_ros.replay.options import Stamps, taken_stamp


@dataclass
class EventTotals:
    """Exact sums over the events of a topic.

    on, off: events by polarity. rising, falling: trigger edges. first_ns, last_ns: sensor time of
    the earliest and the latest event, None if there are none. sum_*: over the events;
    sum_trigger_t_ns: over the triggers.
    """

    on: int = 0
    off: int = 0
    rising: int = 0
    falling: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    sum_t_ns: int = 0
    sum_x: int = 0
    sum_y: int = 0
    sum_polarity: int = 0
    sum_trigger_t_ns: int = 0

    def add(self, chunk: EventChunk) -> None:
        """Adds one message."""
        on = int(np.count_nonzero(chunk.polarity))
        self.on += on
        self.off += len(chunk) - on
        self.sum_polarity += on
        rising = int(np.count_nonzero(chunk.triggers.rising))
        self.rising += rising
        self.falling += len(chunk.triggers.rising) - rising
        self.sum_t_ns += _exact_sum(chunk.t_ns)
        self.sum_x += int(chunk.x.sum(dtype=np.int64))
        self.sum_y += int(chunk.y.sum(dtype=np.int64))
        self.sum_trigger_t_ns += _exact_sum(chunk.triggers.t_ns)
        if len(chunk):
            first, last = int(chunk.t_ns.min()), int(chunk.t_ns.max())
            self.first_ns = first if self.first_ns is None else min(self.first_ns, first)
            self.last_ns = last if self.last_ns is None else max(self.last_ns, last)


def _exact_sum(values: npt.NDArray[np.int64]) -> int:
    """Sum without overflow: one time in nanoseconds since the epoch takes 61 bits."""
    if not len(values):
        return 0
    base = int(values[0])
    return base * len(values) + int((values - base).sum())


IMAGES = (IMAGE, COMPRESSED_IMAGE)
LOOKED_INTO = (*IMAGES, *VIDEO_TYPES, CAMERA_INFO, POINT_CLOUD)
LAYOUTS_SHOWN = 3


@dataclass(frozen=True)
class EventReport:
    """totals: of the decoded events. counts: lost data, by reason."""

    totals: EventTotals
    counts: EventCounts


@dataclass(frozen=True)
class TopicReport:
    """count: messages read. damaged: number of unusable messages, for any reason.

    events: only for event topics. problems: one sentence each.
    """

    name: str
    msgtype: str
    count: int
    damaged: int
    timing: Timing
    roles: Roles
    events: EventReport | None
    problems: tuple[str, ...]


class TopicWatch:
    """Inspects one topic's messages in the order of recording; stamps: as of `inspect`."""

    def __init__(self, topic: BagTopic, stamps: Stamps = "header") -> None:
        self._stamps = stamps
        self._name, self._msgtype = topic.name, topic.msgtype
        self._times = TimeLog()
        self._count = 0
        self._roles: Roles | None = None
        self._refused: Counter[str] = Counter()
        self._first_refusal = ""
        self._layouts: Counter[str] = Counter()
        self._doubts = TopicDoubts(topic.name)
        self._decoder = (
            EventDecoder(topic.name, topic.msgtype) if topic.msgtype in EVENT_TYPES else None
        )
        self._totals = EventTotals()
        self._undecoded: list[bytes] = []

    def stamps(self) -> Times:
        """(N,) int64 nanoseconds, in the order of recording."""
        return self._times.stamps()

    def look(self, message: BagMessage) -> None:
        """Inspects one message."""
        self._count += 1
        stamp = header_stamp_ns(message.data, message.msgtype)
        if stamp is not None:
            stamp = taken_stamp(self._stamps, stamp, message.log_time_ns)
        self._times.add(message.log_time_ns, stamp)
        if self._decoder is not None:
            self._undecoded.append(message.data)
            if len(self._undecoded) >= TOGETHER:
                self._look_at_events(self._decoder)
            return
        try:
            if self._msgtype in LOOKED_INTO:
                self._look_into(message)
        except UnreadableMessageError:
            self._refuse("damaged", f"A message is not a whole {self._msgtype}; it is cut short.")
        except SegRgbxError as err:
            self._refuse("unusable", str(err))

    def report(self) -> TopicReport:
        """The report on the messages so far."""
        timing = self._times.timing()
        events = None
        if self._decoder is not None:
            self._look_at_events(self._decoder)
            events = EventReport(self._totals, self._decoder.counts)
        return TopicReport(
            name=self._name,
            msgtype=self._msgtype,
            count=self._count,
            damaged=self._refused.total(),
            timing=timing,
            roles=self._roles or roles_of_type(self._msgtype),
            events=events,
            problems=(*self._content_problems(), *self._timing_problems(timing)),
        )

    def _timing_problems(self, timing: Timing) -> list[str]:
        """Gaps in a result of ours are RGB images without a mask, which its status counts."""
        if OWN_RESULT.search(self._name):
            timing = replace(timing, gaps=0)
        return timing_problems(timing, self._count, self._name)

    def _look_at_events(self, decoder: EventDecoder) -> None:
        chunks = decoder.decode_all(self._undecoded)
        for data, chunk in zip(self._undecoded, chunks, strict=True):
            if isinstance(chunk, BagError):
                self._refuse("unusable", str(chunk))
                continue
            self._totals.add(chunk)
            if self._roles is None:
                self._roles = event_roles(data, self._msgtype, self._name)
            self._layouts[f"{chunk.width}x{chunk.height}"] += 1
        self._undecoded.clear()

    def _look_into(self, message: BagMessage) -> None:
        msg = deserialized(message.data, message.msgtype)
        if self._roles is None:
            self._roles = roles_of(message.topic, message.msgtype, msg)
        if message.msgtype in IMAGES:
            self._doubts.look(msg, self._roles.likely)
            self._layouts[check_whole(msg, message.topic)] += 1

    def _refuse(self, kind: str, sentence: str) -> None:
        self._refused[kind] += 1
        self._first_refusal = self._first_refusal or sentence

    def _content_problems(self) -> list[str]:
        if not self._count:
            return ["No message was recorded."]
        said = []
        if self._refused:
            said.append(
                f"{self._refused.total()} of {counted(self._count, 'message')} cannot be used: "
                f"{self._first_refusal}"
            )
        if len(self._layouts) > 1:
            shown = [f"{layout} ({n})" for layout, n in self._layouts.most_common(LAYOUTS_SHOWN)]
            said.append(
                f"{len(self._layouts)} encodings or sizes are mixed on one topic: "
                f"{', '.join(shown)}."
            )
        roles = self._roles
        if (
            roles is not None
            and roles.why_not is not None
            and roles.why_not != self._first_refusal
        ):
            said.append(roles.why_not)
        return said + self._doubts.sentences() + self._event_problems()

    def _event_problems(self) -> list[str]:
        if self._decoder is None:
            return []
        counts = self._decoder.counts
        said = []
        if counts.packets and not counts.events:
            said.append(
                "No message holds an event that can be used: check that the sensor runs, that its "
                "lens cap is off, and the other problems listed here."
            )
        if counts.lost_packets:
            said.append(
                f"{counted(counts.lost_packets, 'packet')} missing by the sequence numbers: the "
                "recorder did not keep up; record with a deeper queue or a faster disk."
            )
        if counts.truncated_packets:
            said.append(
                f"{counted(counts.truncated_packets, 'packet breaks', 'packets break')} off "
                "within an event; the events before are kept."
            )
        if counts.outside_events:
            said.append(
                f"{counted(counts.outside_events, 'event lies', 'events lie')} outside the "
                "sensor's stated size and were left out."
            )
        if counts.unknown_words:
            said.append(
                f"{counted(counts.unknown_words, 'word')} of a kind that the encoding does not "
                "define: the data is damaged, or of another encoding than stated."
            )
        return said
