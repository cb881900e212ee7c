# SPDX-License-Identifier: Apache-2.0
"""The results of an evaluation: the content of its `summary.json` and `frames.csv`."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from segrgbx_core.datasets.samples import LabelledPairs
from segrgbx_core.evaluation.curves import Curve
from segrgbx_core.evaluation.dataset import DatasetScores, FrameScore
from segrgbx_core.evaluation.metrics import Scores
from segrgbx_core.evaluation.protocol import Protocol
from segrgbx_core.weights.card import ModelCard

FORMAT = 1
ALL = "all"


@dataclass(frozen=True)
class GroupScores:
    """`Scores` of all frames or of one condition, without the confusion matrix."""

    miou: float | None
    per_class_iou: Mapping[str, float | None]
    absent: Sequence[str]
    only_predicted: Sequence[str]
    pixel_accuracy: float | None
    frames: int


@dataclass(frozen=True)
class DatasetFacts:
    """The evaluated dataset. left_out: samples of the split with a missing file. class_colors:
    red, green, blue in 0..255, in the order of the ids."""

    name: str
    folder: str
    split: str
    modality: str
    samples: int
    left_out: int
    label_set: str
    class_colors: Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class EvaluatedModel:
    """training: the card's provenance. answers: the label set of the results."""

    name: str
    description: str
    modalities: Sequence[str]
    training: Mapping[str, str | int | float]
    license: str
    answers: str


@dataclass(frozen=True)
class CurveFacts:
    """miou: at each level, by condition, "all" first; frames: number of frames scored at each
    level."""

    kind: str
    title: str
    axis: str
    unit: str | None
    levels: Sequence[float]
    miou: Mapping[str, Sequence[float | None]]
    rgb_alone_miou: float | None
    frames: int


@dataclass(frozen=True)
class EvaluationSummary:
    """Everything an evaluation reports; shares in 0..1.

    scores: "all" first, then by condition and sensor fault. confusion: pixel counts, rows truth,
    columns prediction, in the order of the classes. worst: frames by mean IoU, lowest first.
    seed: of the degradations' random numbers. interrupted: what stopped the evaluation and how far
    it came, None if it was not stopped.
    """

    format: int
    model: EvaluatedModel
    dataset: DatasetFacts
    x_used: bool
    protocol: str
    scales: Sequence[float]
    flip: bool
    scores: Mapping[str, GroupScores]
    confusion: Sequence[Sequence[int]]
    worst: Sequence[FrameScore]
    curves: Sequence[CurveFacts]
    seed: int
    device: str
    precision: str
    seconds: float
    versions: Mapping[str, str]
    interrupted: str | None = None

    def to_json(self) -> str:
        """The text of `summary.json`; keys are the fields' names."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def grouped(scores: DatasetScores) -> dict[str, GroupScores]:
    """The overall scores under "all", then each condition and fault."""
    groups = ((ALL, scores.overall), *scores.by_condition.items())
    return {name: group_of(of_group) for name, of_group in groups}


def group_of(scores: Scores) -> GroupScores:
    """The scores without their confusion matrix."""
    return GroupScores(
        scores.miou,
        dict(scores.per_class_iou),
        scores.absent,
        scores.only_predicted,
        scores.pixel_accuracy,
        scores.frames,
    )


def curve_facts(curve: Curve) -> CurveFacts:
    """The curve's mean IoUs."""
    miou: dict[str, Sequence[float | None]] = {ALL: [s.overall.miou for s in curve.scores]}
    for name in curve.scores[0].by_condition:
        miou[name] = [s.by_condition[name].miou for s in curve.scores]
    alone = curve.rgb_alone.overall
    return CurveFacts(
        kind=curve.kind,
        title=curve.title,
        axis=curve.axis,
        unit=curve.unit,
        levels=curve.levels,
        miou=miou,
        rgb_alone_miou=alone.miou,
        frames=alone.frames,
    )


def dataset_facts(data: LabelledPairs, split: str | None) -> DatasetFacts:
    """The dataset's own description."""
    return DatasetFacts(
        name=data.name,
        folder=str(data.folder),
        split=split or "",
        modality=data.modality,
        samples=len(data),
        left_out=len(data.missing),
        label_set=data.label_set.name,
        class_colors={c.name: c.color for c in data.label_set.classes},
    )


def model_facts(card: ModelCard, answers: str) -> EvaluatedModel:
    """The card's description of the model."""
    training = dict(card.training)
    return EvaluatedModel(
        card.name, card.description, card.modalities, training, card.license, answers
    )


def protocol_words(protocol: Protocol, summary_scores: GroupScores) -> tuple[str, ...]:
    """Sentences on the protocol and on the classes it left out or counted as 0."""
    said = [f"Measured as: {protocol.in_words()}."]
    if summary_scores.absent:
        said.append(f"Left out of the mean: {', '.join(summary_scores.absent)}.")
    if summary_scores.only_predicted:
        words = ", ".join(summary_scores.only_predicted)
        said.append(f"Without a pixel of truth, yet predicted, so 0 in the mean: {words}.")
    return tuple(said)


def frames_csv(frames: Sequence[FrameScore]) -> str:
    """One line per frame, with a header; a cell is empty where nothing was measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", "stem", "condition", "fault", "miou", "pixel_accuracy"))
    for frame in frames:
        values = ("" if v is None else f"{v:.6f}" for v in (frame.miou, frame.pixel_accuracy))
        writer.writerow((frame.index, frame.stem, frame.condition, frame.fault, *values))
    return text.getvalue()
