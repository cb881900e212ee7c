# SPDX-License-Identifier: Apache-2.0
"""The loss of a batch whose samples may come from sources with different classes.

Weighted cross entropy, sum over pixels of w(label) (-log p(label)) / sum of w(label). Both sums
run over all samples of the step, across sources, parts and processes, so splitting a batch does
not change the loss.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.datasets import LabelledPairs
from segrgbx_core.labels.label_set import UNLABELLED
from segrgbx_core.labels.union import Membership
from segrgbx_core.model import active_logits
from segrgbx_core.training.recipe import HardPixels
from segrgbx_core.training.sources import LabelledSource

_WEIGHTING_SAMPLES = 200


def class_shares(samples: LabelledPairs) -> Tensor:
    """(classes,) float64: each class's share of the pixels in about 200 evenly spaced samples."""
    counts = np.ones(len(samples.label_set))
    for index in range(0, len(samples), max(1, len(samples) // _WEIGHTING_SAMPLES)):
        labels = samples.labels(index)
        counts += np.bincount(labels[labels != UNLABELLED], minlength=len(counts))
    return torch.from_numpy(counts / counts.sum())


def class_weights(shares: Tensor, power: float) -> Tensor:
    """(classes,) float32 loss weights: frequency to the power -`power`, mean 1 over the pixels."""
    weight = shares**-power
    return (weight / (weight * shares).sum()).float()


@dataclass(frozen=True)
class _Answers:
    """One label set. sources: numbers of the sources that use it. weights: (classes,)."""

    sources: frozenset[int]
    active: Membership | None
    weights: Tensor


class Objective:
    """The loss over a recipe's sources, which are drawn by `shares`, on the given device.

    hard: learn only from hard pixels. Then the mean is over the hard pixels of each part.
    """

    def __init__(
        self,
        sources: Sequence[LabelledSource],
        shares: Sequence[float],
        power: float,
        hard: HardPixels | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._hard = hard
        by_set: dict[tuple[str, ...], list[int]] = {}
        for i, source in enumerate(sources):
            by_set.setdefault(source.samples.label_set.names, []).append(i)
        self._answers = []
        for numbers in by_set.values():
            whole = sum(shares[i] for i in numbers)
            frequencies = sum(
                class_shares(sources[i].samples) * (shares[i] / whole) for i in numbers
            )
            assert isinstance(frequencies, Tensor)
            weights = class_weights(frequencies, power).to(device)
            self._answers.append(_Answers(frozenset(numbers), sources[numbers[0]].active, weights))

    def weight(self, labels: Tensor, sources: Sequence[int]) -> Tensor:
        """The sum of the labels' weights, a scalar; the loss of a step is divided by it."""
        total = labels.new_zeros((), dtype=torch.float32)
        for answers in self._answers:
            mine = [i for i, source in enumerate(sources) if source in answers.sources]
            total = total + _weight(labels[mine], answers.weights)
        return total

    def loss(
        self, logits: Tensor, labels: Tensor, sources: Sequence[int], whole: Tensor
    ) -> Tensor:
        """A part's contribution to the step's loss, a scalar.

        logits: (B, classes of the model, H, W). labels: (B, H, W) int64. sources: source number of
        each sample. whole: the weight of all parts of the step.
        """
        parts = []
        for answers, own, truth in self._pieces(logits, labels, sources):
            weight = _weight(truth, answers.weights)
            if weight > 0:
                if answers.active is not None:
                    own = _answered(own, answers.active)
                parts.append(self._mean(own, truth, answers.weights) * (weight / whole))
        return torch.stack(parts).sum() if parts else logits.float().sum() * 0.0

    def _pieces(
        self, logits: Tensor, labels: Tensor, sources: Sequence[int]
    ) -> Iterator[tuple[_Answers, Tensor, Tensor]]:
        """Logits and labels of each label set's samples."""
        groups = [(a, [i for i, s in enumerate(sources) if s in a.sources]) for a in self._answers]
        groups = [(answers, mine) for answers, mine in groups if mine]
        if len(groups) == 1:
            yield groups[0][0], logits.float(), labels
            return
        order = torch.tensor([i for _, mine in groups for i in mine], device=labels.device)
        sizes = [len(mine) for _, mine in groups]
        # Selected with the channels last, as the model leaves them, which saves a copy.
        pixels = logits.float().permute(0, 2, 3, 1).index_select(0, order)
        own = torch.split(pixels.permute(0, 3, 1, 2), sizes)
        truth = torch.split(labels.index_select(0, order), sizes)
        yield from zip((answers for answers, _ in groups), own, truth, strict=True)

    def _mean(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        # A further column is of what the set's images never show.
        weights = F.pad(weights, (0, logits.shape[1] - len(weights)), value=1.0)
        if self._hard is None:
            # A row of logits for each pixel; along channels torch takes twice the time on a CPU.
            rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
            return F.cross_entropy(rows, labels.reshape(-1), weights, ignore_index=UNLABELLED)
        each = F.cross_entropy(logits, labels, weights, ignore_index=UNLABELLED, reduction="none")
        chosen = hard_pixels(logits.detach(), labels, self._hard)
        return each[chosen].sum() / weights[labels[chosen]].sum()


def _answered(logits: Tensor, active: Membership) -> Tensor:
    """Logits over the set's classes, and one over all that its images never show, if any."""
    own = active_logits(logits, active)
    if not active.absent:
        return own
    never = logits[:, list(active.absent)].logsumexp(1, keepdim=True)
    return torch.cat((own, never), 1)


def hard_pixels(logits: Tensor, labels: Tensor, hard: HardPixels) -> Tensor:
    """(B, H, W) bool: labelled pixels whose true class is less probable than the threshold.

    If these are fewer than the least share, the least probable ones up to that share.
    """
    labelled = labels != UNLABELLED
    truth = labels.where(labelled, 0)
    sure = logits.softmax(1).gather(1, truth[:, None])[:, 0].masked_fill(~labelled, 2.0)
    count = max(1, int(hard.least * int(labelled.sum())))
    limit = sure.flatten().kthvalue(count).values.clamp_min(hard.threshold)
    return (sure <= limit) & labelled


def _weight(labels: Tensor, weights: Tensor) -> Tensor:
    return weights[labels[labels != UNLABELLED]].sum()
