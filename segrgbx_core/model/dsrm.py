# SPDX-License-Identifier: Apache-2.0
"""DSRM: a stage's features adjusted by the scene embedding, one block for both streams.

Equations and choices: docs/method.md, "DSRM".
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.model.encoders.mix_transformer import as_map, as_tokens
from segrgbx_core.model.ma_clip import SceneEmbeddings


class SceneRefinement(nn.Module):
    """F + gate(S) * relevance(F, S) * branch(norm(F) * (1 + scale(S)) + shift(S)).

    width: the stage's channels C; scene_width: D of the scene embeddings. All terms that depend
    on S start at zero, so a new module is the identity.
    """

    def __init__(self, width: int, scene_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(scene_width, scene_width)
        self.control = nn.Linear(scene_width, 4 * width)
        nn.init.zeros_(self.control.weight)
        nn.init.zeros_(self.control.bias)
        self.fc1 = nn.Linear(width, width)
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, rgb: Tensor, x: Tensor, scene: SceneEmbeddings) -> tuple[Tensor, Tensor]:
        """Maps (B, C, H, W) of both streams to maps of the same shape. Both streams pass through
        the block as one batch."""
        features = torch.cat((as_tokens(rgb), as_tokens(x)))
        refined = self._refine(features, torch.cat(scene), rgb.shape[2], rgb.shape[3])
        rgb_out, x_out = refined.chunk(2)
        return (
            as_map(rgb_out, rgb.shape[2], rgb.shape[3]),
            as_map(x_out, rgb.shape[2], rgb.shape[3]),
        )

    def _refine(self, tokens: Tensor, scene: Tensor, height: int, width: int) -> Tensor:
        decided = self.control(F.silu(self.hidden(scene)))[:, None]
        scale, shift, query, gate = decided.chunk(4, 2)
        adjusted = self.norm(tokens) * (1.0 + scale) + shift
        relevance = torch.sigmoid((adjusted * query).sum(2, keepdim=True) * query.shape[2] ** -0.5)
        hidden = self.dwconv(as_map(self.fc1(adjusted), height, width))
        branch = self.fc2(F.gelu(as_tokens(hidden)))
        out: Tensor = tokens + gate * relevance * branch
        return out
