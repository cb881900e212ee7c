# SPDX-License-Identifier: Apache-2.0
"""Fusion of the two streams at one stage: rectify each with the other (FRM), then merge (FFM).

Written from the CMX paper (Zhang et al., 2023, arXiv 2203.04838, sections III-B and III-C), with
reduction 1 unless told otherwise and lambda_c = lambda_s = 0.5.
"""

from collections.abc import Collection
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.model.encoders.mix_transformer import as_map, as_tokens

LAMBDA_CHANNEL = 0.5
LAMBDA_SPATIAL = 0.5
CLOSED = -4.0


class FeatureRectification(nn.Module):
    """Adds to each stream the other's features, weighted by channel and by position.

    reduction: divides the hidden channels of the weights by channel.
    """

    def __init__(self, width: int, reduction: int = 1) -> None:
        super().__init__()
        hidden = 4 * width // reduction
        self.channel = nn.Sequential(
            nn.Linear(4 * width, hidden), nn.ReLU(), nn.Linear(hidden, 2 * width)
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(2 * width, width, 1), nn.ReLU(), nn.Conv2d(width, 2, 1)
        )

    def close(self, fresh: Collection[str]) -> bool:
        """Closes the weights that have a tensor among `fresh`, names within this module: sets
        their last bias so that the streams begin with about 2 % of each other's features. Returns
        whether there was one.

        With new biases it would be half, and a pretrained encoder would not meet the features it
        was trained on.
        """
        closed = False
        for name, gate in (("channel", self.channel), ("spatial", self.spatial)):
            if any(tensor.startswith(f"{name}.") for tensor in fresh):
                layer = gate[-1]
                assert isinstance(layer, nn.Linear | nn.Conv2d)
                assert layer.bias is not None
                nn.init.constant_(layer.bias, CLOSED)
                closed = True
        return closed

    def forward(self, rgb: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two maps (B, C, H, W) to the two rectified maps of the same shape."""
        both = torch.cat((rgb, x), 1)
        pooled = torch.cat((both.mean((2, 3)), both.amax((2, 3))), 1)
        by_channel = torch.sigmoid(self.channel(pooled))[:, :, None, None]
        by_place = torch.sigmoid(self.spatial(both))
        for_x, for_rgb = (by_channel * LAMBDA_CHANNEL).chunk(2, 1)
        place_for_x, place_for_rgb = (by_place * LAMBDA_SPATIAL).chunk(2, 1)
        return rgb + x * (for_rgb + place_for_rgb), x + rgb * (for_x + place_for_x)


class CrossContext(nn.Module):
    """Exchange of global context between the streams, at a cost linear in the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.split = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self.kv = nn.ModuleList(nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.out = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, rgb: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, C) of both streams to tokens of the same shape."""
        rgb_stay, rgb_ask = F.relu(self.split[0](rgb)).chunk(2, 2)
        x_stay, x_ask = F.relu(self.split[1](x)).chunk(2, 2)
        rgb_context, x_context = self._context(0, rgb_ask), self._context(1, x_ask)
        rgb_heard = self._answer(rgb_ask, x_context)
        x_heard = self._answer(x_ask, rgb_context)
        return (
            self.norms[0](rgb + self.out[0](torch.cat((rgb_stay, rgb_heard), 2))),
            self.norms[1](x + self.out[1](torch.cat((x_stay, x_heard), 2))),
        )

    def _heads(self, tokens: Tensor) -> Tensor:
        batch, count, _ = tokens.shape
        return tokens.reshape(batch, count, self.heads, -1).transpose(1, 2)

    def _context(self, stream: int, tokens: Tensor) -> Tensor:
        """The (B, heads, C / heads, C / heads) context, each column a softmax over its keys."""
        key, value = self.kv[stream](tokens).chunk(2, 2)
        # The sum over all tokens overflows float16 on large images.
        with nullcontext() if tokens.is_meta else torch.autocast(key.device.type, enabled=False):
            product = self._heads(key.float()).transpose(2, 3) @ self._heads(value.float())
            return torch.softmax(product * self.scale, 2)

    def _answer(self, tokens: Tensor, context: Tensor) -> Tensor:
        mixed = self._heads(tokens) @ context.to(tokens.dtype)
        return mixed.transpose(1, 2).flatten(2)


class FeatureFusion(nn.Module):
    """Cross context, then both streams' channels merged into one map."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.cross = CrossContext(width, heads)
        self.residual = nn.Conv2d(2 * width, width, 1, bias=False)
        self.embed = nn.Sequential(
            nn.Conv2d(2 * width, width, 1),
            nn.Conv2d(width, width, 3, padding=1, groups=width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, rgb: Tensor, x: Tensor) -> Tensor:
        """Two maps (B, C, H, W) to the fused map of the same shape."""
        height, width = rgb.shape[2], rgb.shape[3]
        tokens = torch.cat(self.cross(as_tokens(rgb), as_tokens(x)), 2)
        both = as_map(tokens, height, width)
        fused: Tensor = self.norm(self.residual(both) + self.embed(both))
        return fused
