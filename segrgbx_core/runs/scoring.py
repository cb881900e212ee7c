# SPDX-License-Identifier: Apache-2.0
"""Scores a run's masks against their ground truth as they come, with X and from RGB alone."""

from dataclasses import dataclass

import numpy as np

from segrgbx_core.evaluation.metrics import ConfusionMeter, Counts, Scores, confusion_of
from segrgbx_core.evaluation.reliability import Reliability, ReliabilityMeter, reliability
from segrgbx_core.evaluation.summary import ALL, GroupScores, group_of
from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.runs.counts import CountsCollector, FrameCounts
from segrgbx_core.segmentation import Segmentation


@dataclass(frozen=True)
class FrameScores:
    """Scores of one frame; alone: of RGB alone, None where that was not scored."""

    with_x: Scores
    alone: Scores | None


class ScoreKeeper:
    """Collects the scores of all frames, by condition, and what is needed of each frame.

    alone: whether every scored frame is scored from RGB alone as well.
    """

    def __init__(self, label_set: LabelSet, alone: bool) -> None:
        self._label_set, self.alone = label_set, alone
        self._with: dict[str, ConfusionMeter] = {ALL: ConfusionMeter(label_set)}
        self._alone: dict[str, ConfusionMeter] = {ALL: ConfusionMeter(label_set)}
        self._reliability = ReliabilityMeter()
        self._collector = CountsCollector(len(label_set))

    def counts_of(self, predicted: LabelImage, truth: LabelImage) -> Counts:
        """A frame's matrix. Raises LabelError and InputError as `confusion_of` does."""
        return confusion_of(predicted, truth, self._label_set)

    def add(
        self,
        index: int,
        condition: str,
        answer: Segmentation,
        truth: LabelImage,
        alone: Counts | None,
    ) -> FrameScores:
        """Adds a frame's mask and its ground truth (H, W) uint8, of one size.

        alone: the matrix of RGB alone; needed where `alone` was asked for.
        Raises LabelError and InputError as `confusion_of` does, before anything is added.
        """
        counts = self.counts_of(answer.labels, truth)
        self._reliability.update(answer.labels, answer.confidence_image(), truth)
        self._collector.add(index, counts, alone if self.alone else None)
        of_alone = None
        if self.alone and alone is not None:
            of_alone = self._added(self._alone, condition, alone)
        return FrameScores(self._added(self._with, condition, counts), of_alone)

    def _added(self, meters: dict[str, ConfusionMeter], condition: str, counts: Counts) -> Scores:
        for name in filter(None, (ALL, condition)):
            meters.setdefault(name, ConfusionMeter(self._label_set)).add(counts)
        one = ConfusionMeter(self._label_set)
        one.add(counts)
        return one.scores()

    def overall(self) -> Scores:
        """Of all frames so far, with X."""
        return self._with[ALL].scores()

    def groups(self, alone: bool = False) -> dict[str, GroupScores]:
        """By condition, "all" first; alone: of RGB alone."""
        meters = self._alone if alone else self._with
        return {name: group_of(meter.scores()) for name, meter in meters.items()}

    def confusion(self, alone: bool = False) -> list[list[int]]:
        """Pixels of all frames: rows truth, columns prediction, in the order of the classes."""
        meter = (self._alone if alone else self._with)[ALL]
        rows: list[list[int]] = np.asarray(meter.scores().confusion).tolist()
        return rows

    def reliability(self) -> Reliability:
        """How far the confidence can be believed, with X."""
        return reliability(self._reliability.counts)

    def counts(self) -> FrameCounts:
        """What is kept of each frame."""
        return self._collector.counts(self._reliability.counts)
