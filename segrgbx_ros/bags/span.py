# SPDX-License-Identifier: Apache-2.0
"""A slice of a recording by log time, and the slices that make up a whole one."""

from dataclasses import dataclass

from segrgbx_core.errors import BagError, InputError
from segrgbx_ros.bags.metadata import BagMessage

MOST_SLICES = 10_000


@dataclass(frozen=True)
class LogSpan:
    """What is read of a recording: one topic within a span, the others around it as well.

    start_ns, end_ns: log times in nanoseconds; the end is not part of it. topic: read within
    alone, so that each of its messages lies in one slice. around_ns: of the other topics, so much
    more is read before and after. before: earlier messages that still hold, which come first.
    """

    start_ns: int
    end_ns: int
    topic: str
    around_ns: int
    before: tuple[BagMessage, ...] = ()

    @property
    def widest(self) -> tuple[int, int]:
        """First log time read, and the one where reading ends."""
        return self.start_ns - self.around_ns, self.end_ns + self.around_ns

    def holds(self, topic: str, log_time_ns: int) -> bool:
        """Whether a message is read."""
        wide = 0 if topic == self.topic else self.around_ns
        return self.start_ns - wide <= log_time_ns < self.end_ns + wide


def spans_of(
    first_ns: int, last_ns: int, slice_s: float, topic: str, around_s: float
) -> tuple[LogSpan, ...]:
    """Cuts a recording from its first to its last log time into slices of equal length.

    slice_s: length of a slice in seconds; the last one is shorter. Raises InputError for a length
    that is not above 0, BagError where that makes more than 10,000 slices.
    """
    if not slice_s > 0:
        raise InputError(f"A slice is {slice_s:g} s long; expected more than 0.")
    step = max(1, round(slice_s * 1e9))
    number = -(-(last_ns + 1 - first_ns) // step)
    if number > MOST_SLICES:
        raise BagError(
            f"The recording lasts {(last_ns - first_ns) / 1e9:.0f} s by its log times, {number} "
            f"slices of {slice_s:g} s; expected at most {MOST_SLICES}: give a longer --slice."
        )
    around = round(around_s * 1e9)
    starts = (first_ns + i * step for i in range(number))
    return tuple(LogSpan(start, min(start + step, last_ns + 1), topic, around) for start in starts)
