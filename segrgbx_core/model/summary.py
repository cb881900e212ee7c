# SPDX-License-Identifier: Apache-2.0
"""The cost of a model: parameters and operations by part."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from segrgbx_core.modality import NO_X
from segrgbx_core.model.encoders.mix_transformer import PRESETS
from segrgbx_core.model.presets import COMPONENTS
from segrgbx_core.model.segrgbx import ModelConfig, SegRgbX

PARTS = ("encoder", "frm", "ffm", "head")


@dataclass(frozen=True)
class PublishedCost:
    """Sizes as published by a model's authors, not counted here. preset: of its encoder; flops:
    floating-point operations, by the authors' own way of counting."""

    name: str
    preset: str
    parameters: int
    flops: int
    source: str


# For RGB with one further image; the source does not state the image size.
CMNEXT = PublishedCost(
    "CMNeXt", "b2", 58_690_000, 62_940_000_000, "github.com/jamycheung/DELIVER, model zoo"
)


@dataclass(frozen=True)
class PartCost:
    """parameters: number of learned values. macs: multiply-accumulates of one frame."""

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class ModelSummary:
    """Costs of one frame of RGB with X at (height, width), part by part."""

    config: ModelConfig
    height: int
    width: int
    parts: tuple[PartCost, ...]

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions, matrix products and attention."""
        return sum(part.macs for part in self.parts)


def summarize(config: ModelConfig, height: int = 480, width: int = 640) -> ModelSummary:
    """Counts on tensors without memory, so every preset and size is quick."""
    # Its own imports, a tenth of a second, are of no use to who segments.
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = SegRgbX(config).eval()
        image = torch.empty(1, 3, height, width)
    # Some versions of torch do not count their fused attention kernels; all count plain products.
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(image, image, config.modalities[0] if config.components else NO_X)
    counts = {name: sum(by_op.values()) for name, by_op in counter.get_flop_counts().items()}
    names = (*PARTS, *(name for name in COMPONENTS if name in config.components))
    if config.components and "ma_clip" not in config.components:
        names = (*names, "modality_vectors")
    if config.components and config.sensor_rank:
        names = (*names, "sensor_adapter")
    parts = tuple(_part(name, model, counts) for name in names)
    return ModelSummary(config, height, width, parts)


def _part(name: str, model: SegRgbX, counts: dict[str, int]) -> PartCost:
    # Prompts are injected within the encoder's stages, so their cost is counted there too.
    flops = _flops(name, model, counts)
    if name == "encoder":
        flops -= _flops("modality_embedding", model, counts)
    return PartCost(name, _parameters(model.get_submodule(name)), flops // 2)


def _flops(name: str, model: SegRgbX, counts: dict[str, int]) -> int:
    """Floating-point operations of a part, from counts by module name."""
    called = [name]
    container = getattr(model, name)
    if name == "encoder":
        called = [f"encoder.stages.{i}" for i in range(4)]
    elif isinstance(container, (nn.ModuleList, nn.ModuleDict)):
        called = [f"{name}.{child}" for child, _ in container.named_children()]
    return sum(counts.get(f"{type(model).__name__}.{c}", 0) for c in called)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@dataclass(frozen=True)
class SizeRow:
    """One preset: this model with shared blocks, and CMX, the same with unshared blocks."""

    preset: str
    shared: ModelSummary
    cmx: ModelSummary


def size_table(
    presets: Sequence[str] = tuple(PRESETS),
    num_classes: int = 25,
    components: Sequence[str] = (),
    height: int = 480,
    width: int = 640,
) -> tuple[SizeRow, ...]:
    """The costs of each preset, part by part, next to CMX of the same preset and class count."""
    return tuple(
        SizeRow(
            preset,
            summarize(ModelConfig(preset, num_classes, tuple(components)), height, width),
            summarize(ModelConfig(preset, num_classes, shared_blocks=False), height, width),
        )
        for preset in presets
    )
