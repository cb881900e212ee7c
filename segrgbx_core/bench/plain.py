# SPDX-License-Identifier: Apache-2.0
"""CMX as one would write it down: the baseline that the speed of everything else is a ratio of.

The same function and weights as `SegRgbX` without components, in the order of CMX's paper (arXiv
2203.04838) and of its code's operations: each stream by itself, tokens and maps copied from one
layout to the other, attention as two products and a softmax, and a head that enlarges all levels
at full width before it mixes them. In float32, without anything fused.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.model.encoders.mix_transformer import (
    DualStage,
    MixBlock,
    MixFeedForward,
    PatchEmbedding,
    ReducedAttention,
)
from segrgbx_core.model.fusion import (
    LAMBDA_CHANNEL,
    LAMBDA_SPATIAL,
    CrossContext,
    FeatureFusion,
    FeatureRectification,
)
from segrgbx_core.model.head import MlpHead
from segrgbx_core.model.segrgbx import SegRgbX


class PlainCmx(nn.Module):
    """A `SegRgbX` of a Mix Transformer without components, computed plainly.

    rgb, x: (B, 3, H, W), H and W multiples of 32; returns logits (B, classes, H, W).
    """

    def __init__(self, model: SegRgbX) -> None:
        super().__init__()
        self.model = model

    def forward(self, rgb: Tensor, x: Tensor) -> Tensor:
        size, levels = rgb.shape[2:], []
        parts = zip(self.model.encoder.stages, self.model.frm, self.model.ffm, strict=True)
        for stage, frm, ffm in parts:
            assert isinstance(stage, DualStage)
            assert isinstance(frm, FeatureRectification)
            assert isinstance(ffm, FeatureFusion)
            rgb, x = _stream(stage, 0, rgb), _stream(stage, 1, x)
            rgb, x = _rectified(frm, rgb, x)
            levels.append(_fused(ffm, rgb, x))
        logits = _head(self.model.head, levels)
        return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def _stream(stage: DualStage, index: int, features: Tensor) -> Tensor:
    embedding = stage.embeddings[index % len(stage.embeddings)]
    assert isinstance(embedding, PatchEmbedding)
    patches = embedding.proj(features)
    batch, channels, height, width = patches.shape
    tokens = embedding.norm(patches.flatten(2).transpose(1, 2))
    column = stage.blocks[index % len(stage.blocks)]
    assert isinstance(column, nn.ModuleList)
    for block in column:
        assert isinstance(block, MixBlock)
        tokens = tokens + _attention(block.attn, block.norm1(tokens), height, width)
        tokens = tokens + _feed_forward(block.mlp, block.norm2(tokens), height, width)
    tokens = stage.norms[index % len(stage.norms)](tokens)
    out: Tensor = tokens.reshape(batch, height, width, channels).permute(0, 3, 1, 2).contiguous()
    return out


def _attention(attention: ReducedAttention, tokens: Tensor, height: int, width: int) -> Tensor:
    batch, count, channels = tokens.shape
    heads, each = attention.heads, channels // attention.heads
    query = attention.q(tokens).reshape(batch, count, heads, each).permute(0, 2, 1, 3)
    if attention.reduce is not None and attention.reduce_norm is not None:
        tokens = tokens.permute(0, 2, 1).reshape(batch, channels, height, width)
        tokens = attention.reduce(tokens).reshape(batch, channels, -1).permute(0, 2, 1)
        tokens = attention.reduce_norm(tokens)
    pairs = attention.kv(tokens).reshape(batch, -1, 2, heads, each).permute(2, 0, 3, 1, 4)
    weights = ((query @ pairs[0].transpose(-2, -1)) * each**-0.5).softmax(-1)
    mixed = (weights @ pairs[1]).transpose(1, 2).reshape(batch, count, channels)
    out: Tensor = attention.proj(mixed)
    return out


def _feed_forward(mlp: MixFeedForward, tokens: Tensor, height: int, width: int) -> Tensor:
    hidden = mlp.fc1(tokens)
    batch, _, channels = hidden.shape
    positions = hidden.transpose(1, 2).reshape(batch, channels, height, width).contiguous()
    hidden = mlp.dwconv(positions).flatten(2).transpose(1, 2)
    out: Tensor = mlp.fc2(F.gelu(hidden))
    return out


def _rectified(frm: FeatureRectification, rgb: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    both = torch.cat((rgb, x), 1)
    pooled = (F.adaptive_avg_pool2d(both, 1), F.adaptive_max_pool2d(both, 1))
    by_channel = frm.channel(torch.cat(pooled, 1).flatten(1)).sigmoid()[:, :, None, None]
    by_place = frm.spatial(both).sigmoid()
    (channel_x, channel_rgb), (place_x, place_rgb) = by_channel.chunk(2, 1), by_place.chunk(2, 1)
    rgb_out = rgb + LAMBDA_CHANNEL * channel_rgb * x + LAMBDA_SPATIAL * place_rgb * x
    x_out = x + LAMBDA_CHANNEL * channel_x * rgb + LAMBDA_SPATIAL * place_x * rgb
    return rgb_out, x_out


def _fused(ffm: FeatureFusion, rgb: Tensor, x: Tensor) -> Tensor:
    batch, channels, height, width = rgb.shape
    exchanged = _exchanged(ffm.cross, rgb.flatten(2).transpose(1, 2), x.flatten(2).transpose(1, 2))
    both = torch.cat(exchanged, 2).permute(0, 2, 1).reshape(batch, 2 * channels, height, width)
    both = both.contiguous()
    out: Tensor = ffm.norm(ffm.residual(both) + ffm.embed(both))
    return out


def _exchanged(cross: CrossContext, rgb: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    stays, asks, contexts = [], [], []
    for stream, tokens in enumerate((rgb, x)):
        stay, ask = F.relu(cross.split[stream](tokens)).chunk(2, 2)
        batch, count, channels = ask.shape
        heads, each = cross.heads, channels // cross.heads
        key, value = (
            cross.kv[stream](ask).reshape(batch, count, 2, heads, each).permute(2, 0, 3, 1, 4)
        )
        stays.append(stay)
        asks.append(ask.reshape(batch, count, heads, each).permute(0, 2, 1, 3))
        contexts.append(((key.transpose(-2, -1) @ value) * cross.scale).softmax(-2))
    outs = []
    for stream, tokens in enumerate((rgb, x)):
        heard = (asks[stream] @ contexts[1 - stream]).permute(0, 2, 1, 3).flatten(2)
        joined = torch.cat((stays[stream], heard), 2)
        outs.append(cross.norms[stream](tokens + cross.out[stream](joined)))
    return outs[0], outs[1]


def _head(head: MlpHead, levels: list[Tensor]) -> Tensor:
    size, wide = levels[0].shape[2:], []
    for level, lift in zip(levels, head.lift, strict=True):
        batch, _, height, width = level.shape
        lifted = lift(level.flatten(2).transpose(1, 2)).permute(0, 2, 1)
        lifted = lifted.reshape(batch, -1, height, width)
        wide.append(F.interpolate(lifted, size, mode="bilinear", align_corners=False))
    mixed = torch.relu(head.norm(head.mix(torch.cat(wide, 1))))
    out: Tensor = head.classifier(mixed)
    return out
