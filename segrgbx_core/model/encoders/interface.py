# SPDX-License-Identifier: Apache-2.0
"""The interface of an encoder: four stages for two streams, their widths and strides."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)

Four: TypeAlias = tuple[int, int, int, int]
Align: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class EncoderStage(nn.Module):
    """One stage for both streams."""

    def forward(self, rgb: Tensor, x: Tensor, align: Align | None = None) -> tuple[Tensor, Tensor]:
        """Maps (B, C_in, H, W) of both streams to maps (B, C, H / step, W / step).

        align: changes both streams' tokens (B, N, C) within the stage.
        """
        raise NotImplementedError


class DualEncoder(nn.Module):
    """The stages in order. Call them one by one, with fusion between them.

    stages: H and W of what each takes are multiples of its step.
    widths: channels of each stage's maps. heads: attention heads of each stage, also used by the
    fusion of its maps. strides: side of a map's pixel in input pixels.
    """

    def __init__(self, widths: Four, heads: Four, stages: Sequence[EncoderStage]) -> None:
        super().__init__()
        self.widths = widths
        self.heads = heads
        self.strides: Four = STRIDES
        self.stages = nn.ModuleList(stages)


def drop_path_rates(depths: Four, last: float) -> list[list[float]]:
    """The rate of each block of each stage, growing linearly from 0 to `last`."""
    total = sum(depths)
    rates = [last * i / (total - 1) for i in range(total)]
    starts = [sum(depths[:i]) for i in range(4)]
    return [rates[start : start + depth] for start, depth in zip(starts, depths, strict=True)]
