# SPDX-License-Identifier: Apache-2.0
"""Windows over a stream of events: by duration or by count, each ending before a given time.

Windows include their start and exclude their end, so that consecutive ones share no event and
lose none. Events of one time are never parted, so that their order does not matter.
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
    """duration_ns: length of a window in nanoseconds; with a count the furthest it reaches back.
    count: events in a window, None takes all within the duration; events at the very time of the
    earliest of them are all included, so there may be a few more."""

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
    """The events of the window that ends at `end_ns`; `complete` is kept as it is.

    With a count the window starts at the earliest event that it holds.
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
    """The whole reading cut into consecutive windows, from its start_ns to its end_ns.

    By duration the last window may be shorter. By count a window ends where the next one's first
    event is; the last one may hold fewer, and others hold more or fewer where many events are of
    one time. The duration does not limit these.
    """
    settings = settings or WindowSettings()
    edges = _edges(events, settings)
    for start_ns, end_ns in pairwise(edges):
        inside = (events.t_ns >= start_ns) & (events.t_ns < end_ns)
        yield _taken(events, inside, start_ns, end_ns)


def _edges(events: Events, settings: WindowSettings) -> list[int]:
    """Where windows begin, and the end of the last."""
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
