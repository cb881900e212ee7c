# SPDX-License-Identifier: Apache-2.0
"""Timing of a topic's messages: rate, jitter, gaps, and problems of the stamps."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segrgbx_core.doubts import RECORDED_CLOCK, doubt_about_clock
from segrgbx_core.wording import counted

GAP = 2.5
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Timing:
    """rate_hz, jitter_ms and the gaps are of the stamps; without stamps, of the log times.

    rate_hz: messages per second between first and last; None for fewer than two. jitter_ms: 95 %
    of the intervals differ from the median interval by at most this. gaps: number of intervals
    longer than 2.5 medians. longest_gap_ms: the longest interval. stamped: whether the type has a
    header. zero: stamps of zero or below. repeated: stamps equal to an earlier one. backwards:
    steps back from one stamp to the next. lag_ms: median of log time minus stamp; None without
    stamps. first_ns, last_ns: the smallest and largest stamp above zero, or log time.
    """

    rate_hz: float | None
    jitter_ms: float | None
    gaps: int
    longest_gap_ms: float | None
    stamped: bool
    zero: int
    repeated: int
    backwards: int
    largest_step_back_ms: float
    lag_ms: float | None
    first_ns: int | None
    last_ns: int | None


@dataclass
class TimeLog:
    """Collects the times of one topic's messages."""

    logged_ns: list[int] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)

    def add(self, logged_ns: int, stamp_ns: int | None) -> None:
        """Adds one message; stamp_ns is None if its type has no header."""
        self.logged_ns.append(logged_ns)
        if stamp_ns is not None:
            self.stamps_ns.append(stamp_ns)

    def stamps(self) -> Times:
        """(N,) int64 nanoseconds, in the order of recording."""
        return np.array(self.stamps_ns, np.int64)

    def timing(self) -> Timing:
        """The timing of the messages so far."""
        stamps, logged = self.stamps(), np.array(self.logged_ns, np.int64)
        stamped = len(stamps) > 0
        good = stamps[stamps > 0]
        times = good if len(good) else logged
        steps = np.diff(good)
        rate, jitter, gaps, longest = _regularity(times)
        return Timing(
            rate_hz=rate,
            jitter_ms=jitter,
            gaps=gaps,
            longest_gap_ms=longest,
            stamped=stamped,
            zero=len(stamps) - len(good),
            repeated=len(good) - len(np.unique(good)),
            backwards=int((steps < 0).sum()),
            largest_step_back_ms=float(-steps.min(initial=0)) / 1e6,
            lag_ms=_lag_ms(stamps, logged),
            first_ns=int(times.min()) if len(times) else None,
            last_ns=int(times.max()) if len(times) else None,
        )


def _regularity(times: Times) -> tuple[float | None, float | None, int, float | None]:
    """Rate, jitter, gaps and the longest interval; steps back and repetitions are left out."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        return None, None, 0, None
    usual = float(np.median(steps))
    jitter = float(np.percentile(np.abs(steps - usual), 95))
    rate = len(steps) / (float(steps.sum()) / 1e9)
    gaps = int((steps > GAP * usual).sum())
    return round(rate, 3), round(jitter / 1e6, 3), gaps, round(float(steps.max()) / 1e6, 3)


def _lag_ms(stamps: Times, logged: Times) -> float | None:
    if len(stamps) != len(logged) or not (stamps > 0).any():
        return None
    there = stamps > 0
    return round(float(np.median(logged[there] - stamps[there])) / 1e6, 3)


def timing_problems(timing: Timing, messages: int, topic: str) -> list[str]:
    """One sentence for each problem of the topic's stamps."""
    said = []
    if timing.zero:
        which = "All" if timing.zero == messages else f"{timing.zero} of {messages}"
        said.append(
            f"{which} stamps are zero, so these messages cannot be paired: let the driver fill in "
            "header.stamp, and pair this recording by its log times with --stamps log."
        )
    if timing.repeated:
        said.append(
            f"{counted(timing.repeated, 'stamp repeats', 'stamps repeat')} an earlier one; of "
            "equal stamps only the first message is used."
        )
    if timing.backwards:
        said.append(
            f"The stamps step back {counted(timing.backwards, 'time')}, by up to "
            f"{_spoken_ms(timing.largest_step_back_ms)}: the recording loops, or its clock was "
            "set."
        )
    if timing.gaps and timing.longest_gap_ms is not None and timing.rate_hz is not None:
        said.append(
            f"{counted(timing.gaps, 'gap')} of more than {GAP} intervals, the longest "
            f"{_spoken_ms(timing.longest_gap_ms)}: messages were lost, or the driver stalled."
        )
    lag_s = 0.0 if timing.lag_ms is None else timing.lag_ms / 1e3
    clock = doubt_about_clock(topic, lag_s, RECORDED_CLOCK)
    return said if clock is None else [*said, clock]


def _spoken_ms(ms: float) -> str:
    """A time span in a suitable unit."""
    for unit, size in (("days", 86_400_000.0), ("hours", 3_600_000.0), ("s", 1000.0)):
        if ms >= 1.5 * size:
            return f"{ms / size:.4g} {unit}"
    return f"{ms:.4g} ms"
