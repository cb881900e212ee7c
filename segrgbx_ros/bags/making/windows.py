# SPDX-License-Identifier: Apache-2.0
"""Windows of events as the packets of a camera that ran all the time."""

from dataclasses import replace

from segrgbx_core.errors import InputError
from segrgbx_core.event_stream import WindowSettings, windows
from segrgbx_core.readings import Events
from segrgbx_ros.bags.making.captures import XWriter

_PACKET = WindowSettings(5_000_000)
_APART_NS = 1_000_000


class WindowWriter:
    """Writes each sample's window as packets of 5 ms, at another time than it was recorded.

    duration_ns: of the windows, None before the first. A packet before the first window and one
    after the last show that the camera ran then; their events are in no window.
    """

    def __init__(self, x: XWriter, period_ns: int) -> None:
        """period_ns: the shortest time between two windows' ends."""
        self._x, self._period_ns = x, period_ns
        self.duration_ns: int | None = None
        self._last: Events | None = None

    def write(self, events: Events, end_ns: int) -> None:
        """Writes the window so that it ends at that stamp.

        Raises InputError for a window of another length than the first, or longer than a period.
        """
        self._check(events.end_ns - events.start_ns)
        moved = _moved(events, end_ns)
        if self._last is None and len(moved):
            self._x.write_packet(_one_event(moved, moved.start_ns - _APART_NS))
        parts = [part for part in windows(moved, _PACKET) if len(part)]
        # The gap lies within this window: one before its first packet reaches into the last one.
        lost_before = None if moved.complete else min(1, len(parts) - 1)
        for number, part in enumerate(parts):
            self._x.write_packet(part, after_loss=number == lost_before)
        self._last = moved if len(moved) else self._last

    def finish(self) -> None:
        """Writes the packet after the last window."""
        if self._last is not None:
            self._x.write_packet(_one_event(self._last, self._last.end_ns + _APART_NS))

    def _check(self, duration_ns: int) -> None:
        if self.duration_ns is None:
            self.duration_ns = duration_ns
        if duration_ns != self.duration_ns:
            raise InputError(
                f"Its events cover {duration_ns / 1e6:g} ms and those of earlier samples "
                f"{self.duration_ns / 1e6:g} ms; a replay needs windows of one length."
            )
        if duration_ns > self._period_ns:
            raise InputError(
                f"Its events cover {duration_ns / 1e6:g} ms, and images follow each other after "
                f"{self._period_ns / 1e6:g} ms; give a --rate of at most "
                f"{1e9 / duration_ns:g} and no --jitter."
            )


def _moved(events: Events, end_ns: int) -> Events:
    by = end_ns - events.end_ns
    return replace(
        events, t_ns=events.t_ns + by, start_ns=events.start_ns + by, end_ns=events.end_ns + by
    )


def _one_event(events: Events, at_ns: int) -> Events:
    """The first event, moved to that time."""
    first = slice(0, 1)
    return Events(
        x=events.x[first],
        y=events.y[first],
        polarity=events.polarity[first],
        t_ns=events.t_ns[first] * 0 + at_ns,
        width=events.width,
        height=events.height,
        start_ns=at_ns,
        end_ns=at_ns + 1,
    )
