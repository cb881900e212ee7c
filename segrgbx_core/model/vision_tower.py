# SPDX-License-Identifier: Apache-2.0
"""CLIP's visual tower for inference: a plain vision transformer, one vector per image.

Written from the ViT and CLIP papers (arXiv 2010.11929; arXiv 2103.00020, section 2.4). Its tensors
have the names and shapes of open_clip's `VisionTransformer`, so a tower tuned with open_clip loads
here, and running a model needs neither open_clip nor the text tower.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class VisionTowerSpec:
    """Sizes. image_size: side of the square input in pixels, a multiple of patch; output: channels
    of the embedding."""

    image_size: int = 128
    patch: int = 16
    width: int = 128
    layers: int = 4
    heads: int = 4
    output: int = 128


SMALL = VisionTowerSpec()


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        joint = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        split = joint.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.c_proj(F.gelu(self.c_fc(tokens)))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = _FeedForward(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.ln_1(tokens))
        out: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return out


class _Blocks(nn.Module):
    def __init__(self, spec: VisionTowerSpec) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(spec.width, spec.heads) for _ in range(spec.layers))

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.resblocks:
            tokens = block(tokens)
        return tokens


class VisionTower(nn.Module):
    """Images (B, 3, image_size, image_size) to embeddings (B, output), not yet of unit length."""

    def __init__(self, spec: VisionTowerSpec = SMALL) -> None:
        super().__init__()
        self.image_size = (spec.image_size, spec.image_size)
        width, places = spec.width, (spec.image_size // spec.patch) ** 2
        self.conv1 = nn.Conv2d(3, width, spec.patch, spec.patch, bias=False)
        self.class_embedding = random_parameter(width, deviation=width**-0.5)
        self.positional_embedding = random_parameter(places + 1, width, deviation=width**-0.5)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = _Blocks(spec)
        self.ln_post = nn.LayerNorm(width)
        self.proj = random_parameter(width, spec.output, deviation=width**-0.5)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.to(patches.dtype).expand(images.shape[0], 1, -1)
        tokens = torch.cat((first, patches), 1) + self.positional_embedding.to(patches.dtype)
        seen = self.ln_post(self.transformer(self.ln_pre(tokens))[:, 0])
        out: Tensor = seen @ self.proj
        return out


def random_parameter(*shape: int, deviation: float = 1.0) -> nn.Parameter:
    """A parameter of normal values around 0; without values where a model is only laid out."""
    values = torch.empty(shape)
    # Random values on the meta device make torch load its compiler, half a second for nothing.
    return nn.Parameter(values if values.is_meta else torch.randn(shape) * deviation)
