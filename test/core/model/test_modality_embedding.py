# SPDX-License-Identifier: Apache-2.0
"""Modality-aligned embedding against its formula, written out token by token."""

import math

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from segrgbx_core.model.ma_clip import SceneEmbeddings
from segrgbx_core.model.modality_embedding import ModalityEmbedding


@pytest.fixture
def embedding() -> ModalityEmbedding:
    torch.manual_seed(3)
    return ModalityEmbedding(width=6, scene_width=5, rows=4, control=2, learnable=3)


def _scene(count: int) -> SceneEmbeddings:
    return SceneEmbeddings(*torch.randn(2, count, 5))


def _slow(module: ModalityEmbedding, tokens: Tensor, scene: Tensor, row: int) -> Tensor:
    """One sample's tokens (N, 6), one token and one prompt at a time."""
    control = (module.control.weight @ scene + module.control.bias).view(2, 6)
    prompts = [*control, *module.prompts[row]]
    keys, values = [], []
    for prompt in prompts:
        centred = prompt - prompt.mean()
        normed = centred / (centred.square().mean() + module.norm.eps).sqrt()
        both = module.kv.weight @ (normed * module.norm.weight + module.norm.bias)
        both = both + module.kv.bias
        keys.append(both[:6])
        values.append(both[6:])
    out = []
    for token in tokens:
        weights = torch.stack([(token @ key / math.sqrt(6)).exp() for key in keys])
        mixed = sum(w * v for w, v in zip(weights / weights.sum(), values, strict=True))
        out.append(token + module.gate * mixed)
    return torch.stack(out)


def test_tokens_are_those_of_the_formula(embedding: ModalityEmbedding) -> None:
    scene, rows = _scene(2), torch.tensor([3, 1])
    rgb, x = torch.randn(2, 2, 7, 6)
    with torch.no_grad():
        embedding.gate.normal_()
        got_rgb, got_x = embedding(rgb, x, scene, rows)
        for i in range(2):
            torch.testing.assert_close(got_rgb[i], _slow(embedding, rgb[i], scene.rgb[i], 0))
            torch.testing.assert_close(got_x[i], _slow(embedding, x[i], scene.x[i], int(rows[i])))


def test_gate_starts_at_zero(embedding: ModalityEmbedding) -> None:
    rgb, x = torch.randn(2, 2, 7, 6)
    got_rgb, got_x = embedding(rgb, x, _scene(2), torch.tensor([2, 2]))
    assert torch.equal(got_rgb, rgb)
    assert torch.equal(got_x, x)


def test_cost_is_linear_in_the_tokens(embedding: ModalityEmbedding) -> None:
    flops = []
    for count in (100, 200, 300):
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            embedding(*torch.randn(2, 1, count, 6), _scene(1), torch.tensor([2]))
        flops.append(counter.get_total_flops())
    assert flops[2] - flops[1] == flops[1] - flops[0] > 0
    # Two streams, two products, 5 prompts of 6 channels, two operations each.
    assert flops[1] - flops[0] == 100 * 2 * 2 * 5 * 6 * 2
