# SPDX-License-Identifier: Apache-2.0
"""Scores of a run's folder: of all frames, of some, by condition, with X and with RGB alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import ConfusionMeter, Scores
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.runs.counts import FrameCounts
from segrgbx_core.runs.folder import Run

Places = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class IouParts:
    """What the IoU of any choice of N frames is summed from.

    right: (N, C) float64, pixels of each class found. union: (N, C) float64, pixels of the class
    in truth or prediction. Whole numbers, exact below 2**53.
    """

    right: Pixels
    union: Pixels

    def of(self, frames: Places) -> "IouParts":
        """Of these frames, in this order."""
        return IouParts(self.right[frames], self.union[frames])


def need_counts(run: Run) -> FrameCounts:
    """The run's counts. Raises InputError for a run without ground truth."""
    if run.counts is None:
        raise InputError(
            f"{run.folder} was not scored, for lack of a ground truth; name its topic with "
            "--gt-topic, and run again."
        )
    return run.counts


def scores_of(run: Run, places: Places | None = None, alone: bool = False) -> Scores:
    """The scores of a run, by the one definition of `ConfusionMeter`.

    places: positions in `run.counts`, each as often as it is named; None for every frame. alone:
    of RGB alone. Raises InputError where the run has no such scores.
    """
    counts = need_counts(run)
    weights = None if places is None else np.bincount(places, minlength=len(counts))
    meter = ConfusionMeter(run.label_set)
    meter.add(counts.total(weights, alone), frames=len(counts) if places is None else len(places))
    return meter.scores()


def places_by_condition(run: Run) -> Mapping[str, Places]:
    """Positions in `run.counts` by the frames' condition, in the order of their appearance.

    Frames without a condition are in none. Raises InputError for a run without ground truth.
    """
    condition = {row.index: row.condition for row in run.rows if row.index is not None}
    groups: dict[str, list[int]] = {}
    for place, index in enumerate(need_counts(run).index.tolist()):
        if condition.get(index):
            groups.setdefault(condition[index], []).append(place)
    return {name: np.array(places, np.int64) for name, places in groups.items()}


def scores_by_condition(run: Run, alone: bool = False) -> dict[str, Scores]:
    """All frames under "all", then each condition. Raises InputError as `scores_of` does."""
    groups = places_by_condition(run)
    return {
        ALL: scores_of(run, alone=alone),
        **{name: scores_of(run, places, alone) for name, places in groups.items()},
    }


def iou_parts(counts: FrameCounts, alone: bool = False) -> IouParts:
    """Right pixels and union of each frame and class; alone: of RGB alone, which must be there."""
    table = counts.side(alone)
    true, said = np.divmod(counts.cells, counts.classes + 1)
    classes = np.arange(counts.classes)
    in_right = (true[:, None] == classes) & (said[:, None] == classes)
    in_union = (true[:, None] == classes) | (said[:, None] == classes)
    numbers = table.astype(np.float64)
    return IouParts(numbers @ in_right, numbers @ in_union)


def ious(right: Pixels, union: Pixels) -> Pixels:
    """IoU of each class, (..., C) as the arguments; NaN for a class that does not occur."""
    return np.where(union > 0, right / np.maximum(union, 1), np.nan)


def mean_iou(iou: Pixels) -> Pixels:
    """Mean over the classes that occur, (...) of (..., C); NaN where none does."""
    there = ~np.isnan(iou)
    number = there.sum(axis=-1)
    total = np.where(there, iou, 0.0).sum(axis=-1)
    mean: Pixels = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return mean
