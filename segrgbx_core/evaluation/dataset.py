# SPDX-License-Identifier: Apache-2.0
"""A model's scores over labelled pairs: overall, by condition and by frame."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from segrgbx_core.datasets.samples import LabelledPairs, Sample, encoded_as
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.evaluation.metrics import ConfusionMeter, Counts, Scores, confusion_of
from segrgbx_core.evaluation.protocol import Protocol, ViewSegmenter
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.labels.union import Membership, load_membership
from segrgbx_core.modality import NO_X
from segrgbx_core.readings import Planes, Reading
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.card import ModelCard


def member_for(card: ModelCard, label_set: LabelSet) -> Membership | None:
    """The dataset's own classes as a subset of the model's, for a model over a union of sets.

    None where the model already has the dataset's classes, or they are not a shipped member of
    its union.
    """
    if card.label_set.names == label_set.names:
        return None
    try:
        member = load_membership(label_set.name)
    except LabelError:
        return None
    fits = member.unified.names == card.label_set.names
    return member if fits and member.label_set.names == label_set.names else None


def check_classes(segmenter: Segmenter, data: LabelledPairs) -> None:
    """Raises InputError where the classes of model and dataset differ."""
    if segmenter.label_set.names != data.label_set.names:
        raise InputError(
            f"Model '{segmenter.card.name}' knows the classes of label set "
            f"'{segmenter.label_set.name}', but {data.folder} has those of "
            f"'{data.label_set.name}'; choose a model trained on the same classes or, for one "
            "over a union, name your part of it (segrgbx evaluate --label-set FILE.yaml)."
        )


XOf = Callable[[int, Sample], Reading | Planes | None]


@dataclass(frozen=True)
class FrameScore:
    """index: the sample's index in the dataset. miou: over the classes in this frame's truth or
    prediction, None without a labelled pixel. pixel_accuracy: None without a labelled pixel."""

    index: int
    stem: str
    condition: str
    fault: str
    miou: float | None
    pixel_accuracy: float | None


@dataclass(frozen=True)
class DatasetScores:
    """Scores over all samples, by condition and sensor fault as named in the dataset, and by
    frame. A frame with a condition and a fault counts in both."""

    overall: Scores
    by_condition: dict[str, Scores]
    frames: tuple[FrameScore, ...] = ()


def evaluate(
    segmenter: Segmenter,
    data: LabelledPairs,
    use_x: bool = True,
    on_frame: Callable[[], None] | None = None,
    protocol: Protocol | None = None,
    x_of: XOf | None = None,
    indices: Iterable[int] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> DatasetScores:
    """Segments samples and counts pixels at the labels' own size.

    use_x: False gives the model the RGB image alone. on_frame: called after each sample.
    protocol: None for one pass without scales and flip. x_of: gives the degraded X of a sample,
    None for X as it is. indices: the samples to use, None for all. stopping: asked after each
    sample; True ends the evaluation with the scores so far.
    Raises InputError where the classes of model and dataset differ, or a sample cannot be read.
    """
    check_classes(segmenter, data)
    use_x = use_x and data.modality != NO_X
    see = ViewSegmenter(segmenter, protocol or Protocol())
    overall = ConfusionMeter(data.label_set)
    by_condition: dict[str, ConfusionMeter] = {}
    by_fault: dict[str, ConfusionMeter] = {}
    frames = []
    for index in range(len(data)) if indices is None else indices:
        sample = data[index]
        x = _planes(data, index, sample, x_of) if use_x else None
        result = see(sample.rgb, x, data.modality)
        counts = confusion_of(result.labels, sample.labels, data.label_set)
        overall.add(counts)
        for meters, name in ((by_condition, sample.condition), (by_fault, sample.fault)):
            if name:
                meters.setdefault(name, ConfusionMeter(data.label_set)).add(counts)
        frames.append(_frame_score(index, sample, counts, data.label_set))
        if on_frame is not None:
            on_frame()
        if stopping():
            break
    conditions = {name: meter.scores() for name, meter in (by_condition | by_fault).items()}
    return DatasetScores(overall.scores(), conditions, tuple(frames))


def _planes(data: LabelledPairs, index: int, sample: Sample, x_of: XOf | None) -> Planes | None:
    x = sample.x if x_of is None else x_of(index, sample)
    return None if x is None else encoded_as(data, sample, x)


def _frame_score(index: int, sample: Sample, counts: Counts, label_set: LabelSet) -> FrameScore:
    meter = ConfusionMeter(label_set)
    meter.add(counts)
    scores = meter.scores()
    return FrameScore(
        index, sample.stem, sample.condition, sample.fault, scores.miou, scores.pixel_accuracy
    )
