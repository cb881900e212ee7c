# SPDX-License-Identifier: Apache-2.0
"""The result of a replay: the content of `summary.json`, written and read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.reliability import Reliability
from segrgbx_core.evaluation.summary import GroupScores
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_json
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.runs.figures import Percentiles, Spread
from segrgbx_core.runs.folder import SUMMARY_FILE, RunFacts
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.replay.summary_check import UNLABELLED_SHARE, check_summary

STAGES = ("decode", "encode", "model", "output")


@dataclass(frozen=True)
class Frames:
    """Messages read, pairs, and masks written; dropped: the losses of both sides by reason."""

    rgb_in: int
    x_in: int
    paired: int
    segmented: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Recording:
    """path: as given. lost: one sentence on data that could not be read, None if complete."""

    path: str
    duration_s: float
    complete: bool
    lost: str | None


@dataclass(frozen=True)
class ModelFacts:
    """Facts about the model for readers of the figures; training, limits: from its card."""

    description: str
    license: str
    modalities: Sequence[str]
    training: Mapping[str, str | int | float]
    limits: str | None = None


@dataclass(frozen=True)
class ReplaySummary:
    """Everything that a replay reports; shares and confidences in 0..1.

    miou and per_class_iou are None without ground truth, skew_ms without X. frames_scored: masks
    that had a ground truth of their stamp. class_fractions: share of all mask pixels by class,
    "unlabelled" included. class_colors: red, green, blue in 0..255, in the order of the ids.
    topic_messages: messages recorded on each topic used. problems: the first sentence for each
    reason why a frame was refused. notes: further information for readers of the figures.
    interrupted: what stopped the replay, and how far it came; None if it was not stopped.
    sync_policy: "approximate" or "exact"; None in a summary of an earlier version. scores: with X,
    "all" first and then by condition; rgb_alone: of the same frames without X. confusion: pixels,
    rows truth, columns prediction, in the order of the classes. rgb_alone_ms: what a frame took
    beside the stages to be segmented without X. run: what was run.
    """

    frames: Frames
    miou: float | None
    per_class_iou: Mapping[str, float | None] | None
    pixel_accuracy: float | None
    frames_scored: int
    stage_ms: Mapping[str, Percentiles]
    skew_ms: Spread | None
    model: str
    card: ModelFacts
    class_colors: Mapping[str, tuple[int, int, int]]
    modality: str
    device: str
    precision: str
    backend: str
    versions: Mapping[str, str]
    topics: TopicsTaken
    topic_messages: Mapping[str, int]
    recording: Recording
    mean_confidence: float | None
    class_fractions: Mapping[str, float]
    problems: Mapping[str, str]
    notes: Sequence[str]
    interrupted: str | None = None
    sync_policy: str | None = None
    scores: Mapping[str, GroupScores] | None = None
    rgb_alone: Mapping[str, GroupScores] | None = None
    confusion: Sequence[Sequence[int]] | None = None
    rgb_alone_confusion: Sequence[Sequence[int]] | None = None
    reliability: Reliability | None = None
    rgb_alone_ms: Percentiles | None = None
    run: RunFacts | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole recording could be read, and was; a command exits with 1 if not."""
        return self.recording.complete and self.interrupted is None

    def to_json(self) -> str:
        """The text of `summary.json`; keys are the fields' names."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


class FrameStatistics:
    """Collects what each segmented frame adds to the summary."""

    def __init__(self, label_set: LabelSet) -> None:
        self._label_set = label_set
        self._stage_ms: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self._skew_ms: list[float] = []
        self._confidence: list[float] = []
        self._pixels = np.zeros(256, np.int64)

    def add(
        self,
        segmentation: Segmentation,
        timings_ms: Mapping[str, float],
        skew_ns: int | None,
        confidence: float,
    ) -> None:
        """Adds a segmented frame; timings in milliseconds for each of STAGES that was measured.

        confidence: mean over the labelled pixels, NaN without any.
        """
        for stage in STAGES:
            if stage in timings_ms:
                self._stage_ms[stage].append(timings_ms[stage])
        if skew_ns is not None:
            self._skew_ms.append(abs(skew_ns) / 1e6)
        if np.isfinite(confidence):
            self._confidence.append(confidence)
        self._pixels += np.bincount(segmentation.labels.ravel(), minlength=256)

    def stage_ms(self) -> dict[str, Percentiles]:
        """By stage, for the stages that were measured."""
        return {
            stage: Percentiles.of(values) for stage, values in self._stage_ms.items() if values
        }

    def skew_ms(self) -> Spread | None:
        """Absolute distance of the two stamps of a pair; None if no frame had an X."""
        return Spread.of(self._skew_ms) if self._skew_ms else None

    def mean_confidence(self) -> float | None:
        """Mean over the frames; None if no pixel was labelled."""
        return round(float(np.mean(self._confidence)), 5) if self._confidence else None

    def class_fractions(self) -> dict[str, float]:
        """Share of all mask pixels, by class name and "unlabelled"."""
        total = max(1, int(self._pixels.sum()))
        shares = {
            name: round(float(self._pixels[i] / total), 6)
            for i, name in enumerate(self._label_set.names)
        }
        shares[UNLABELLED_SHARE] = round(float(self._pixels[UNLABELLED] / total), 6)
        return shares


def read_summary(folder: Path) -> ReplaySummary:
    """The summary of a replay from its output folder.

    Raises InputError if there is none, if this version did not write it, or if a figure in it
    cannot be.
    """
    path = folder / SUMMARY_FILE
    if not path.is_file():
        raise InputError(
            f"{folder} has no {SUMMARY_FILE}; name a folder that `segrgbx replay` wrote."
        )
    try:
        content = read_json(path, InputError)
        summary = filled(ReplaySummary, content, str(path), InputError, whole=True)
        check_summary(summary, str(path))
        return summary
    except InputError as err:
        raise InputError(f"{str(err).removesuffix('.')}; run `segrgbx replay` again.") from err
