# SPDX-License-Identifier: Apache-2.0
"""Estimate of the remaining time: the plan's costs, corrected by measurements on this machine."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from experiments.jobs import Job
from experiments.store import Record


class Estimate:
    """Corrects each kind's cost by its finished jobs. slots: processes at once."""

    def __init__(self, slots: int, cores: int) -> None:
        self._slots = slots
        self._unknown = max(1.0, slots / cores)
        self._expected: dict[str, float] = defaultdict(float)
        self._taken: dict[str, float] = defaultdict(float)

    def learn(self, job: Job, record: Record) -> None:
        """Takes a finished job into account; one that uses all cores counts for all slots."""
        if record.state == "done" and record.whole:
            self._expected[job.kind] += job.cost
            self._taken[job.kind] += record.wall_s * (self._slots if job.whole else 1)

    def seconds(self, jobs: Sequence[Job], running: Mapping[str, float]) -> float:
        """Time until these jobs are done. running: seconds since the start of the running ones."""
        left = 0.0
        for job in jobs:
            expected = self._expected.get(job.kind)
            factor = self._taken[job.kind] / expected if expected else self._unknown
            slots = self._slots if job.whole else 1
            left += max(0.0, job.cost * factor - running.get(job.name, 0.0) * slots)
        return left / self._slots


def in_words(seconds: float) -> str:
    """For example 2 h 05 min."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
