# SPDX-License-Identifier: Apache-2.0
"""Decodes the event messages of one topic to arrays, and counts what is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import BagError, guarded
from segrgbx_core.readings import MOST_EVENT_PIXELS
from segrgbx_ros.events import FORMATS, NO_TRIGGERS, Decoded, PacketFormat, Triggers
from segrgbx_ros.events.evt3 import Evt3
from segrgbx_ros.events.messages import EventMessage, RawPacket, raw_packet
from segrgbx_ros.messages.types import EVENT_PACKET

__all__ = ["TOGETHER", "EventChunk", "EventCounts", "EventDecoder", "EventMessage", "Triggers"]

TOGETHER = 32
"""Number of messages per call of `EventDecoder.decode_all`; more would exceed the CPU's caches."""

LATEST_NS = 1 << 62
"""Time bases from here on, in the year 2116, would overflow 64 bits with the events' own times."""


@dataclass(frozen=True)
class EventChunk:
    """The events of one message, in the message's order.

    stamp_ns: the header's stamp on the host's clock. x, y: (N,) uint16 within the sensor.
    polarity: (N,) bool, True for an increase in brightness. t_ns: (N,) int64 nanoseconds on the
    sensor's clock, with wraps resolved. first_ns, last_ns: time range on that clock, None if the
    message states none. host_clock: the sensor's clock is the host's. seq: None if the type has
    none. after_loss: messages before this one are missing. truncated: data at its end is missing.
    """

    stamp_ns: int
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    polarity: npt.NDArray[np.bool_]
    t_ns: npt.NDArray[np.int64]
    width: int
    height: int
    first_ns: int | None
    last_ns: int | None
    host_clock: bool = False
    seq: int | None = None
    after_loss: bool = False
    truncated: bool = False
    triggers: Triggers = field(default=NO_TRIGGERS)

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass
class EventCounts:
    """Totals of a topic so far.

    lost_packets: missing by their sequence numbers. truncated_packets: data is missing at the end;
    the rest is kept. unplaced_events: before the stream set their time, row or column.
    outside_events: beyond the size that the message states. unknown_words: of a kind that the
    encoding does not define. The chunks do not contain the last three.
    """

    packets: int = 0
    events: int = 0
    lost_packets: int = 0
    truncated_packets: int = 0
    unplaced_events: int = 0
    outside_events: int = 0
    unknown_words: int = 0


@dataclass(frozen=True)
class _Arrived:
    """A parsed message, and the decoder for its events."""

    raw: RawPacket
    format: PacketFormat
    after_loss: bool

    def follows(self, before: "_Arrived") -> bool:
        """Whether both messages have the same format and byte order, with no loss between them."""
        same = self.raw.big_endian == before.raw.big_endian
        return self.format is before.format and same and not self.after_loss


