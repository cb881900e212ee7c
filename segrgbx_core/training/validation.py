# SPDX-License-Identifier: Apache-2.0
"""How good the weights are on samples held out, sensor by sensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from segrgbx_core.datasets import FolderDataset, LabelledPairs
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.sources import LabelledSource
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel


class ValidationStoppedError(Exception):
    """The training is to stop, so the validation was broken off."""


@dataclass(frozen=True)
class ValidationScores:
    """miou: mean over the sensors. by_modality: each sensor's, the mean over its sources.
    by_source: each source's, in order, with the name of its data, such as "mfnet val, thermal"."""

    miou: float
    by_modality: Mapping[str, float]
    by_source: tuple[tuple[str, float], ...] = ()

    @property
    def text(self) -> str:
        """For people: the mean, and the sensors' where there are several."""
        each = ", ".join(f"{name} {value:.3f}" for name, value in self.by_modality.items())
        return f"{self.miou:.3f}" + (f" ({each})" if len(self.by_modality) > 1 else "")


def validate(
    model: SegRgbX,
    card: ModelCard,
    sources: Sequence[LabelledSource],
    use_x: bool,
    device: torch.device,
    ranks: Ranks,
    stopping: Callable[[], bool] = lambda: False,
) -> ValidationScores:
    """Scores over all samples of each source that can be used, at the labels' own size, single
    scale.

    Each process takes its share, and the counts are added, so that the scores do not depend on
    how many there are. use_x: False gives the model the RGB images alone. stopping: asked after
    each sample whether to break off. Raises ValidationStoppedError at all processes where one of
    them was told to.
    """

    def on_frame() -> None:
        if stopping():
            raise ValidationStoppedError

    found: dict[str, list[float]] = {}
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
        found.setdefault(source.samples.modality, []).append(miou)
        by_source.append((_named(source.samples), miou))
    each = {name: float(np.mean(values)) for name, values in found.items()}
    return ValidationScores(float(np.mean(list(each.values()))), each, tuple(by_source))


def _named(samples: LabelledPairs) -> str:
    """Set, split and sensor; of a folder of one's own its name."""
    own = samples.name == FolderDataset.name
    words = (samples.folder.name if own else samples.name, samples.places[0].split)
    return " ".join(word for word in words if word) + f", {samples.modality}"
