# SPDX-License-Identifier: Apache-2.0
"""Logits over a union, restricted to one set."""

import math

import pytest
import torch

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.labels.union import Membership, load_membership
from segrgbx_core.model import build_model
from segrgbx_core.model.head import active_logits


def _set(name: str, *classes: str) -> LabelSet:
    return LabelSet(name, tuple(LabelClass(c, (i, i, i)) for i, c in enumerate(classes)))


TRAFFIC = Membership(
    _set("traffic", "vehicle", "sky"), _set("all", "sky", "lamp", "car", "bus"), ((2, 3), (0,))
)


def test_a_coarse_class_sums_probabilities_and_others_have_no_say() -> None:
    # Probabilities 0.1, 0.4, 0.3, 0.2; lamp's 0.4 is out, so vehicle is 0.5 / 0.6.
    logits = torch.tensor([0.1, 0.4, 0.3, 0.2]).log().view(1, 4, 1, 1)
    active = active_logits(logits, TRAFFIC)
    assert active.flatten().tolist() == pytest.approx([math.log(0.5), math.log(0.1)])
    assert active.softmax(1).flatten().tolist() == pytest.approx([5 / 6, 1 / 6])


def test_a_union_model_answers_in_the_active_sets_classes_alone() -> None:
    torch.manual_seed(3)
    mfnet = load_membership("mfnet")
    model = build_model("b0", len(mfnet.unified), head_width=8).eval()
    with torch.no_grad():
        logits = model(torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32), "thermal")
        active = active_logits(logits, mfnet)
    assert active.shape == (2, 9, 32, 32)
    car = mfnet.label_set.id_of("car")
    assert torch.equal(active[:, car], logits[:, mfnet.unified.id_of("car")])


def test_gradients_reach_active_classes_alone() -> None:
    logits = torch.zeros(1, 4, 2, 2, requires_grad=True)
    truth = torch.tensor([[[0, 1], [255, 0]]])
    loss = torch.nn.functional.cross_entropy(
        active_logits(logits, TRAFFIC), truth, ignore_index=255
    )
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[0, 1].any()
    assert logits.grad[0, [0, 2, 3], 0, 0].all()
    assert not logits.grad[0, :, 1, 0].any()


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([1e4, 0.0, -1e4, -1e4]).view(1, 4, 1, 1)
    assert torch.isfinite(active_logits(logits, TRAFFIC)).all()


def test_logits_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(1, 9, 2, 2\); .*\(batch, 4, height, width\)"):
        active_logits(torch.zeros(1, 9, 2, 2), TRAFFIC)
