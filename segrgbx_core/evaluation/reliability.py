# SPDX-License-Identifier: Apache-2.0
"""How far a model's confidence can be believed: reliability curve and expected error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import UNLABELLED

BINS, LEVELS = 15, 256
Levels: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width over the confidence 0..1, and the expected calibration error.

    pixels: labelled pixels in each bin; confidence, accuracy: their mean confidence and the share
    that is right, None in an empty bin. ece: mean distance of the two, weighted by the pixels, in
    0..1 (Guo et al. 2017, 15 bins); None without a pixel.
    """

    pixels: Sequence[int]
    confidence: Sequence[float | None]
    accuracy: Sequence[float | None]
    ece: float | None


class ReliabilityMeter:
    """Counts right and wrong pixels by confidence over any number of frames.

    counts: (2, 256) int64, wrong and right pixels of each level of confidence, 255 being 1; the
    counts of several runs may be added.
    """

    def __init__(self) -> None:
        self.counts: Levels = np.zeros((2, LEVELS), np.int64)

    def update(self, predicted: LabelImage, levels: LabelImage, truth: LabelImage) -> None:
        """Adds a frame: labels, confidence in 0..255 and truth, each (H, W) uint8."""
        known = truth != UNLABELLED
        right = (predicted[known] == truth[known]).astype(np.int64)
        place = levels[known] + right * LEVELS
        self.counts += np.bincount(place, minlength=2 * LEVELS).reshape(2, LEVELS)


def reliability(counts: Levels) -> Reliability:
    """The curve of a meter's counts."""
    confidence = np.arange(LEVELS) / (LEVELS - 1)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    pixels, right = counts.sum(axis=0), counts[1]
    total = np.bincount(bins, pixels, BINS)
    sure = np.bincount(bins, pixels * confidence, BINS)
    good = np.bincount(bins, right, BINS)
    error = float(np.abs(sure - good).sum() / total.sum()) if total.sum() else None
    return Reliability(
        [int(n) for n in total],
        _means(sure, total),
        _means(good, total),
        None if error is None else round(error, 6),
    )


def _means(sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> list[float | None]:
    pairs = zip(sums, counts, strict=True)
    return [round(float(value / n), 6) if n else None for value, n in pairs]
