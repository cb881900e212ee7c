# SPDX-License-Identifier: Apache-2.0
"""Score the weights on held-out samples, by sensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from segrgbx_core.datasets import FolderDataset, LabelledPairs
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.modality import sensor_in_words
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.sources import LabelledSource
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel


class ValidationStoppedError(Exception):
    """The validation was interrupted because the training must stop."""


@dataclass(frozen=True)
class ValidationScores:
    """Validation scores.

    miou: mean over the sensors, in 0..1. by_modality: each sensor's mean over its sources.
    by_source: name of the data, such as "mfnet val, thermal", and mIoU of each source, in order.
    """

    miou: float
    by_modality: Mapping[str, float]
    by_source: tuple[tuple[str, float], ...] = ()

    @property
    def text(self) -> str:
        """The mean as text, and each sensor's score if there are several."""
        each = ", ".join(
            f"{sensor_in_words(name)} {value:.3f}" for name, value in self.by_modality.items()
        )
        return f"{self.miou:.3f}" + (f" ({each})" if len(self.by_modality) > 1 else "")


def validate(
    model: SegRgbX,
    card: ModelCard,
    sources: Sequence[LabelledSource],
    use_x: bool,
    device: torch.device,
    ranks: Ranks,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> ValidationScores:
    """Scores all usable samples of each source at the labels' own size, single scale.

    Each process takes a share of the samples and the counts are added, so the scores do not depend
    on the number of processes. use_x: False gives the model only the RGB images. stopping: called
    after each sample; returns whether to stop. Raises ValidationStoppedError in all processes if
    it returns True in one of them.
    """

    def on_frame() -> None:
        if stopping():
            raise ValidationStoppedError

    by_sensor: dict[str, list[float]] = {}
    by_source = []
    for source in sources:
        segmenter = Segmenter(LoadedModel(model, card), str(device), label_set=source.active)
        places = range(ranks.rank, len(source.samples), ranks.world)
        own = np.zeros((len(source.samples.label_set),) * 2, np.int64)
        frames, stopped = 0, False
        try:
            mine = (i for i in places if source.samples.usable(i))
            scores = evaluate(segmenter, source.samples, use_x, on_frame, indices=mine)
            own, frames = scores.overall.confusion, len(scores.frames)
        except ValidationStoppedError:
            stopped = True
        if ranks.any(stopped):
            raise ValidationStoppedError
        counts = ranks.total(torch.from_numpy(own).to(device)).cpu().numpy()
        meter = ConfusionMeter(source.samples.label_set)
        meter.add(counts, int(ranks.total(torch.tensor(frames, device=device))))
        miou = meter.scores().miou or 0.0
        by_sensor.setdefault(source.samples.modality, []).append(miou)
        by_source.append((_named(source.samples), miou))
    each = {name: float(np.mean(values)) for name, values in by_sensor.items()}
    return ValidationScores(float(np.mean(list(each.values()))), each, tuple(by_source))


def _named(samples: LabelledPairs) -> str:
    """Dataset, split and sensor; the folder's name for the plain folder format."""
    own = samples.name == FolderDataset.name
    words = (samples.folder.name if own else samples.name, samples.places[0].split)
    return " ".join(word for word in words if word) + f", {sensor_in_words(samples.modality)}"