class EventDecoder:
    """Decodes one topic's messages in the order in which they were sent.

    Accepts EventPacket objects of rclpy and rosbags, and serialised messages of EventPacket and of
    both EventArray types as bytes. Raises BagError for an unusable message; later messages can
    still be decoded.
    """

    def __init__(self, topic: str, msgtype: str = EVENT_PACKET) -> None:
        self.topic, self.msgtype = topic, msgtype
        self.counts = EventCounts()
        self._formats: dict[str | None, PacketFormat] = {}
        self._seq: int | None = None

    def reset(self) -> None:
        """Forgets the state when the recording or the sensor starts again; the counts are kept."""
        self._formats.clear()
        self._seq = None

    def decode(self, message: EventMessage) -> EventChunk:
        """The message's events, which may be none. Raises BagError for an unusable message."""
        (chunk,) = self.decode_all([message])
        if isinstance(chunk, BagError):
            raise chunk
        return chunk

    def decode_all(self, messages: Sequence[EventMessage]) -> list[EventChunk | BagError]:
        """Like `decode` for each message in turn, with a BagError in place of an unusable message.

        Small EVT 3.0 packets take a third of the time when many are decoded together.
        """
        done: list[EventChunk | BagError] = []
        together: list[_Arrived] = []
        for message in messages:
            try:
                arrived = self._arrived(message)
            except BagError as err:
                done += [*self._decoded(together), err]
                together = []
                continue
            if together and not arrived.follows(together[-1]):
                done += self._decoded(together)
                together = []
            together.append(arrived)
        return done + self._decoded(together)

    def _arrived(self, message: EventMessage) -> _Arrived:
        raw = raw_packet(message, self.msgtype, self.topic)
        if min(raw.width, raw.height) < 1 or raw.width * raw.height > MOST_EVENT_PIXELS:
            raise BagError(
                f"A message on topic {self.topic} states a sensor of {raw.width}x{raw.height}; "
                "expected its true size: check the driver."
            )
        if not 0 <= raw.time_base_ns < LATEST_NS:
            raise BagError(
                f"A message on topic {self.topic} has the time base {raw.time_base_ns} ns, after "
                "the year 2116; it is damaged, or its driver's clock is wrong."
            )
        packet_format = self._format(raw.encoding)
        return _Arrived(raw, packet_format, self._count_lost(raw.seq))

    def _decoded(self, together: Sequence[_Arrived]) -> list[EventChunk | BagError]:
        """Decodes messages of one format without a loss between them."""
        if not together:
            return []
        first = together[0]
        if first.after_loss:
            first.format.resume()
        if isinstance(first.format, Evt3):
            payloads = [each.raw.payload for each in together]
            contents = first.format.decode_all(payloads, first.raw.big_endian)
            pairs = zip(together, contents, strict=True)
            return [self._chunk(each, content) for each, content in pairs]
        return [self._alone(each) for each in together]

    def _alone(self, arrived: _Arrived) -> EventChunk | BagError:
        raw = arrived.raw
        refusal = f"A message on topic {self.topic} cannot be decoded ({{}}); record it again."
        try:
            with guarded("an event message", BagError, refusal):
                content = arrived.format.decode(raw.payload, raw.time_base_ns, raw.big_endian)
                return self._chunk(arrived, content)
        except BagError as err:
            return err

    def _format(self, encoding: str | None) -> PacketFormat:
        if encoding not in self._formats:
            if encoding not in FORMATS:
                raise BagError(
                    f"Topic {self.topic} has events in encoding '{encoding}', which is unknown; "
                    f"expected one of {', '.join(filter(None, FORMATS))}: set the driver to one "
                    "of them."
                )
            self._formats[encoding] = FORMATS[encoding]()
        return self._formats[encoding]

    def _count_lost(self, seq: int | None) -> bool:
        """Whether messages are missing; a number that never changes is ignored."""
        before, self._seq = self._seq, seq
        if seq is None or before is None or seq in (before, before + 1):
            return False
        self.counts.lost_packets += max(0, seq - before - 1)
        return True

    def _chunk(self, arrived: _Arrived, content: Decoded) -> EventChunk:
        raw = arrived.raw
        truncated = raw.truncated or content.truncated
        x, y, polarity, t_ns = content.x, content.y, content.polarity, content.t_ns
        if len(x) and (x.max() >= raw.width or y.max() >= raw.height):
            inside = (x < raw.width) & (y < raw.height)
            self.counts.outside_events += len(x) - int(np.count_nonzero(inside))
            x, y, polarity, t_ns = x[inside], y[inside], polarity[inside], t_ns[inside]
        first_ns, last_ns = content.first_ns, content.last_ns
        if first_ns is None and len(t_ns):
            first_ns, last_ns = int(t_ns.min()), int(t_ns.max())
        self.counts.packets += 1
        self.counts.events += len(x)
        self.counts.truncated_packets += truncated
        self.counts.unplaced_events += content.unplaced
        self.counts.unknown_words += content.unknown
        return EventChunk(
            stamp_ns=raw.stamp_ns,
            x=x,
            y=y,
            polarity=polarity,
            t_ns=t_ns,
            width=raw.width,
            height=raw.height,
            first_ns=first_ns,
            last_ns=last_ns,
            host_clock=arrived.format.host_clock,
            seq=raw.seq,
            after_loss=arrived.after_loss,
            truncated=truncated,
            triggers=content.triggers,
        )
