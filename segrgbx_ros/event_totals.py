# SPDX-License-Identifier: Apache-2.0
"""Sums over all the events of a topic, by which two decoders can be compared."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_ros.event_packets import EventChunk


@dataclass
class EventTotals:
    """on, off: events by polarity. rising, falling: trigger edges. first_ns, last_ns: sensor
    time of the earliest and the latest event, None before any. sum_*: over the events; the
    trigger times are summed on their own. All sums are exact."""

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
        """One message more."""
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
    """Without overflow: nanoseconds since the epoch fill 61 bits on their own."""
    if not len(values):
        return 0
    base = int(values[0])
    return base * len(values) + int((values - base).sum())
