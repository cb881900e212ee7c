# SPDX-License-Identifier: Apache-2.0
"""How far a model's confidence can be believed: reliability curve and expected error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.labels.images import LabelImage
from segrgbx_core.labels.label_set import UNLABELLED

BINS = 15


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
    """Counts right pixels by confidence over any number of frames."""

    def __init__(self) -> None:
        self.sums = np.zeros((3, BINS), np.float64)

    def update(
        self, predicted: LabelImage, confidence: npt.NDArray[np.float32], truth: LabelImage
    ) -> None:
        """Adds a frame: labels (H, W) uint8, confidence (H, W) float32 in 0..1, truth (H, W)."""
        known = truth != UNLABELLED
        sure = confidence[known]
        place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
        right = predicted[known] == truth[known]
        for row, weights in enumerate((None, sure, right)):
            self.sums[row] += np.bincount(place, weights, minlength=BINS)

    def result(self) -> Reliability:
        """The bins of all frames so far."""
        pixels, sure, right = self.sums
        total = pixels.sum()
        there = np.maximum(pixels, 1)
        error = float(np.abs(sure - right).sum() / total) if total else None
        return Reliability(
            [int(n) for n in pixels],
            [round(float(v), 6) if n else None for v, n in zip(sure / there, pixels, strict=True)],
            [
                round(float(v), 6) if n else None
                for v, n in zip(right / there, pixels, strict=True)
            ],
            None if error is None else round(error, 6),
        )
