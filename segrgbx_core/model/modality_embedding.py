# SPDX-License-Identifier: Apache-2.0
"""Modality-aligned embedding: the scene embedding passed to each token through a few prompts.

Equations and choices: docs/method.md, "Modality-aligned embedding".
"""

import torch
from torch import Tensor, nn

from segrgbx_core.model.ma_clip import RGB_ROW, SceneEmbeddings
from segrgbx_core.model.vision_tower import random_parameter

_PROMPT_DEVIATION = 0.2


class ModalityEmbedding(nn.Module):
    """Cross-attention of one stage's tokens to control prompts and learnable prompts.

    width: the stage's channels C; scene_width: D of the scene embeddings; rows: number of sensors
    with their own prompts; control, learnable: number of prompts of each kind. The cost is N C P
    for N tokens and P prompts. The gate starts at zero, so a new module is the identity.
    """

    def __init__(
        self, width: int, scene_width: int, rows: int, control: int, learnable: int
    ) -> None:
        super().__init__()
        self.scale = width**-0.5
        self.control = nn.Linear(scene_width, control * width)
        self.prompts = random_parameter(rows, learnable, width, deviation=_PROMPT_DEVIATION)
        self.norm = nn.LayerNorm(width)
        self.kv = nn.Linear(width, 2 * width)
        self.gate = nn.Parameter(torch.zeros(width))

    def forward(
        self, rgb: Tensor, x: Tensor, scene: SceneEmbeddings, rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, C) of both streams to tokens of the same shape; rows: (B,) int64, each
        sample's X sensor."""
        rgb_rows = torch.full_like(rows, RGB_ROW)
        key, value = self._key_value(torch.cat(scene), torch.cat((rgb_rows, rows)))
        count = rgb.shape[0]
        return (
            self._inject(rgb, key[:count], value[:count]),
            self._inject(x, key[count:], value[count:]),
        )

    def _key_value(self, scene: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        learned = self.prompts[rows]
        control = self.control(scene).view(scene.shape[0], -1, learned.shape[2])
        prompts = torch.cat((control, learned.to(control.dtype)), 1)
        key, value = self.kv(self.norm(prompts)).chunk(2, 2)
        return key, value

    def _inject(self, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
        weights = torch.softmax(tokens @ key.transpose(1, 2).to(tokens.dtype) * self.scale, 2)
        # The gate is applied to the few values, not to the many tokens.
        return tokens + weights.to(tokens.dtype) @ (value * self.gate).to(tokens.dtype)


class SensorAdapter(nn.Module):
    """A low-rank path of its own for each sensor beside one stage's shared blocks.

    x + U_m V_m x for the features x of X and its sensor m. width: the stage's channels; rows:
    number of sensors; rank: of each product. U starts at zero, so a new module is the identity.
    """

    def __init__(self, width: int, rows: int, rank: int) -> None:
        super().__init__()
        self.down = random_parameter(rows, rank, width, deviation=width**-0.5)
        self.up = nn.Parameter(torch.zeros(rows, width, rank))

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        """Maps (B, C, H, W) of X to maps of the same shape; rows: (B,) int64."""
        product = self.up[rows] @ self.down[rows]
        change = product.to(x.dtype) @ x.flatten(2)
        return x + change.view_as(x)
