# SPDX-License-Identifier: Apache-2.0
"""One frame segmented as a protocol asks: in one pass, or as the mean of several views of it."""

import time

import numpy as np
import torch

from segrgbx_core.encoding import Planes, encode
from segrgbx_core.encoding.mirror import mirrored
from segrgbx_core.evaluation.protocol import Protocol
from segrgbx_core.frame import Reading, RgbImage
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.segmenter import Segmenter


class ViewSegmenter:
    """A segmenter that looks at each frame as often as its protocol says.

    Over several views, labels and confidence are those of the mean of their probabilities, each
    brought to the image's size and turned back first.
    """

    def __init__(self, segmenter: Segmenter, protocol: Protocol) -> None:
        self._segmenter = segmenter
        self._protocol = protocol

    def __call__(self, rgb: RgbImage, x: Reading | Planes | None, modality: str) -> Segmentation:
        """As `Segmenter` does, with its units and errors."""
        if self._protocol.passes == 1 and self._protocol.scales == (1.0,):
            return self._segmenter(rgb, x, modality)
        start = time.perf_counter()
        planes = x if x is None or isinstance(x, Planes) else encode(modality, x)
        mean = self._mean(rgb, planes, modality)
        confidence, labels = (found.cpu().numpy() for found in mean.max(0))
        return Segmentation(
            labels.astype(np.uint8),
            confidence,
            self._segmenter.label_set,
            "none" if planes is None or not planes.valid.any() else modality,
            {"model": (time.perf_counter() - start) * 1e3},
            None if planes is None else float(planes.valid.mean()),
        )

    def _mean(self, rgb: RgbImage, planes: Planes | None, modality: str) -> torch.Tensor:
        see = self._segmenter.probabilities
        total: torch.Tensor | None = None
        for scale in self._protocol.scales:
            found = [see(rgb, planes, modality, scale)]
            if self._protocol.flip:
                other = None if planes is None else mirrored(planes, modality)
                found.append(see(rgb[:, ::-1], other, modality, scale).flip(2))
            for view in found:
                total = view if total is None else total + view
        assert total is not None
        return total / self._protocol.passes
