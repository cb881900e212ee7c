# SPDX-License-Identifier: Apache-2.0
"""The result of a set of recordings: the content of its `summary.json`, written and read."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.reliability import Reliability, reliability
from segrgbx_core.evaluation.summary import ALL, GroupScores, group_of
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_json
from segrgbx_core.runs.counts import FrameCounts
from segrgbx_core.runs.figures import Percentiles
from segrgbx_core.runs.folder import SUMMARY_FILE, Run, RunFacts
from segrgbx_core.runs.rows import SEGMENTED, FrameRow
from segrgbx_core.runs.scores import scores_by_condition
from segrgbx_ros.drives.states import State


@dataclass(frozen=True)
class DriveFigures:
    """Figures of one recording, or of all together; shares in 0..1.

    images: RGB images. dropped: those without a mask, by reason. with_x: masks in which X took
    part. scored: masks with a ground truth. scores, rgb_alone: "all", then by condition; None
    without ground truth, and where RGB alone was not scored. frame_ms: all stages of a frame.
    """

    images: int
    segmented: int
    dropped: Mapping[str, int]
    with_x: int
    scored: int
    scores: Mapping[str, GroupScores] | None
    rgb_alone: Mapping[str, GroupScores] | None
    mean_confidence: float | None
    frame_ms: Percentiles | None

    @property
    def miou(self) -> float | None:
        """Of all frames together; None without ground truth."""
        return None if self.scores is None else self.scores[ALL].miou

    @property
    def miou_alone(self) -> float | None:
        """The same of RGB alone; None where it was not scored."""
        return None if self.rgb_alone is None else self.rgb_alone[ALL].miou


@dataclass(frozen=True)
class DriveEntry:
    """One recording of the set.

    name: its folder. bag: its path, as given. state, sentence: see `TaskRecord`; of the worst of
    its slices. parts: the folders of its runs, one without slices. retries: processes that died.
    figures: of the parts that are done; None without any.
    """

    name: str
    bag: str
    state: State
    sentence: str
    complete: bool
    parts: Sequence[str]
    retries: int
    figures: DriveFigures | None


@dataclass(frozen=True)
class SetSummary:
    """Everything that is reported of a set.

    run: of all frames together, as of one run. all: their figures. confusion: pixels, rows truth,
    columns prediction. calibration: of the confidence with X. class_colors: red, green, blue in
    0..255. interrupted: what stopped the set, and how far it came. limits: of the model's use,
    from its card.
    """

    run: RunFacts
    drives: Sequence[DriveEntry]
    all: DriveFigures
    confusion: Sequence[Sequence[int]] | None
    calibration: Reliability | None
    class_colors: Mapping[str, tuple[int, int, int]]
    interrupted: str | None = None
    limits: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every recording is done, and was read to its end."""
        return all(d.state == "done" and d.complete for d in self.drives)

    def to_json(self) -> str:
        """The text of `summary.json`; keys are the fields' names."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def read_set_summary(folder: Path) -> SetSummary:
    """The summary of a set. Raises InputError for anything else than this version wrote."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        raise InputError(f"{folder} has no {SUMMARY_FILE}: none of its recordings is done.")
    return filled(SetSummary, read_json(path, InputError), str(path), InputError, whole=True)


def figures_of_set(rows: Sequence[FrameRow], counts: FrameCounts | None, run: Run) -> DriveFigures:
    """The figures of some frames; run: one of their model, for the classes."""
    times = [row.total_ms for row in rows if row.total_ms is not None]
    sure = [row.confidence for row in rows if row.confidence is not None]
    masks = [row for row in rows if row.status == SEGMENTED]
    alone = counts is not None and counts.alone is not None
    joined = replace(run, rows=tuple(rows), counts=counts)
    return DriveFigures(
        images=len(rows),
        segmented=len(masks),
        dropped=dict(sorted(Counter(r.status for r in rows if r.status != SEGMENTED).items())),
        with_x=sum(row.x_used for row in masks),
        scored=0 if counts is None else len(counts),
        scores=_grouped(joined),
        rgb_alone=_grouped(joined, alone=True) if alone else None,
        mean_confidence=round(float(np.mean(sure)), 5) if sure else None,
        frame_ms=Percentiles.of(times) if times else None,
    )


def _grouped(run: Run, alone: bool = False) -> dict[str, GroupScores] | None:
    """Scores of all frames and of each condition; None where no frame was scored."""
    if run.counts is None or not len(run.counts):
        return None
    return {name: group_of(scores) for name, scores in scores_by_condition(run, alone).items()}


def confusion_and_calibration(
    counts: FrameCounts | None,
) -> tuple[list[list[int]] | None, Reliability | None]:
    """Of all frames together; None where none was scored."""
    if counts is None or not len(counts):
        return None, None
    rows: list[list[int]] = counts.total()[:-1, :-1].tolist()
    return rows, reliability(counts.levels)
