# SPDX-License-Identifier: Apache-2.0
"""The condition of each image, such as night or rain: from a topic, or from a file of times."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segrgbx_core.errors import InputError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml


@dataclass(frozen=True)
class Moment:
    """When an image was taken and recorded, in nanoseconds."""

    stamp_ns: int
    log_time_ns: int


class Conditions(Protocol):
    """Names the condition of an image."""

    def of(self, moment: Moment) -> str:
        """The condition of an image; empty if unknown."""
        ...


class RecordedConditions:
    """From messages of text: each holds from the time of its recording on."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._names: list[str] = []
        self._read_until = -1

    def add(self, log_time_ns: int, name: str) -> None:
        """Adds a message; times ascend."""
        if not self._names or self._names[-1] != name:
            self._times.append(log_time_ns)
            self._names.append(name)

    def read_until(self, log_time_ns: int) -> None:
        """Notes how far the recording has been read."""
        self._read_until = log_time_ns

    def of(self, moment: Moment) -> str:
        """See Conditions."""
        place = bisect_right(self._times, moment.log_time_ns)
        return self._names[place - 1] if place else ""

    def settled(self, log_time_ns: int) -> bool:
        """Whether the condition at this time of the recording will not change any more."""
        return self._read_until > log_time_ns


@dataclass(frozen=True)
class _Span:
    after: float
    condition: str


@dataclass(frozen=True)
class _ConditionsFile:
    conditions: Sequence[_Span]


class TimedConditions:
    """From a file: `conditions: [{after: 0, condition: day}, {after: 35.2, condition: night}]`.

    after: seconds since the first RGB image that was asked for; each holds until the next.
    Raises InputError for a file that cannot be read, and for times that do not ascend.
    """

    def __init__(self, path: Path) -> None:
        spans = filled(
            _ConditionsFile, read_yaml(path, InputError), str(path), InputError
        ).conditions
        self._after = [span.after for span in spans]
        self._names = [span.condition for span in spans]
        if not spans or any(a >= b for a, b in zip(self._after, self._after[1:], strict=False)):
            raise InputError(
                f"{path} has conditions after {self._after} s; expected at least one, and times "
                "that ascend."
            )
        self._first_ns: int | None = None

    def of(self, moment: Moment) -> str:
        """See Conditions."""
        if self._first_ns is None:
            self._first_ns = moment.stamp_ns
        place = bisect_right(self._after, (moment.stamp_ns - self._first_ns) / 1e9)
        return self._names[place - 1] if place else ""
