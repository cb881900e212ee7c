# SPDX-License-Identifier: Apache-2.0
"""DSRM against its formula; a new block is the identity."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segrgbx_core.model.dsrm import SceneRefinement
from segrgbx_core.model.ma_clip import SceneEmbeddings


@pytest.fixture
def block() -> SceneRefinement:
    torch.manual_seed(6)
    return SceneRefinement(width=4, scene_width=3)


def _slow(module: SceneRefinement, features: Tensor, scene: Tensor) -> Tensor:
    """One sample's map (4, H, W) by the formula, channels first throughout."""
    decided = module.control(F.silu(module.hidden(scene)))
    scale, shift, query, gate = (v[:, None, None] for v in decided.split(4))
    centred = features - features.mean(0)
    normed = centred / (centred.square().mean(0) + module.norm.eps).sqrt()
    normed = normed * module.norm.weight[:, None, None] + module.norm.bias[:, None, None]
    adjusted = normed * (1 + scale) + shift
    relevance = 1 / (1 + torch.exp(-(adjusted * query).sum(0) / math.sqrt(4)))
    hidden = torch.einsum("oc,chw->ohw", module.fc1.weight, adjusted)
    hidden = module.dwconv(hidden[None] + module.fc1.bias[None, :, None, None])[0]
    branch = torch.einsum("oc,chw->ohw", module.fc2.weight, F.gelu(hidden))
    return features + gate * relevance * (branch + module.fc2.bias[:, None, None])


def test_both_passes_are_those_of_the_formula(block: SceneRefinement) -> None:
    scene = SceneEmbeddings(*torch.randn(2, 2, 3))
    rgb, x = torch.randn(2, 2, 4, 3, 5)
    with torch.no_grad():
        block.control.weight.normal_()
        block.control.bias.normal_()
        got_rgb, got_x = block(rgb, x, scene)
        for i in range(2):
            torch.testing.assert_close(got_rgb[i], _slow(block, rgb[i], scene.rgb[i]))
            torch.testing.assert_close(got_x[i], _slow(block, x[i], scene.x[i]))


def test_streams_with_equal_content_leave_equal(block: SceneRefinement) -> None:
    torch.nn.init.normal_(block.control.weight)
    torch.nn.init.normal_(block.control.bias)
    features, vector = torch.randn(1, 4, 3, 5), torch.randn(1, 3)
    rgb, x = block(features, features, SceneEmbeddings(vector, vector))
    assert torch.equal(rgb, x)
    assert not torch.equal(rgb, features)


def test_fresh_block_changes_nothing(block: SceneRefinement) -> None:
    rgb, x = torch.randn(2, 2, 4, 3, 5)
    got_rgb, got_x = block(rgb, x, SceneEmbeddings(*torch.randn(2, 2, 3)))
    assert torch.equal(got_rgb, rgb)
    assert torch.equal(got_x, x)
