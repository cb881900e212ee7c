# SPDX-License-Identifier: Apache-2.0
"""A model's scores over a labelled dataset, as a whole and by condition."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from segrgbx_core.datasets import FolderDataset
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import ConfusionMeter, Scores
from segrgbx_core.segmenter import Segmenter


@dataclass(frozen=True)
class DatasetScores:
    """Over all samples, and over those of each condition that the dataset names."""

    overall: Scores
    by_condition: Mapping[str, Scores]


def evaluate(
    segmenter: Segmenter,
    data: FolderDataset,
    use_x: bool = True,
    on_frame: Callable[[], None] | None = None,
) -> DatasetScores:
    """Segments every sample and counts at the labels' own size, single scale, no flip.

    use_x: False gives the model the RGB image alone. on_frame: called after each sample.
    Raises InputError where model and dataset do not share their classes.
    """
    if segmenter.label_set.names != data.label_set.names:
        raise InputError(
            f"Model '{segmenter.card.name}' knows the classes of label set "
            f"'{segmenter.label_set.name}', but {data.folder} has those of "
            f"'{data.label_set.name}'; choose a model trained on the same classes."
        )
    overall = ConfusionMeter(data.label_set)
    by_condition: dict[str, ConfusionMeter] = {}
    for index in range(len(data)):
        sample = data[index]
        result = segmenter(sample.rgb, sample.x if use_x else None, data.modality)
        overall.update(result.labels, sample.labels)
        if sample.condition:
            meter = by_condition.setdefault(sample.condition, ConfusionMeter(data.label_set))
            meter.update(result.labels, sample.labels)
        if on_frame is not None:
            on_frame()
    return DatasetScores(overall.scores(), {k: m.scores() for k, m in by_condition.items()})
