# SPDX-License-Identifier: Apache-2.0
"""The hierarchical encoder: Mix Transformer stages for two streams, sizes B0 to B5.

Written from the SegFormer paper (Xie et al., 2021, arXiv 2105.15203, section 3.1 and table 6).
Inside a stage features are tokens (B, N, C), outside they are maps (B, C, H, W) in channels-last
memory, so that converting between the two copies nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.model.encoders.interface import (
    Align,
    DualEncoder,
    EncoderStage,
    Four,
    drop_path_rates,
)

DROP_PATH = 0.1
NORM_EPS = 1e-6


@dataclass(frozen=True)
class MixTransformerSpec:
    """Four entries each: channel widths, blocks, attention heads, spatial reduction of keys."""

    widths: Four
    depths: Four
    heads: Four = (1, 2, 5, 8)
    reductions: Four = (8, 4, 2, 1)
    mlp_ratio: int = 4


_WIDE = (64, 128, 320, 512)
PRESETS: dict[str, MixTransformerSpec] = {
    "b0": MixTransformerSpec((32, 64, 160, 256), (2, 2, 2, 2)),
    "b1": MixTransformerSpec(_WIDE, (2, 2, 2, 2)),
    "b2": MixTransformerSpec(_WIDE, (3, 4, 6, 3)),
    "b3": MixTransformerSpec(_WIDE, (3, 4, 18, 3)),
    "b4": MixTransformerSpec(_WIDE, (3, 8, 27, 3)),
    "b5": MixTransformerSpec(_WIDE, (3, 6, 40, 3)),
}


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens (B, N, C) to a map (B, C, H, W) in the same memory, N = H * W."""
    return tokens.view(tokens.shape[0], height, width, tokens.shape[2]).permute(0, 3, 1, 2)


def as_tokens(features: Tensor) -> Tensor:
    """A map (B, C, H, W) to tokens (B, H * W, C); without a copy where it is channels-last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


class DropPath(nn.Module):
    """Drops the whole branch for a share `rate` of the samples during training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return branch
        shape = (branch.shape[0],) + (1,) * (branch.ndim - 1)
        kept = torch.empty(shape, dtype=branch.dtype, device=branch.device)
        return branch * kept.bernoulli_(1.0 - self.rate).div_(1.0 - self.rate)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a strided convolution and a norm, from a map to tokens and size."""

    def __init__(self, in_width: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_width, width, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, features: Tensor) -> tuple[Tensor, int, int]:
        patches = self.proj(features)
        return self.norm(as_tokens(patches)), patches.shape[2], patches.shape[3]


class ReducedAttention(nn.Module):
    """Self-attention with keys and values from a map reduced by `reduction` per side."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.reduce: nn.Conv2d | None = None
        self.reduce_norm: nn.LayerNorm | None = None
        if reduction > 1:
            self.reduce = nn.Conv2d(width, width, reduction, reduction)
            self.reduce_norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        batch, count, channels = tokens.shape
        source = tokens
        if self.reduce is not None and self.reduce_norm is not None:
            source = self.reduce_norm(as_tokens(self.reduce(as_map(tokens, height, width))))
        query = self.q(tokens).view(batch, count, self.heads, -1).transpose(1, 2)
        pairs = self.kv(source).view(batch, source.shape[1], 2, self.heads, -1)
        key, value = pairs.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, channels))
        return out


class MixFeedForward(nn.Module):
    """Two linear layers with a 3x3 depth-wise convolution between, which encodes position."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        hidden = self.dwconv(as_map(self.fc1(tokens), height, width))
        out: Tensor = self.fc2(F.gelu(as_tokens(hidden)))
        return out


class MixBlock(nn.Module):
    """tokens + attention(norm), then + feed-forward(norm)."""

    def __init__(
        self, width: int, heads: int, reduction: int, mlp_ratio: int, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = ReducedAttention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = MixFeedForward(width, width * mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), height, width))
        out: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens), height, width))
        return out


class DualStage(EncoderStage):
    """One stage for both streams; index 0 is RGB, index 1 is X in every list.

    `embeddings` and the stage's last `norms` hold one entry per stream, or a single shared one.
    `blocks` holds one list of blocks that both streams pass through as one batch, or two lists
    where blocks are not shared.
    """

    def __init__(
        self,
        embeddings: Sequence[nn.Module],
        blocks: Sequence[Sequence[nn.Module]],
        norms: Sequence[nn.Module],
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(embeddings)
        self.blocks = nn.ModuleList(nn.ModuleList(column) for column in blocks)
        self.norms = nn.ModuleList(norms)

    def forward(self, rgb: Tensor, x: Tensor, align: Align | None = None) -> tuple[Tensor, Tensor]:
        """Maps (B, C_in, H, W) of both streams to maps (B, C, H / stride, W / stride).

        align: changes both streams' embedded tokens (B, N, C) before the blocks.
        """
        rgb_tokens, height, width = self.embeddings[0](rgb)
        x_tokens, _, _ = self.embeddings[-1](x)
        if align is not None:
            rgb_tokens, x_tokens = align(rgb_tokens, x_tokens)
        if len(self.blocks) == 1:
            both = self._run(0, torch.cat((rgb_tokens, x_tokens)), height, width)
            rgb_tokens, x_tokens = both.chunk(2)
        else:
            rgb_tokens = self._run(0, rgb_tokens, height, width)
            x_tokens = self._run(1, x_tokens, height, width)
        return (
            as_map(self.norms[0](rgb_tokens), height, width),
            as_map(self.norms[-1](x_tokens), height, width),
        )

    def _run(self, column: int, tokens: Tensor, height: int, width: int) -> Tensor:
        blocks = self.blocks[column]
        assert isinstance(blocks, nn.ModuleList)
        for block in blocks:
            tokens = block(tokens, height, width)
        return tokens


class DualMixTransformer(DualEncoder):
    """Mix Transformer stages; see `DualEncoder`.

    shared: one set of blocks for both streams, or two. shared_embeddings: one patch embedding and
    last norm per stage for both streams, or two.
    """

    def __init__(
        self, spec: MixTransformerSpec, shared: bool, shared_embeddings: bool = False
    ) -> None:
        columns, ends = 1 if shared else 2, 1 if shared_embeddings else 2
        rates = drop_path_rates(spec.depths, DROP_PATH)
        stages = [_stage(spec, i, rates[i], columns, ends) for i in range(4)]
        super().__init__(spec.widths, spec.heads, stages)


def _stage(
    spec: MixTransformerSpec, stage: int, rates: Sequence[float], columns: int, ends: int
) -> DualStage:
    width, heads, reduction = spec.widths[stage], spec.heads[stage], spec.reductions[stage]
    return DualStage(
        [patch_embedding(spec.widths, stage) for _ in range(ends)],
        [
            [MixBlock(width, heads, reduction, spec.mlp_ratio, rate) for rate in rates]
            for _ in range(columns)
        ],
        [nn.LayerNorm(width, eps=NORM_EPS) for _ in range(ends)],
    )


def patch_embedding(widths: Four, stage: int) -> PatchEmbedding:
    """The stage's overlapping patches: 7x7 with stride 4 first, then 3x3 with stride 2."""
    if stage == 0:
        return PatchEmbedding(3, widths[0], 7, 4)
    return PatchEmbedding(widths[stage - 1], widths[stage], 3, 2)
