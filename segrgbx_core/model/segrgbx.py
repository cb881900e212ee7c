# SPDX-License-Identifier: Apache-2.0
"""The assembly: encoder stages with FRM and FFM between them, then the head."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.model.fusion import FeatureFusion, FeatureRectification
from segrgbx_core.model.head import MlpHead
from segrgbx_core.model.presets import SMALL_PRESETS, build_encoder, check_preset

PLANNED_COMPONENTS = ("ma_clip", "modality_embedding", "dsrm")
NO_MODALITY = "none"
SIZE_MULTIPLE = 32


@dataclass(frozen=True)
class ModelConfig:
    """What decides the model's tensors.

    preset: b0 to b5, or pvt_v2_b0 to pvt_v2_b5. components: none of the planned ones exist in this
    version, so (). shared_blocks: one set of Transformer blocks for RGB and X, or two. head_width:
    the head's channels; None takes 256 for b0 and b1 of either family and 512 above.
    shared_embeddings: one patch embedding and last norm a stage for RGB and X, or two.
    Raises ModelError for other values.
    """

    preset: str = "b0"
    num_classes: int = 10
    components: tuple[str, ...] = ()
    shared_blocks: bool = True
    head_width: int | None = None
    shared_embeddings: bool = False

    def __post_init__(self) -> None:
        check_preset(self.preset)
        if not 1 <= self.num_classes <= 255:
            raise ModelError(f"The model has {self.num_classes} classes; expected 1 to 255.")
        if self.head_width is not None and self.head_width < 1:
            raise ModelError(f"The head's width is {self.head_width}; expected 1 or more.")
        if self.components:
            raise ModelError(
                f"Components {', '.join(self.components)} were asked for, but this version has "
                f"none ({', '.join(PLANNED_COMPONENTS)} are planned); use components=()."
            )

    @property
    def resolved_head_width(self) -> int:
        """The head's channels with the preset's default filled in."""
        if self.head_width is not None:
            return self.head_width
        return 256 if self.preset in SMALL_PRESETS else 512


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, std=math.sqrt(2.0 * module.groups / fan_out))
    if isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None:
        nn.init.zeros_(module.bias)


def _initialise_small(layer: nn.Module) -> None:
    # Fan-out of these few outputs would saturate the sigmoid and start from a huge loss.
    assert isinstance(layer, nn.Conv2d)
    nn.init.trunc_normal_(layer.weight, std=0.02)


class SegRgbX(nn.Module):
    """One set of weights for RGB with a second sensor of any modality, or RGB alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.encoder = build_encoder(config.preset, config.shared_blocks, config.shared_embeddings)
        widths, heads = self.encoder.widths, self.encoder.heads
        self.frm = nn.ModuleList(FeatureRectification(w) for w in widths)
        self.ffm = nn.ModuleList(FeatureFusion(w, h) for w, h in zip(widths, heads, strict=True))
        self.head = MlpHead(widths, config.resolved_head_width, config.num_classes)
        self.apply(_initialise)
        for rectification in self.frm:
            assert isinstance(rectification, FeatureRectification)
            _initialise_small(rectification.spatial[-1])
        _initialise_small(self.head.classifier)

    def forward(
        self,
        rgb: Tensor,
        x: Tensor | None,
        modality: str | Sequence[str] = NO_MODALITY,
        present: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, num_classes, H, W) of normalised images, any H and W.

        rgb, x: (B, 3, H, W), normalised as the model's card says; x is 0 where its reading is
        invalid. modality: a name of the modality table or "none", or one for each sample.
        present: (B,) bool, False for samples without X. A sample without X (also x=None) is one
        whose X has no valid pixel, so its values in x do not matter.
        Raises InputError where shapes or names do not agree.
        """
        _check(rgb, x, modality, present)
        height, width = rgb.shape[2], rgb.shape[3]
        x_planes = torch.zeros_like(rgb) if x is None else x
        if present is not None:
            x_planes = x_planes.masked_fill(~present[:, None, None, None], 0.0)
        logits: Tensor = self.head(self._levels(_pad(rgb), _pad(x_planes)))
        full = F.interpolate(
            logits,
            (height + -height % SIZE_MULTIPLE, width + -width % SIZE_MULTIPLE),
            mode="bilinear",
            align_corners=False,
        )
        return full[:, :, :height, :width]

    def _levels(self, rgb: Tensor, x: Tensor) -> list[Tensor]:
        levels = []
        for stage, frm, ffm in zip(self.encoder.stages, self.frm, self.ffm, strict=True):
            rgb, x = stage(rgb, x)
            rgb, x = frm(rgb, x)
            levels.append(ffm(rgb, x))
        return levels


def _pad(planes: Tensor) -> Tensor:
    bottom, right = -planes.shape[2] % SIZE_MULTIPLE, -planes.shape[3] % SIZE_MULTIPLE
    return F.pad(planes, (0, right, 0, bottom)) if bottom or right else planes


def _check(
    rgb: Tensor, x: Tensor | None, modality: str | Sequence[str], present: Tensor | None
) -> None:
    if rgb.ndim != 4 or rgb.shape[1] != 3:
        raise InputError(f"rgb has shape {tuple(rgb.shape)}; expected (batch, 3, height, width).")
    if x is not None and x.shape != rgb.shape:
        raise InputError(
            f"x has shape {tuple(x.shape)} and rgb {tuple(rgb.shape)}; give both the same shape."
        )
    if present is not None and present.shape != rgb.shape[:1]:
        raise InputError(
            f"present has shape {tuple(present.shape)}; expected ({rgb.shape[0]},), one flag a "
            "sample."
        )
    names = (modality,) if isinstance(modality, str) else tuple(modality)
    if not isinstance(modality, str) and len(names) != rgb.shape[0]:
        raise InputError(
            f"{len(names)} modality names came with {rgb.shape[0]} samples; give one name, or one "
            "for each sample."
        )
    for name in names:
        if name != NO_MODALITY and name not in MODALITIES:
            raise InputError(
                f"Modality '{name}' is unknown; expected {NO_MODALITY} or one of "
                f"{', '.join(MODALITIES)}."
            )


def build_model(
    preset: str = "b0",
    num_classes: int = 10,
    components: Sequence[str] = (),
    shared_blocks: bool = True,
    head_width: int | None = None,
    shared_embeddings: bool = False,
) -> SegRgbX:
    """A model with fresh weights; `shared_blocks=False` gives CMX.

    Raises ModelError for an unknown preset or one whose package is not installed, a component
    this version lacks, or a class count or head width out of range.
    """
    return SegRgbX(
        ModelConfig(
            preset, num_classes, tuple(components), shared_blocks, head_width, shared_embeddings
        )
    )
