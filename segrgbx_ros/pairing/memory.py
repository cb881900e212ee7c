# SPDX-License-Identifier: Apache-2.0
"""The latest events on the host's clock, and the gaps between them.

The header stamp of a packet is the time at which its beginning reached the host: the time of its
first event plus a delay, which varies from packet to packet but is never negative. The smallest
difference of stamp and first sensor time is therefore the best estimate of the offset between the
clocks. The clocks also drift slowly: the estimate may rise by 100 ppm of the time that passes,
twice the drift of quartz, and falls at once when a packet arrives with less delay.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventChunk

RISE = 1e-4
NEAR_NS = 100_000_000


class SensorClock:
    """Estimates host time minus sensor time, packet by packet.

    If the difference changes by more than `jump_ns`, the sensor was restarted or its time wrapped
    unnoticed: the estimate starts again, and `restarts` counts it. A sensor that states the host's
    times is trusted if its first packet arrives within 100 ms.
    """

    def __init__(self, jump_ns: int = 1_000_000_000) -> None:
        self._jump_ns = jump_ns
        self.restarts = 0
        self._offset: float | None = None
        self._at = 0
        self._is_host = False

    def forget(self) -> None:
        """Starts again, for a new start of time."""
        self._offset = None

    def offset_ns(self, stamp_ns: int, first_ns: int, host_clock: bool) -> int:
        """The nanoseconds to add to the sensor times of this packet.

        stamp_ns: the packet's header stamp. first_ns: the first sensor time in it.
        """
        difference = stamp_ns - first_ns
        if self._offset is not None and abs(difference - self._offset) > self._jump_ns:
            self.restarts += 1
            self._offset = None
        if self._offset is None:
            self._is_host = host_clock and abs(difference) <= NEAR_NS
            self._offset = 0.0 if self._is_host else float(difference)
        elif not self._is_host:
            risen = self._offset + RISE * max(0, first_ns - self._at)
            self._offset = min(risen, float(difference))
        self._at = first_ns
        return round(self._offset)


_Place = slice | npt.NDArray[np.bool_]


@dataclass
class _Held:
    """A packet and its times on the host's clock, up to last_ns; used: a window has used it."""

    chunk: EventChunk
    t_ns: npt.NDArray[np.int64]
    last_ns: int
    used: bool = False

    def inside(self, start_ns: int, end_ns: int) -> _Place | None:
        """The places of its events in that time; None if there are none."""
        if not len(self.t_ns) or self.last_ns < start_ns or self.t_ns.min() >= end_ns:
            return None
        if self.last_ns < end_ns and self.t_ns.min() >= start_ns:
            return slice(None)
        mask: npt.NDArray[np.bool_] = (self.t_ns >= start_ns) & (self.t_ns < end_ns)
        return mask if mask.any() else None


class EventMemory:
    """Packets of one sensor in the order of their arrival.

    events: number of events held. start_ns, end_ns: the time covered on the host's clock, both
    included; None before the first packet.
    """

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()
        self._gaps: deque[tuple[int, int]] = deque()
        self._truncated = False
        self.events = 0
        self.start_ns: int | None = None
        self.end_ns: int | None = None

    @property
    def unused(self) -> int:
        """Number of packets that no window has used yet."""
        return sum(not held.used for held in self._held)

    def add(self, chunk: EventChunk, span_ns: tuple[int, int], offset_ns: int) -> None:
        """Adds a packet. span_ns: the sensor time it covers. offset_ns: to the host's clock."""
        first, last = span_ns[0] + offset_ns, span_ns[1] + offset_ns
        if self.start_ns is None or self.end_ns is None:
            self.start_ns, self.end_ns = first, last
        elif (chunk.after_loss or self._truncated) and first > self.end_ns:
            self._gaps.append((self.end_ns + 1, first))
        self.end_ns = max(self.end_ns, last)
        self._truncated = chunk.truncated
        t_ns = chunk.t_ns + offset_ns
        self._held.append(_Held(chunk, t_ns, max(last, int(t_ns.max(initial=last)))))
        self.events += len(chunk)

    def window(self, start_ns: int, end_ns: int, tolerance_ns: int) -> Events | None:
        """The events from start_ns to before end_ns; None if no packet reaches into that time.

        It is complete if at most `tolerance_ns` of that time is missing.
        """
        missing = self.missing_ns(start_ns, end_ns)
        if not self._held or missing >= end_ns - start_ns:
            return None
        taken: list[tuple[_Held, _Place]] = []
        for held in self._held:
            place = held.inside(start_ns, end_ns)
            if place is not None:
                held.used = True
                taken.append((held, place))
        chunk = self._held[-1].chunk
        return Events(
            x=np.concatenate([chunk.x[:0], *(h.chunk.x[i] for h, i in taken)]),
            y=np.concatenate([chunk.y[:0], *(h.chunk.y[i] for h, i in taken)]),
            polarity=np.concatenate(
                [chunk.polarity[:0], *(h.chunk.polarity[i] for h, i in taken)]
            ),
            t_ns=np.concatenate([chunk.t_ns[:0], *(h.t_ns[i] for h, i in taken)]),
            width=chunk.width,
            height=chunk.height,
            start_ns=start_ns,
            end_ns=end_ns,
            complete=missing <= tolerance_ns,
        )

    def missing_ns(self, start_ns: int, end_ns: int) -> int:
        """Nanoseconds of that time that are not covered.

        They are before the first packet, after the last one, and where packets were lost.
        """
        if self.start_ns is None or self.end_ns is None:
            return end_ns - start_ns
        uncovered = [(start_ns, self.start_ns), *self._gaps, (self.end_ns + 1, end_ns)]
        return sum(max(0, min(b, end_ns) - max(a, start_ns)) for a, b in uncovered)

    def forget_before(self, stamp_ns: int, at_most: int) -> tuple[int, int]:
        """Drops packets older than the stamp, then the oldest while too many events are held.

        at_most: number of events to hold. Returns the number of unused packets dropped for each of
        the two reasons.
        """
        old = crowded = 0
        while self._held and self._held[0].last_ns < stamp_ns:
            old += self._leave()
        while self.events > at_most and len(self._held) > 1:
            crowded += self._leave()
        while self._gaps and self.start_ns is not None and self._gaps[0][1] <= self.start_ns:
            self._gaps.popleft()
        return old, crowded

    def _leave(self) -> bool:
        """Drops the oldest packet; returns whether it was never used."""
        held = self._held.popleft()
        self.events -= len(held.chunk)
        self.start_ns = max(self.start_ns or 0, held.last_ns + 1)
        return not held.used
