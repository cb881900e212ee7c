# SPDX-License-Identifier: Apache-2.0
"""From the head's logits, at a quarter of the network's input, to what the image's pixels are.

Two resamplings lie between: to the network's input, whose padding is cut away, and to the image.
Both are bilinear. `probabilities` does that in so many words. `labels_and_confidence` gives the
same without ever holding the logits of all classes at the image's size: it goes through strips of
the image's rows, and takes the rows' two resamplings as one small matrix.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.model.inputs import padded_length

# The bytes of one strip's logits. Up to about this size they stay in a core's cache from step to
# step; on a GPU fewer and larger steps count.
_STRIP_BYTES = {"cpu": 1 << 20, "cuda": 1 << 28}


class Sizes(NamedTuple):
    """(height, width) of the network's input without padding, and of the result."""

    network: tuple[int, int]
    image: tuple[int, int]


def at_network_size(logits: Tensor, network: tuple[int, int]) -> Tensor:
    """The head's logits (B, C, h, w) at the size of the network's input, (B, C, H, W)."""
    padded = tuple(padded_length(length) for length in network)
    full = F.interpolate(logits, padded, mode="bilinear", align_corners=False)
    return full[:, :, : network[0], : network[1]]


def probabilities(logits: Tensor, sizes: Sizes) -> Tensor:
    """Probabilities (B, C, H, W) at the image's size of the head's logits (B, C, h, w)."""
    full = at_network_size(logits, sizes.network)
    if sizes.image != sizes.network:
        full = F.interpolate(full, sizes.image, mode="bilinear", align_corners=False)
    return full.softmax(1)


def labels_and_confidence(logits: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """The likeliest class and its probability, (H, W) uint8 and float32, of one image.

    logits: the head's, (1, C, h, w) float32. Equal to the maximum of `probabilities` within
    rounding; of equal classes the first. Logits that are not numbers give a confidence that is
    none.
    """
    classes, rows = logits.shape[1], logits.shape[2]
    height, width = sizes.image
    planes = logits[0].contiguous()
    matrix = _resampling(rows, sizes.network[0], height).to(logits.device)
    labels = torch.empty(height, width, dtype=torch.uint8, device=logits.device)
    confidence = torch.empty(height, width, device=logits.device)
    strip = max(1, _STRIP_BYTES[logits.device.type] // (4 * classes * width))
    for top in range(0, height, strip):
        below = min(top + strip, height)
        first, last = _sources(rows, sizes.network[0], height, top, below)
        share = matrix[top:below, first:last]
        # (C, strip, w): each class's rows; then each row by itself along the width.
        lines = torch.matmul(share, planes[:, first:last])
        wide = _along_width(lines.flatten(0, 1)[None], sizes.network[1], width)
        _most_likely(
            wide.view(classes, below - top, width), labels[top:below], confidence[top:below]
        )
    return labels, confidence


def _most_likely(logits: Tensor, labels: Tensor, confidence: Tensor) -> None:
    """Fills labels and confidence (S, W) from logits (C, S, W), which it overwrites."""
    last = len(logits) - 1
    ranks = torch.arange(last, -1, -1, dtype=torch.int32, device=logits.device)[:, None, None]
    below_best = logits.sub_(logits.amax(0))
    # Read as integers, all values below zero are negative and zero is 0, which leaves the ranks
    # of the best as they are. torch's argmax takes ten times as long.
    labels.copy_(last - (below_best.view(torch.int32) | ranks).amax(0))
    torch.sum(below_best.exp_(), 0, out=confidence)
    confidence.reciprocal_()


def _along_width(lines: Tensor, network: int, image: int) -> Tensor:
    """Lines (1, N, w) of the head at the image's width, (1, N, W)."""
    full = F.interpolate(lines, padded_length(network), mode="linear", align_corners=False)
    full = full[:, :, :network]
    if image == network:
        return full.contiguous()
    return F.interpolate(full, image, mode="linear", align_corners=False)


@lru_cache(maxsize=8)
def _resampling(head: int, network: int, image: int) -> Tensor:
    """(image, head) float32: the weight of each of the head's rows in each of the image's."""
    return _along_width(torch.eye(head)[None], network, image)[0].T.contiguous()


@lru_cache(maxsize=4096)
def _sources(head: int, network: int, image: int, top: int, below: int) -> tuple[int, int]:
    """First, and one past the last, of the head's rows that the image's rows come from."""
    used = _resampling(head, network, image)[top:below].any(0).nonzero()
    return int(used[0]), int(used[-1]) + 1
