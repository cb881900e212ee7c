# SPDX-License-Identifier: Apache-2.0
"""How a figure is measured, stated with the figure, and frames segmented in that way."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from segrgbx_core.encoding import encode
from segrgbx_core.encoding.stream import mirrored
from segrgbx_core.errors import InputError
from segrgbx_core.readings import Planes, Reading, RgbImage
from segrgbx_core.segmentation import Segmentation
from segrgbx_core.segmenter import Segmenter

LEAST_SCALE, LARGEST_SCALE = 0.25, 4.0


@dataclass(frozen=True)
class Protocol:
    """Always: labels at their own size, predictions resized to it, absent classes left out.

    scales: each is one pass of the network over images of the card's size times the scale; the
    passes' probabilities are averaged. flip: a second pass for each scale, over the mirrored pair.
    Raises InputError for scales outside 0.25 to 4 or given twice.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        fine = all(LEAST_SCALE <= scale <= LARGEST_SCALE for scale in self.scales)
        if not self.scales or not fine or len(set(self.scales)) != len(self.scales):
            raise InputError(
                f"Scales are {', '.join(f'{s:g}' for s in self.scales) or '(none)'}; expected "
                f"different numbers from {LEAST_SCALE:g} to {LARGEST_SCALE:g}, such as "
                "0.75,1,1.25."
            )

    @property
    def passes(self) -> int:
        """How often the network sees each frame."""
        return len(self.scales) * (2 if self.flip else 1)

    def in_words(self) -> str:
        """One sentence, to be printed beside the figures."""
        if self.passes == 1 and self.scales == (1.0,):
            how = "one pass, no scales, no flip"
        else:
            scales = ", ".join(f"{scale:g}" for scale in self.scales)
            how = f"mean of {self.passes} passes (scales {scales}{'; each with flip' * self.flip})"
        return (
            f"{how}; labels at their own size; IoU over all pixels of all frames together; the "
            "mean leaves out classes in neither truth nor prediction"
        )


class ViewSegmenter:
    """A segmenter that segments each frame with the passes of its protocol.

    With several passes, each one's probabilities are resized to the image and flipped back;
    labels and confidence are those of their mean.
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
        confidence, labels = (tensor.cpu().numpy() for tensor in mean.max(0))
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
            views = [see(rgb, planes, modality, scale)]
            if self._protocol.flip:
                other = None if planes is None else mirrored(planes, modality)
                views.append(see(rgb[:, ::-1], other, modality, scale).flip(2))
            for view in views:
                total = view if total is None else total + view
        assert total is not None
        return total / self._protocol.passes
