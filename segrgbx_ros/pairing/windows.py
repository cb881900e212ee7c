# SPDX-License-Identifier: Apache-2.0
"""Pairs each RGB image with events: the window of time that ends at its stamp.

The counterpart of `nearest.py` for a sensor without frames, used by the live node and the replay.
The times of each packet are converted to the host's clock on arrival and then stay fixed, so
consecutive windows share no event and lose none. An RGB is decided when a packet arrives that
reaches past its stamp.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from segrgbx_core.errors import InputError
from segrgbx_core.event_stream import WindowSettings, window
from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.pairing.memory import EventMemory, SensorClock
from segrgbx_ros.pairing.nearest import Pair, PairingCounts, PairingSettings, Stream

R = TypeVar("R")


@dataclass(frozen=True)
class EventWindowSettings:
    """The content of a window, and how long an image waits for it; times in nanoseconds.

    duration_ns: length of the window; with `count` (events, None: all) its largest length.
    tolerance_ns: a window that misses at most this counts as complete. queue_size: number of RGB
    images that may wait. timeout_ns: an RGB that is older than the newest one by more than this is
    decided with the present data. x_time_offset_ns: added to every event's time. jump_ns: a larger
    step back is a new start of time. max_events: number of events held at most, 13 bytes each.
    Raises InputError for values out of range.
    """

    duration_ns: int = 50_000_000
    count: int | None = None
    tolerance_ns: int = 0
    queue_size: int = 10
    timeout_ns: int = 100_000_000
    x_time_offset_ns: int = 0
    jump_ns: int = 1_000_000_000
    max_events: int = 10_000_000

    def __post_init__(self) -> None:
        WindowSettings(self.duration_ns, self.count)
        PairingSettings(queue_size=self.queue_size, jump_ns=self.jump_ns)
        for name in ("tolerance_ns", "timeout_ns"):
            if getattr(self, name) < 0:
                raise InputError(
                    f"Event windows have {name} {getattr(self, name)}; expected 0 or more."
                )
        if self.max_events < 1:
            raise InputError(
                f"Event windows have max_events {self.max_events}; expected 1 or more."
            )


@dataclass(frozen=True)
class EventWindowCounts:
    """late_events: arrived after their window was decided.

    incomplete: windows with fewer events than the sensor sent. clock_restarts: how often the
    sensor's clock jumped.
    """

    late_events: int
    incomplete: int
    clock_restarts: int


class EventWindows(Generic[R]):
    """Takes images and decoded packets as they arrive; returns windows in the order of stamps.

    The x_stamp_ns of a pair is the end of the time that its window covers: the RGB stamp, or
    earlier if the events end earlier. An RGB is dropped with the reason "rgb_without_x" if no
    packet reaches into its window, with "rgb_without_events" if the sensor ran but detected no
    change.
    """

    def __init__(
        self,
        settings: EventWindowSettings | None = None,
        on_unpaired: Callable[[int, R, str], None] | None = None,
    ) -> None:
        """on_unpaired: called with stamp, RGB and reason of each RGB dropped without events."""
        self.settings = settings or EventWindowSettings()
        stream = PairingSettings(
            queue_size=self.settings.queue_size, jump_ns=self.settings.jump_ns
        )
        self._rgb: Stream[R] = Stream("rgb", stream)
        self._clock = SensorClock(self.settings.jump_ns)
        self._on_unpaired = on_unpaired
        self._packets = self._paired = self._late = self._incomplete = self._restarts = 0
        self._x_dropped: Counter[str] = Counter()
        self._memory = EventMemory()
        self._newest_packet: EventChunk | None = None

    def _forget(self) -> None:
        """Starts again, for a new start of time."""
        self._rgb.forget()
        self._clock.forget()
        self._memory = EventMemory()
        self._newest_packet = None

    @property
    def counts(self) -> PairingCounts:
        """The totals so far; x counts packets.

        x_in = used in some window + sum(x_dropped) + x_pending; a packet may be in several
        windows.
        """
        return PairingCounts(
            rgb_in=self._rgb.arrived,
            x_in=self._packets,
            paired=self._paired,
            rgb_dropped=dict(self._rgb.dropped),
            x_dropped=dict(+self._x_dropped),
            rgb_pending=len(self._rgb.stamps),
            x_pending=self._memory.unused,
        )

    @property
    def event_counts(self) -> EventWindowCounts:
        """The totals of the events."""
        return EventWindowCounts(self._late, self._incomplete, self._clock.restarts)

    @property
    def restarts(self) -> int:
        """How often time jumped back."""
        return self._restarts

    def retune(self, slop_ns: int, x_time_offset_ns: int) -> None:
        """Applies another offset to the packets from here on; windows have no slop."""
        del slop_ns
        self.settings = replace(self.settings, x_time_offset_ns=x_time_offset_ns)

    def add_rgb(self, stamp_ns: int, rgb: R) -> list[Pair[R, Events]]:
        """The pairs that this image completes."""
        done = self._restart_if(self._rgb.jumps_back(stamp_ns))
        if self._rgb.add(stamp_ns, rgb):
            done += self.settle_until(self._rgb.newest - self.settings.timeout_ns - 1)
            done += self._decide()
            if len(self._rgb.stamps) > self.settings.queue_size:
                done += self._settle_oldest("rgb_queue_full")
        return done

    def add_packet(self, chunk: EventChunk) -> list[Pair[R, Events]]:
        """The pairs that this packet completes."""
        self._packets += 1
        before = self._newest_packet
        done = self._restart_if(before is not None and self._restarted(before, chunk))
        reason = self._refusal(chunk)
        if reason is not None:
            self._x_dropped[reason] += 1
            return done
        self._newest_packet = chunk
        self._remember(chunk)
        done += self._decide()
        self._tidy()
        return done

    def settle_until(self, rgb_stamp_ns: int) -> list[Pair[R, Events]]:
        """Decides every waiting RGB up to that stamp with the present data, after a timeout."""
        done: list[Pair[R, Events]] = []
        while self._rgb.stamps and self._rgb.stamps[0] <= rgb_stamp_ns:
            done += self._settle_oldest("rgb_without_x")
        return done

    def flush(self) -> list[Pair[R, Events]]:
        """Decides everything that waits with the present data, at the end of a recording."""
        done = self.settle_until(self._rgb.newest)
        self._x_dropped["x_unused"] += self._memory.unused
        self._memory = EventMemory()
        return done

    def _restart_if(self, jumped: bool) -> list[Pair[R, Events]]:
        if not jumped:
            return []
        self._restarts += 1
        done = self.flush()
        self._forget()
        return done

    def _restarted(self, before: EventChunk, chunk: EventChunk) -> bool:
        """Whether time jumped back, or the sensor changed."""
        jumped = 0 < chunk.stamp_ns < before.stamp_ns - self.settings.jump_ns
        return jumped or (chunk.width, chunk.height) != (before.width, before.height)

    def _refusal(self, chunk: EventChunk) -> str | None:
        """Why a packet cannot be used; None if it can."""
        before = self._newest_packet
        if chunk.stamp_ns <= 0:
            return "invalid_x_stamp"
        if chunk.first_ns is None:
            return "x_without_events"
        if chunk.seq and before is not None:
            twice = (chunk.seq, chunk.stamp_ns) == (before.seq, before.stamp_ns)
            return "duplicate_x" if twice else None
        return None

    def _remember(self, chunk: EventChunk) -> None:
        if chunk.first_ns is None or chunk.last_ns is None:
            return
        offset = self._clock.offset_ns(chunk.stamp_ns, chunk.first_ns, chunk.host_clock)
        offset += self.settings.x_time_offset_ns
        self._late += int((chunk.t_ns < self._rgb.settled - offset).sum())
        self._memory.add(chunk, (chunk.first_ns, chunk.last_ns), offset)

    def _tidy(self) -> None:
        """Drops packets that no window can need any more.

        A later RGB is newer than those seen, and at most `jump_ns` later than the events of its
        time.
        """
        end = self._memory.end_ns
        if end is None:
            return
        needed = max(self._rgb.settled, end - self.settings.jump_ns)
        old, crowded = self._memory.forget_before(
            needed - self.settings.duration_ns, self.settings.max_events
        )
        self._x_dropped["x_unused"] += old
        self._x_dropped["x_queue_full"] += crowded

    def _decide(self) -> list[Pair[R, Events]]:
        end = self._memory.end_ns
        return [] if end is None else self.settle_until(end)

    def _settle_oldest(self, reason: str) -> list[Pair[R, Events]]:
        """Removes the oldest RGB: with its window, or counted under a reason."""
        stamp = self._rgb.stamps[0]
        start = stamp - self.settings.duration_ns
        events = self._memory.window(start, stamp, self.settings.tolerance_ns)
        rgb = self._rgb.take(stamp)
        if events is None or not len(events):
            reason = reason if events is None else "rgb_without_events"
            self._rgb.dropped[reason] += 1
            if self._on_unpaired is not None:
                self._on_unpaired(stamp, rgb, reason)
            return []
        if self.settings.count is not None:
            limits = WindowSettings(self.settings.duration_ns, self.settings.count)
            events = self._shortened(window(events, stamp, limits))
        self._paired += 1
        self._incomplete += not events.complete
        covered = self._memory.end_ns
        return [Pair(stamp, rgb, stamp if covered is None else min(stamp, covered), events)]

    def _shortened(self, events: Events) -> Events:
        """The window without gaps that lie before its later start."""
        missing = self._memory.missing_ns(events.start_ns, events.end_ns)
        return replace(events, complete=missing <= self.settings.tolerance_ns)
