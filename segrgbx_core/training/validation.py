# SPDX-License-Identifier: Apache-2.0
"""How good the weights are on samples held out, sensor by sensor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.model import ModelCard
from segrgbx_core.model.segrgbx import SegRgbX
from segrgbx_core.model.weights import LoadedModel
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.sources import LabelledSource


@dataclass(frozen=True)
class ValidationScores:
    """miou: mean over the sensors. by_modality: each sensor's, the mean over its sources."""

    miou: float
    by_modality: Mapping[str, float]

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
) -> ValidationScores:
    """Scores over all samples of each source, at the labels' own size, single scale.

    Each process takes its share, and the counts are added, so that the scores do not depend on
    how many there are. use_x: False gives the model the RGB images alone.
    """
    found: dict[str, list[float]] = {}
    for source in sources:
        segmenter = Segmenter(LoadedModel(model, card), str(device), label_set=source.active)
        mine = range(ranks.rank, len(source.samples), ranks.world)
        own = evaluate(segmenter, source.samples, use_x, indices=mine).overall
        counts = ranks.total(torch.from_numpy(own.confusion).to(device)).cpu().numpy()
        meter = ConfusionMeter(source.samples.label_set)
        meter.add(counts, len(source.samples))
        found.setdefault(source.samples.modality, []).append(meter.scores().miou or 0.0)
    each = {name: float(np.mean(values)) for name, values in found.items()}
    return ValidationScores(float(np.mean(list(each.values()))), each)
