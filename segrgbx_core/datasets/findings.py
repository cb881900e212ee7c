# SPDX-License-Identifier: Apache-2.0
"""The result of checking a copy of a dataset: counts, and what is missing or odd."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SHOWN = 5


@dataclass(frozen=True)
class DatasetFinding:
    """what: a short title; count: how many; examples: the first few, one sentence or path each."""

    what: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SplitCounts:
    """samples: complete and readable. missing: without one of their files. bad: cannot be used as
    they are. published: the authors' number, None if unknown. conditions, faults: complete samples
    of each."""

    name: str
    samples: int
    missing: int
    bad: int
    published: int | None
    conditions: Mapping[str, int]
    faults: Mapping[str, int]


@dataclass(frozen=True)
class ClassShare:
    """share: of the labelled pixels, 0..1; samples: how many it occurs in."""

    name: str
    share: float
    samples: int


@dataclass(frozen=True)
class DatasetCheck:
    """The whole result. problems: what is missing or odd; notes: what is worth knowing but not
    wrong. sizes: samples per size such as "640x480". unlabelled: share of all pixels, 0..1.
    stopped: why the check ended early, None if it did not."""

    dataset: str
    folder: str
    modality: str
    x: str | None
    label_set: str
    splits: tuple[SplitCounts, ...]
    classes: tuple[ClassShare, ...]
    unlabelled: float
    sizes: Mapping[str, int]
    problems: tuple[DatasetFinding, ...]
    notes: tuple[DatasetFinding, ...]
    stopped: str | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is missing or odd."""
        return not self.problems and self.stopped is None


@dataclass
class DatasetFindings:
    """Collects sentences by topic and keeps the first few of each."""

    _counts: dict[str, int] = field(default_factory=dict)
    _examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, example: str, count: int = 1) -> None:
        """Adds one of that kind, or `count`."""
        self._counts[what] = self._counts.get(what, 0) + count
        examples = self._examples.setdefault(what, [])
        if len(examples) < SHOWN:
            examples.append(example)

    def all(self) -> tuple[DatasetFinding, ...]:
        """In the order in which the kinds first occurred."""
        return tuple(
            DatasetFinding(what, count, tuple(self._examples[what]))
            for what, count in self._counts.items()
        )
