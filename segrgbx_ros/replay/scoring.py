# SPDX-License-Identifier: Apache-2.0
"""Scores each mask of a replay, and the same image segmented without X."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.evaluation.metrics import Counts
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import same_aspect
from segrgbx_core.runs.counts import FrameCounts
from segrgbx_core.runs.scoring import FrameScores, ScoreKeeper
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import NO_TOPIC, TopicsTaken
from segrgbx_ros.pipeline import FrameSegmenter, SegmentedFrame
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.truth.conditions import (
    Conditions,
    Moment,
    RecordedConditions,
    TimedConditions,
)
from segrgbx_ros.truth.folder import FolderTruth
from segrgbx_ros.truth.recorded import (
    ClassMap,
    GroundTruth,
    RecordedTruth,
    class_map,
    mapped_by,
    same_ids,
)

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class FrameTruth:
    """truth: (H, W) uint8 in the model's classes, or None. scores: None where nothing was
    scored."""

    condition: str
    truth: Labels | None = None
    scores: FrameScores | None = None


@dataclass(frozen=True)
class FrameLook:
    """What the scores of a mask need. alone: the answer from RGB alone, None where it is known."""

    condition: str
    truth: Labels | None = None
    alone: Segmentation | None = None


class ReplayScoring:
    """What a replay knows of the truth.

    truth: where the ground truth comes from, None without; conditions the same. alone: the
    segmenter for RGB alone, None to leave it out. before: the counts of an interrupted replay,
    whose frames are not segmented from RGB alone again.
    """

    def __init__(
        self,
        label_set: LabelSet,
        truth: GroundTruth | None,
        conditions: Conditions | None,
        alone: FrameSegmenter | None,
        before: FrameCounts | None = None,
    ) -> None:
        self.truth, self.conditions = truth, conditions
        self._segmenter = alone
        self.keeper = None if truth is None else ScoreKeeper(label_set, alone is not None)
        self._before = _alone_before(before)
        self.alone_ms: list[float] = []
        self._resized: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def scored(self) -> ScoreKeeper | None:
        """The scores; None where no frame was scored."""
        return self.keeper if self.keeper is not None and self.keeper.overall().frames else None

    def settled(self, moment: Moment) -> bool:
        """Whether everything about this image's truth is known."""
        truth, conditions = self.truth, self.conditions
        if isinstance(truth, RecordedTruth) and not truth.has(moment.stamp_ns):
            return False
        if isinstance(conditions, RecordedConditions):
            return conditions.settled(moment.log_time_ns)
        return True

    def look(self, index: int, done: SegmentedFrame, moment: Moment) -> FrameLook:
        """What the scores of a mask need; runs the model where RGB alone is scored."""
        condition = "" if self.conditions is None else self.conditions.of(moment)
        truth = None if self.truth is None else self.truth.take(moment.stamp_ns)
        wanted = truth is not None and done.x_used and index not in self._before
        if self._segmenter is None or not wanted:
            return FrameLook(condition, truth)
        start = time.perf_counter()
        try:
            alone = self._segmenter(done.frame.rgb)
        except SegRgbxError:
            return FrameLook(condition, None)
        self.alone_ms.append((time.perf_counter() - start) * 1e3)
        return FrameLook(condition, truth, alone)

    def score(self, index: int, done: SegmentedFrame, look: FrameLook) -> FrameTruth:
        """Scores a mask; index: of the mask."""
        if look.truth is None or self.truth is None or self.keeper is None:
            return FrameTruth(look.condition)
        try:
            answer = self._sized(done.segmentation, look.truth)
            alone = self._alone(index, answer, look)
            scores = self.keeper.add(index, look.condition, answer, look.truth, alone)
        except SegRgbxError as err:
            self.truth.refuse(str(err))
            return FrameTruth(look.condition)
        return FrameTruth(look.condition, look.truth, scores)

    def _alone(self, index: int, answer: Segmentation, look: FrameLook) -> Counts | None:
        """The counts of RGB alone; those of the mask itself where X took no part in it."""
        if self._segmenter is None or self.keeper is None or look.truth is None:
            return None
        if look.alone is None and index in self._before:
            return self._before[index]
        without = answer if look.alone is None else self._sized(look.alone, look.truth)
        return self.keeper.counts_of(without.labels, look.truth)

    def _sized(self, answer: Segmentation, truth: Labels) -> Segmentation:
        """The answer at the truth's size, if that has the same shape."""
        size, wanted = answer.labels.shape[:2], truth.shape[:2]
        if size == wanted or not same_aspect(size, wanted):
            return answer
        self._resized = (size[1], size[0]), (wanted[1], wanted[0])
        width_height = wanted[1], wanted[0]
        labels = cv2.resize(answer.labels, width_height, interpolation=cv2.INTER_NEAREST_EXACT)
        sure = cv2.resize(answer.confidence, width_height, interpolation=cv2.INTER_NEAREST_EXACT)
        return replace(
            answer, labels=np.asarray(labels, np.uint8), confidence=np.asarray(sure, np.float32)
        )

    def notes(self) -> list[str]:
        """Information for readers of the scores."""
        said = [] if self.truth is None else self.truth.notes()
        if self._resized is not None:
            (width, height), (w, h) = self._resized
            said.append(
                f"Masks of {width}x{height} were scored at the ground truth's size, {w}x{h}."
            )
        return said


def _alone_before(counts: FrameCounts | None) -> Mapping[int, Counts]:
    if counts is None or counts.alone is None:
        return {}
    return {int(index): counts.alone_of(row) for row, index in enumerate(counts.index)}


def make_scoring(
    options: ReplayOptions,
    bag: BagReader,
    topics: TopicsTaken,
    label_set: LabelSet,
    segmenter: FrameSegmenter,
    before: FrameCounts | None = None,
) -> ReplayScoring:
    """What the options say of truth and conditions. Raises SegRgbxError for unusable files."""
    truth = _truth_of(options, bag, topics, label_set)
    with_x = options.modality != NO_X and topics.x is not None
    alone = segmenter if with_x and options.truth.rgb_alone else None
    return ReplayScoring(label_set, truth, _conditions(options, topics), alone, before)


def _truth_of(
    options: ReplayOptions, bag: BagReader, topics: TopicsTaken, label_set: LabelSet
) -> GroundTruth | None:
    told = options.truth
    if told.folder is not None:
        known: ClassMap = same_ids(f"Nothing names the classes of {told.folder}", label_set)
        classes = mapped_by(told.classes, known, label_set)
        return FolderTruth(told.folder, told.form, classes, label_set)
    if topics.ground_truth is None or options.gt_topic == NO_TOPIC:
        return None
    known = class_map(bag, topics, label_set)
    return RecordedTruth(topics.ground_truth, mapped_by(told.classes, known, label_set))


def _conditions(options: ReplayOptions, topics: TopicsTaken) -> Conditions | None:
    if options.truth.conditions is not None:
        return TimedConditions(options.truth.conditions)
    return None if topics.condition is None else RecordedConditions()
