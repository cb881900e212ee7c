# SPDX-License-Identifier: Apache-2.0
"""Feeds a recording's X messages to its matching; events are decoded first."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from segrgbx_core.errors import BagError
from segrgbx_core.wording import counted
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.events.packets import TOGETHER, EventDecoder
from segrgbx_ros.messages.images import AnyImage, stamp_ns
from segrgbx_ros.messages.readings import XInput
from segrgbx_ros.messages.types import UnreadableMessageError, deserialized
from segrgbx_ros.messages.video import VideoStream
from segrgbx_ros.pairing.matching import Match, Matching
from segrgbx_ros.replay.options import ReplayOptions, taken_stamp


@dataclass(frozen=True)
class ArrivedRgb:
    """An RGB message whose pixels are not decoded yet."""

    msg: AnyImage
    log_time_ns: int


ReplayMatch: TypeAlias = Match[ArrivedRgb, XInput]
ReplayMatching: TypeAlias = Matching[ArrivedRgb, XInput]


class RecordedX(Protocol):
    """Reads the messages of the X topic into the matching.

    missed, way_out: text for a replay in which no frame has an X, and a possible remedy.
    unreadable, first_problem: unreadable messages by reason, and the first sentence for each.
    first_ns: the stamp of the first readable one.
    """

    missed: str
    way_out: str
    unreadable: Counter[str]
    first_problem: dict[str, str]
    first_ns: int | None

    def add(self, message: BagMessage) -> None:
        """Adds a message of the topic; an unreadable one is counted."""
        ...

    def hand_over(self) -> None:
        """Passes everything added so far to the matching."""
        ...

    def finish(self) -> None:
        """Passes on what only the recording's end releases."""
        ...

    def notes(self) -> list[str]:
        """Information for readers of the figures."""
        ...


class RecordedImages:
    """X as images and clouds."""

    def __init__(self, matching: ReplayMatching, options: ReplayOptions, topic: str) -> None:
        settings = options.sync
        self._matching, self._stamps = matching, options.stamps
        self._video = VideoStream(topic)
        self._newest_log_ns = 0
        self.missed = f"could be paired within {settings.slop_s} s"
        self.way_out = "raise --slop or give --x-time-offset"
        if settings.policy == "exact":
            self.missed = "has an X of the same stamp"
            self.way_out = "leave out --sync-policy exact, or give --x-time-offset"
        self.unreadable: Counter[str] = Counter()
        self.first_problem: dict[str, str] = {}
        self.first_ns: int | None = None

    def add(self, message: BagMessage) -> None:
        """See RecordedX."""
        try:
            x = deserialized(message.data, message.msgtype)
        except UnreadableMessageError:
            self.unreadable["unreadable_x_message"] += 1
            return
        self._newest_log_ns = message.log_time_ns
        self._add_images(self._video.images(x))

    def _add_images(self, images: list[AnyImage]) -> None:
        for image in images:
            stamp = taken_stamp(self._stamps, stamp_ns(image.header), self._newest_log_ns)
            self.first_ns = stamp if self.first_ns is None else self.first_ns
            self._matching.add_x(stamp, image, self._newest_log_ns)

    def hand_over(self) -> None:
        """See RecordedX; nothing is held back."""

    def finish(self) -> None:
        """See RecordedX."""
        self._add_images(self._video.flush())

    def notes(self) -> list[str]:
        """See RecordedX."""
        return []


class RecordedEvents:
    """X as event packets, decoded in batches unless images have a timeout."""

    def __init__(
        self, matching: ReplayMatching, options: ReplayOptions, topic: str, msgtype: str
    ) -> None:
        settings = options.sync
        self._matching, self._stamps = matching, options.stamps
        self._decoder = EventDecoder(topic, msgtype)
        self._together = TOGETHER if settings.x_timeout_s is None else 1
        self._undecoded: list[BagMessage] = []
        self.missed = f"has an event in the {settings.window_ms:g} ms before its stamp"
        self.way_out = "give --x-time-offset, or a longer --window-ms"
        self.unreadable: Counter[str] = Counter()
        self.first_problem: dict[str, str] = {}
        self.first_ns: int | None = None

    def add(self, message: BagMessage) -> None:
        """See RecordedX."""
        self._undecoded.append(message)
        if len(self._undecoded) >= self._together:
            self.hand_over()

    def finish(self) -> None:
        """See RecordedX."""
        self.hand_over()

    def hand_over(self) -> None:
        """See RecordedX."""
        chunks = self._decoder.decode_all([message.data for message in self._undecoded])
        for message, chunk in zip(self._undecoded, chunks, strict=True):
            if isinstance(chunk, BagError):
                self.unreadable["unreadable_x_message"] += 1
                self.first_problem.setdefault("unreadable_x_message", str(chunk))
                continue
            stamp = taken_stamp(self._stamps, chunk.stamp_ns, message.log_time_ns)
            self.first_ns = stamp if self.first_ns is None else self.first_ns
            newest_log_ns = self._undecoded[-1].log_time_ns
            self._matching.add_events(replace(chunk, stamp_ns=stamp), newest_log_ns)
        self._undecoded.clear()

    def notes(self) -> list[str]:
        """See RecordedX."""
        counts, windows = self._decoder.counts, self._matching.event_counts
        said = []
        if windows is not None and windows.incomplete:
            said.append(
                f"{windows.incomplete} of "
                f"{counted(self._matching.counts.paired, 'event window')} hold less "
                "than the sensor saw, since packets are missing or the recording begins within "
                "them; --set use_incomplete=true takes them as they are."
            )
        if counts.lost_packets:
            said.append(
                f"{counted(counts.lost_packets, 'event packet')} missing by the sequence numbers."
            )
        if counts.truncated_packets:
            broken = counted(
                counts.truncated_packets, "event packet breaks", "event packets break"
            )
            said.append(f"{broken} off within an event; the events before are used.")
        if counts.outside_events or counts.unknown_words:
            said.append(
                f"{counted(counts.outside_events, 'event')} outside the sensor's size and "
                f"{counted(counts.unknown_words, 'unknown word')} were left out."
            )
        return said
