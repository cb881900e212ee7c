# SPDX-License-Identifier: Apache-2.0
"""The loss by hand: weights, parts of a batch, several label sets, only hard pixels."""

import math
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from segrgbx_core.datasets import Skipping
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.labels.union import Membership
from segrgbx_core.training.objective import Objective, class_weights, hard_pixels
from segrgbx_core.training.recipe import HardPixels
from segrgbx_core.training.sources import LabelledSource

ROAD, CAR, BUS = (LabelClass(n, (i, 0, 0)) for i, n in enumerate(("road", "car", "bus")))
FINE, COARSE = LabelSet("fine", (ROAD, CAR, BUS)), LabelSet("coarse", (ROAD, CAR))
FOLDED = Membership(COARSE, FINE, ((0,), (1, 2)))


class _Pairs:
    """Two images with given labels."""

    def __init__(self, label_set: LabelSet, labels: list[list[int]]) -> None:
        self.label_set, self.modality, self.folder = label_set, "depth", Path("made")
        self._labels = np.array([labels], np.uint8)

    def __len__(self) -> int:
        return 1

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        return np.asarray(self._labels[index])


def _source(label_set: LabelSet, labels: list[list[int]]) -> LabelledSource:
    active = FOLDED if label_set is COARSE else Membership(FINE, FINE, ((0,), (1,), (2,)))
    return LabelledSource(cast("Skipping", _Pairs(label_set, labels)), active)


@pytest.fixture
def objective() -> Objective:
    sources = [_source(FINE, [[0, 0, 0, 1, 2]]), _source(COARSE, [[0, 1, 1, 255, 255]])]
    return Objective(sources, [0.5, 0.5], power=0.5)


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(4, 3, 2, 5, generator=generator)
    labels = torch.randint(0, 2, (4, 2, 5), generator=generator)
    labels[1, 0, :3] = 255
    return logits, labels


def test_weights_by_hand() -> None:
    # Frequencies 0.8 and 0.2: weights as 1 : 2, with mean 1 over the pixels.
    weights = class_weights(torch.tensor([0.8, 0.2]), 0.5)
    assert weights.tolist() == pytest.approx([1 / 1.2, 2 / 1.2])


def test_one_set_is_plain_weighted_cross_entropy(objective: Objective) -> None:
    logits, labels = _batch()
    sources = (0,) * 4
    weights = class_weights(torch.tensor([4.0, 2.0, 2.0], dtype=torch.float64) / 8, 0.5)
    expected = F.cross_entropy(logits, labels, weights, ignore_index=255)
    whole = objective.weight(labels, sources)
    assert torch.equal(objective.loss(logits, labels, sources, whole), expected)


def test_each_sample_counts_in_its_own_classes(objective: Objective) -> None:
    logits, labels = _batch()
    sources = (0, 1, 0, 1)
    fine = class_weights(torch.tensor([4, 2, 2]) / 8, 0.5)
    coarse = class_weights(torch.tensor([2, 3]) / 5, 0.5)
    total, weight = 0.0, 0.0
    for i, source in enumerate(sources):
        w = (fine, coarse)[source]
        p = logits[i].softmax(0)
        # The coarse car is the fine car or bus.
        p = p if source == 0 else torch.stack([p[0], p[1] + p[2]])
        for row, column in (labels[i] != 255).nonzero().tolist():
            label = int(labels[i, row, column])
            total -= float(w[label]) * math.log(float(p[label, row, column]))
            weight += float(w[label])
    whole = objective.weight(labels, sources)
    assert float(whole) == pytest.approx(weight, rel=1e-5)
    mean = objective.loss(logits, labels, sources, whole)
    assert float(mean) == pytest.approx(total / weight, rel=1e-5)


def test_parts_add_up_to_the_whole(objective: Objective) -> None:
    logits, labels = _batch()
    sources = (0, 1, 1, 0)
    whole = objective.weight(labels, sources)
    parts = [objective.loss(logits[i::2], labels[i::2], sources[i::2], whole) for i in range(2)]
    expected = objective.loss(logits, labels, sources, whole)
    torch.testing.assert_close(parts[0] + parts[1], expected)


def test_a_part_without_a_label_adds_nothing(objective: Objective) -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    labels = torch.full((1, 2, 2), 255)
    loss = objective.loss(logits, labels, (0,), torch.tensor(3.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_hard_pixels_are_those_below_the_threshold_or_the_least_sure() -> None:
    probability = torch.tensor([[0.9, 0.6, 0.3, 0.95, 0.1]])
    logits = torch.stack([probability.log(), (1 - probability).log()])[None]
    labels = torch.zeros(1, 1, 5, dtype=torch.int64)
    labels[0, 0, 4] = 255
    hard = hard_pixels(logits, labels, HardPixels(threshold=0.7, least=0.1))
    assert hard.tolist() == [[[False, True, True, False, False]]]
    hard = hard_pixels(logits, labels, HardPixels(threshold=0.2, least=0.25))
    assert hard.tolist() == [[[False, False, True, False, False]]]
    hard = hard_pixels(logits, labels, HardPixels(threshold=0.2, least=0.75))
    assert hard.tolist() == [[[True, True, True, False, False]]]


def test_hard_pixels_alone_are_learnt_from() -> None:
    sources = [_source(FINE, [[0, 1, 2]])]
    objective = Objective(sources, [1.0], 0.0, HardPixels(threshold=0.5, least=0.01))
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]]).T[None, :, None].requires_grad_()
    labels = torch.tensor([[[0, 0]]])
    loss = objective.loss(logits, labels, (0,), objective.weight(labels, (0,)))
    # The first pixel is right and certain; the second has 1 / (e^4 + 2) for its true class.
    assert float(loss.detach()) == pytest.approx(math.log(math.e**4 + 2), rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad[..., 0].any()
    assert logits.grad[..., 1].any()


@pytest.mark.parametrize("hard", [None, HardPixels(1.0, 1.0)])
@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_set_learns_not_to_answer_what_it_never_shows(
    closed: bool, hard: HardPixels | None
) -> None:
    roads = LabelSet("roads", (ROAD, CAR))
    member = Membership(roads, FINE, ((0,), (1,)), (2,) if closed else ())
    pairs = cast("Skipping", _Pairs(roads, [[0, 1, 0, 1]]))
    objective = Objective([LabelledSource(pairs, member)], [1.0], power=0.0, hard=hard)
    logits = torch.randn(1, 3, 1, 4, requires_grad=True)
    labels = torch.tensor([[[0, 1, 0, 1]]])
    loss = objective.loss(logits, labels, (0,), objective.weight(labels, (0,)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    known = logits if closed else logits[:, :2]
    torch.testing.assert_close(loss, F.cross_entropy(known, labels))
    assert bool((logits.grad[:, 2] > 0).all()) == closed
