# SPDX-License-Identifier: Apache-2.0
"""FRM and FFM against slow references written straight from the formulas."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.model.fusion import CrossContext, FeatureFusion, FeatureRectification

WIDTH = 8


def _scrambled(module: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.4)
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
    return module.eval()


def _linear(layer: nn.Module, vector: Tensor) -> Tensor:
    """A linear layer or a 1x1 convolution on one vector of channels."""
    weight = layer.weight.flatten(1)
    out = torch.stack([(row * vector).sum() for row in weight])
    return out if layer.bias is None else out + layer.bias


def _batch_norm(layer: nn.Module, features: Tensor) -> Tensor:
    out = torch.empty_like(features)
    for c in range(features.shape[0]):
        spread = math.sqrt(layer.running_var[c].item() + layer.eps)
        out[c] = (features[c] - layer.running_mean[c]) / spread
        out[c] = out[c] * layer.weight[c] + layer.bias[c]
    return out


def _rectify(frm: FeatureRectification, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
    """One sample (C, H, W): y1 = x1 + 0.5 cw[1] x2 + 0.5 sw[1] x2, and the mirror image."""
    width = x1.shape[0]
    channels = [*x1, *x2]
    pooled = torch.stack([c.mean() for c in channels] + [c.max() for c in channels])
    hidden = _linear(frm.channel[0], pooled).clamp_min(0)
    cw = torch.sigmoid(_linear(frm.channel[2], hidden)).view(2, width)
    y1, y2 = x1.clone(), x2.clone()
    for i in range(x1.shape[1]):
        for j in range(x1.shape[2]):
            here = torch.cat((x1[:, i, j], x2[:, i, j]))
            sw = torch.sigmoid(_linear(frm.spatial[2], _linear(frm.spatial[0], here).clamp_min(0)))
            y1[:, i, j] += 0.5 * cw[1] * x2[:, i, j] + 0.5 * sw[1] * x2[:, i, j]
            y2[:, i, j] += 0.5 * cw[0] * x1[:, i, j] + 0.5 * sw[0] * x1[:, i, j]
    return y1, y2


def _cross(cross: CrossContext, streams: tuple[Tensor, Tensor]) -> list[Tensor]:
    """One sample, tokens (N, C) of each stream; heads taken one after the other."""
    count, width = streams[0].shape
    size = width // cross.heads
    stay, ask, context = [], [], []
    for i, tokens in enumerate(streams):
        both = torch.stack([_linear(cross.split[i], t).clamp_min(0) for t in tokens])
        stay.append(both[:, :width])
        ask.append(both[:, width:])
        pairs = torch.stack([_linear(cross.kv[i], t) for t in ask[i]])
        by_head = []
        for h in range(cross.heads):
            part = slice(h * size, (h + 1) * size)
            k, v = pairs[:, :width][:, part], pairs[:, width:][:, part]
            scores = torch.zeros(size, size)
            for n in range(count):
                scores += k[n][:, None] * v[n][None, :] / math.sqrt(size)
            raised = torch.exp(scores - scores.max())
            by_head.append(raised / raised.sum(0, keepdim=True))
        context.append(by_head)
    out = []
    for i, tokens in enumerate(streams):
        heard = torch.empty_like(tokens)
        for h, other in enumerate(context[1 - i]):
            part = slice(h * size, (h + 1) * size)
            heard[:, part] = torch.stack([u[part] @ other for u in ask[i]])
        joined = torch.cat((stay[i], heard), 1)
        mixed = tokens + torch.stack([_linear(cross.out[i], t) for t in joined])
        norm = cross.norms[i]
        out.append(F.layer_norm(mixed, (width,), norm.weight, norm.bias, norm.eps))
    return out


def _fuse(ffm: FeatureFusion, x1: Tensor, x2: Tensor) -> Tensor:
    width, rows, columns = x1.shape
    tokens = torch.cat(_cross(ffm.cross, (x1.flatten(1).T, x2.flatten(1).T)), 1)
    residual = torch.stack([_linear(ffm.residual, t) for t in tokens]).T
    lifted = torch.stack([_linear(ffm.embed[0], t) for t in tokens]).T.view(width, rows, columns)
    padded = F.pad(lifted, (1, 1, 1, 1))
    local = torch.empty_like(lifted)
    for i in range(rows):
        for j in range(columns):
            window = padded[:, i : i + 3, j : j + 3] * ffm.embed[1].weight[:, 0]
            local[:, i, j] = window.sum((1, 2)) + ffm.embed[1].bias
    last = torch.stack([_linear(ffm.embed[3], t) for t in local.clamp_min(0).flatten(1).T]).T
    embedded = _batch_norm(ffm.embed[4], last.view(width, rows, columns))
    return _batch_norm(ffm.norm, residual.view(width, rows, columns) + embedded)


@pytest.fixture
def maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x1, x2 = torch.randn(2, 2, WIDTH, 3, 5, generator=generator)
    return x1, x2


def test_frm_equals_its_formula(maps: tuple[Tensor, Tensor]) -> None:
    frm = _scrambled(FeatureRectification(WIDTH))
    with torch.no_grad():
        y1, y2 = frm(*maps)
        for i in range(2):
            expected = _rectify(frm, maps[0][i], maps[1][i])
            torch.testing.assert_close(y1[i], expected[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(y2[i], expected[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("heads", [1, 2])
def test_ffm_equals_its_formula(maps: tuple[Tensor, Tensor], heads: int) -> None:
    ffm = _scrambled(FeatureFusion(WIDTH, heads))
    with torch.no_grad():
        fused = ffm(*maps)
        for i in range(2):
            expected = _fuse(ffm, maps[0][i], maps[1][i])
            torch.testing.assert_close(fused[i], expected, atol=1e-5, rtol=1e-4)


def test_parameters_grow_as_26_and_17_squares_of_the_width() -> None:
    # The products of widths alone: 4Cx4C + 4Cx2C + 2CxC = 26 C^2, and 17 C^2 as in the method.
    for module, factor in ((FeatureRectification(64), 26), (FeatureFusion(64, 1), 17)):
        squares = sum(p.numel() for p in module.parameters() if p.shape[:1] and p.ndim > 1)
        assert squares // 64**2 == factor


def test_context_of_many_tokens_stays_finite_in_float16() -> None:
    cross = CrossContext(4, 1)
    with torch.no_grad():
        for parameter in cross.parameters():
            parameter.fill_(1.0)
        tokens = torch.full((1, 2000, 4), 4.0)
        with torch.autocast("cpu", dtype=torch.float16):
            rgb, x = cross(tokens, tokens)
    assert torch.isfinite(rgb).all()
    assert torch.isfinite(x).all()


def test_a_reduction_divides_the_hidden_channels() -> None:
    whole, half = FeatureRectification(WIDTH), FeatureRectification(WIDTH, 2)
    sizes = [m.channel[0].out_features for m in (whole, half)]  # type: ignore[union-attr]
    assert sizes == [4 * WIDTH, 2 * WIDTH]
    rgb, x = torch.randn(2, 1, WIDTH, 4, 4)
    assert half(rgb, x)[0].shape == rgb.shape
