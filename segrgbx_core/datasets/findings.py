# SPDX-License-Identifier: Apache-2.0
"""What a walk through a copy of a dataset found: counts, and what is missing or odd."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """what: in a few words; count: how many; examples: the first few, a sentence or path each."""

    what: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SplitCounts:
    """samples: complete and readable. missing: lack a file. bad: cannot be used as they are.
    published: the owners' number, None where unknown. conditions, faults: samples of each, of all
    that are complete."""

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
    """A whole walk. problems: what is missing or odd; notes: what is worth knowing and wrong in
    no way. sizes: "640x480" to samples. unlabelled: share of all pixels, 0..1. stopped: why the
    walk ended early, None where it did not."""

    dataset: str
    folder: str
    modality: str
    x: str | None
    label_set: str
    splits: tuple[SplitCounts, ...]
    classes: tuple[ClassShare, ...]
    unlabelled: float
    sizes: Mapping[str, int]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    stopped: str | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is missing or odd."""
        return not self.problems and self.stopped is None


@dataclass
class Findings:
    """Gathers sentences under what they are about, and keeps the first few of each."""

    _counts: dict[str, int] = field(default_factory=dict)
    _examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, example: str, count: int = 1) -> None:
        """One more of that kind, or `count` at once."""
        self._counts[what] = self._counts.get(what, 0) + count
        examples = self._examples.setdefault(what, [])
        if len(examples) < SHOWN:
            examples.append(example)

    def all(self) -> tuple[Finding, ...]:
        """In the order in which each kind was met first."""
        return tuple(
            Finding(what, count, tuple(self._examples[what]))
            for what, count in self._counts.items()
        )
