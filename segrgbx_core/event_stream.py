# SPDX-License-Identifier: Apache-2.0
"""Windows over a stream of events, by duration or by count.

Windows include their start and exclude their end, so consecutive windows neither share nor lose
events. Events with equal timestamps are never separated, so their order does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.readings import Events


@dataclass(frozen=True)
class WindowSettings:
    """The size of a window.

    duration_ns: length in nanoseconds; with a count, the maximum length. count: events in a
    window; None takes all events within the duration. All events with the timestamp of the
    earliest one are included, so a window may contain a few more.
    Raises InputError for values out of range.
    """

    duration_ns: int = 50_000_000
    count: int | None = None

    def __post_init__(self) -> None:
        if self.duration_ns < 1:
            raise InputError(
                f"The event window is {self.duration_ns} ns long; expected more than 0."
            )
        if self.count is not None and self.count < 1:
            raise InputError(f"The event window holds {self.count} events; expected 1 or more.")


def window(events: Events, end_ns: int, settings: WindowSettings | None = None) -> Events:
    """The events of the window that ends at `end_ns` (exclusive); `complete` is unchanged.

    With a count, the window starts at its earliest event.
    """
    settings = settings or WindowSettings()
    start_ns = end_ns - settings.duration_ns
    inside = (events.t_ns >= start_ns) & (events.t_ns < end_ns)
    if settings.count is not None and np.count_nonzero(inside) > settings.count:
        times = events.t_ns[inside]
        start_ns = int(np.partition(times, len(times) - settings.count)[-settings.count])
        inside &= events.t_ns >= start_ns
    return _taken(events, inside, start_ns, end_ns)


def windows(events: Events, settings: WindowSettings | None = None) -> Iterator[Events]:
    """Cuts the whole reading into consecutive windows, from its start_ns to its end_ns.

    By duration, the last window may be shorter. By count, a window ends at the next one's first
    event; the last window may have fewer events, and others more or fewer if many events have
    equal timestamps. The duration does not limit windows by count.
    """
    settings = settings or WindowSettings()
    edges = _edges(events, settings)
    for start_ns, end_ns in pairwise(edges):
        inside = (events.t_ns >= start_ns) & (events.t_ns < end_ns)
        yield _taken(events, inside, start_ns, end_ns)


def _edges(events: Events, settings: WindowSettings) -> list[int]:
    """The start of each window, and the end of the last one."""
    start_ns, end_ns = events.start_ns, events.end_ns
    if settings.count is None:
        return [*range(start_ns, end_ns, settings.duration_ns), end_ns]
    times = np.sort(events.t_ns[(events.t_ns >= start_ns) & (events.t_ns < end_ns)])
    borders = np.unique(times[settings.count :: settings.count]).tolist()
    return [start_ns, *(int(t) for t in borders if t > times[0]), end_ns]


def _taken(events: Events, inside: npt.NDArray[np.bool_], start_ns: int, end_ns: int) -> Events:
    return replace(
        events,
        x=events.x[inside],
        y=events.y[inside],
        polarity=events.polarity[inside],
        t_ns=events.t_ns[inside],
        start_ns=start_ns,
        end_ns=end_ns,
    )
