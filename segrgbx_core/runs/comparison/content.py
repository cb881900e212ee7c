# SPDX-License-Identifier: Apache-2.0
"""What a comparison of runs says: the content of `compare.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

COMPARISON_FORMAT = 1
COMPARISON_FILE, COMPARISON_PAGE = "compare.json", "compare.html"
Verdict = Literal[
    "better", "worse", "more", "less", "equal", "not distinguishable", "too few frames", "-"
]


@dataclass(frozen=True)
class Difference:
    """A run's figure minus the first run's, with its interval.

    value: None where one of them is not measured (verdict "-"). low, high: ends of the interval;
    None for too few frames. verdict: "not distinguishable" where the interval holds 0; "equal"
    where no frame differs.
    """

    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ScoreLine:
    """One figure of all runs, a share in 0..1. values: in the order of the runs, None where not
    measured. differences: of the second run on, to the first."""

    name: str
    values: Sequence[float | None]
    differences: Sequence[Difference]


@dataclass(frozen=True)
class Group:
    """All frames, or those of a condition. block: consecutive frames drawn together."""

    name: str
    frames: int
    block: int
    miou: ScoreLine
    classes: Sequence[ScoreLine]


@dataclass(frozen=True)
class FrameChange:
    """A frame and a figure of it in the first run and in another: the mean IoU over the classes
    of its own truth or mask, or the share of pixels that are of one class in both."""

    stem: str
    stamp_ns: int | None
    condition: str
    before: float | None
    after: float


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs. only_here: stems of frames that it has and another has not. latency_ms:
    median and 95th percentile of all stages together, over the frames that all have. better,
    worse: frames whose mean IoU rose or fell against the first run. worst: those that fell most.
    """

    name: str
    folder: str
    masks_of: Literal["run", "none"]
    segmented: int
    only_here: Sequence[str]
    latency_ms: tuple[float, float] | None
    confidence: float | None
    better: int
    worse: int
    worst: Sequence[FrameChange]


@dataclass(frozen=True)
class Setting:
    """Something in which the runs differ; values: of each, as text."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True)
class Agreement:
    """How alike a run's masks are to the first run's, over all pixels of all frames.

    pixels: share of one class in both, or unlabelled in both. per_class_iou: of one run's pixels
    with the other's. apart: the frames that agree least.
    """

    pixels: float
    per_class_iou: Mapping[str, float | None]
    apart: Sequence[FrameChange]


@dataclass(frozen=True)
class RunComparison:
    """Runs against the first of them. frames: those that all have. scored: those that all scored.
    rate_hz: frames in a second, None without stamps. groups: "all" first, then the conditions;
    empty without ground truth. shares: of the masks' pixels by class, where nothing was scored, of
    blocks of `share_block` frames, 0 without. agreement: likewise, of the second run on.
    """

    format: int
    title: str
    runs: Sequence[ComparedRun]
    matched_by: Literal["stamp", "stem"]
    frames: int
    scored: int
    rate_hz: float | None
    resamples: int
    level: float
    seed: int
    groups: Sequence[Group]
    shares: Sequence[ScoreLine]
    share_block: int
    agreement: Sequence[Agreement]
    settings: Sequence[Setting]
    notes: Sequence[str]

    def to_json(self) -> str:
        """The text of `compare.json`; keys are the fields' names."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"
