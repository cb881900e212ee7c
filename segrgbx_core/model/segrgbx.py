# SPDX-License-Identifier: Apache-2.0
"""The assembled model: encoder stages with FRM and FFM between them, then the head.

With components, a scene embedding of each stream (MA-CLIP) is passed to the tokens of every stage
(modality-aligned embedding) and adjusts the last stage's features (DSRM).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.modality import NO_X
from segrgbx_core.model.dsrm import SceneRefinement
from segrgbx_core.model.encoders.interface import EncoderStage
from segrgbx_core.model.encoders.mix_transformer import NORM_EPS, PRESETS
from segrgbx_core.model.fusion import FeatureFusion, FeatureRectification
from segrgbx_core.model.head import MlpHead
from segrgbx_core.model.inputs import check_inputs, masked, pad
from segrgbx_core.model.ma_clip import (
    ABSENT_ROW,
    SMALL_CLIP,
    MaClip,
    ModalityVectors,
    SceneEmbeddings,
    modality_rows,
)
from segrgbx_core.model.modality_embedding import ModalityEmbedding, SensorAdapter
from segrgbx_core.model.presets import SMALL_PRESETS, build_encoder, check_components, check_preset
from segrgbx_core.model.readout import at_network_size

NORM_EPSILONS = (NORM_EPS, NORM_EPS, 1e-5)


@dataclass(frozen=True)
class ModelConfig:
    """The settings that determine the model's tensors.

    preset: b0 to b5, pvt_v2_b0 to pvt_v2_b5, or efficientnet_lite0 to efficientnet_lite2.
    components: some of ma_clip, modality_embedding and dsrm; without ma_clip the other two read
    one learned vector per sensor instead of the scene embedding. shared_blocks: one set of encoder
    blocks for RGB and X, or two. head_width: the head's channels; None takes 256 for the small
    presets (b0 and b1 of either family, EfficientNet-Lite) and 512 for the others.
    shared_embeddings: one patch embedding and last norm per stage for RGB and X, or two. clip:
    "small", an EfficientNet-Lite preset or a name of open_clip. modalities: those with their own
    prompts. control_prompts: prompts that each stage derives from the scene. prompts: prompts that
    each stage learns per sensor. dsrm_stages: 1 to 4. sensor_rank: of each sensor's own low-rank
    path beside the shared blocks; 0 leaves it out. The six from clip on matter only with
    components. reduction: of the FRMs' hidden channels, 1 as in CMX. norm_epsilons: of a Mix
    Transformer's patch embeddings and reduced keys, of its other norms, and of the head's norm;
    imported weights bring theirs.
    Raises ModelError for other values.
    """

    preset: str = "b0"
    num_classes: int = 10
    components: tuple[str, ...] = ()
    shared_blocks: bool = True
    head_width: int | None = None
    shared_embeddings: bool = False
    clip: str = SMALL_CLIP
    modalities: tuple[str, ...] = ("event", "thermal", "depth", "polarization", "light_field")
    control_prompts: int = 4
    prompts: int = 4
    dsrm_stages: tuple[int, ...] = (4,)
    sensor_rank: int = 0
    reduction: int = 1
    norm_epsilons: tuple[float, float, float] = NORM_EPSILONS

    def __post_init__(self) -> None:
        check_preset(self.preset)
        if not 1 <= self.num_classes <= 255:
            raise ModelError(f"The model has {self.num_classes} classes; expected 1 to 255.")
        if self.head_width is not None and self.head_width < 1:
            raise ModelError(f"The head's width is {self.head_width}; expected 1 or more.")
        if not all(0 < epsilon < 0.1 for epsilon in self.norm_epsilons):
            raise ModelError(
                f"The norms' epsilons are {self.norm_epsilons}; expected above 0 and below 0.1."
            )
        if not 1 <= self.reduction <= 16:
            raise ModelError(f"The FRMs' reduction is {self.reduction}; expected 1 to 16.")
        if not 0 <= self.sensor_rank <= 64:
            raise ModelError(f"The sensors' rank is {self.sensor_rank}; expected 0 to 64.")
        check_components(
            self.components,
            self.modalities,
            (self.control_prompts, self.prompts),
            self.dsrm_stages,
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
    # The fan-out rule with so few outputs would saturate the sigmoid and start at a huge loss.
    assert isinstance(layer, nn.Conv2d)
    nn.init.trunc_normal_(layer.weight, std=0.02)


class Control(NamedTuple):
    """Inputs of the components: scene embeddings, and (B,) int64 rows of each sample's X."""

    scene: SceneEmbeddings
    rows: Tensor


class NetworkInput(NamedTuple):
    """rgb, x: (B, 3, H, W), normalised and padded, H and W multiples of 32. control: None without
    components."""

    rgb: Tensor
    x: Tensor
    control: Control | None = None


class SegRgbX(nn.Module):
    """One network for RGB with a second sensor of any modality, or RGB alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.encoder = build_encoder(config.preset, config.shared_blocks, config.shared_embeddings)
        widths, heads = self.encoder.widths, self.encoder.heads
        self.frm = nn.ModuleList(FeatureRectification(w, config.reduction) for w in widths)
        self.ffm = nn.ModuleList(FeatureFusion(w, h) for w, h in zip(widths, heads, strict=True))
        self.head = MlpHead(widths, config.resolved_head_width, config.num_classes)
        # As in `random_parameter`.
        if not self.head.mix.weight.is_meta:
            self._initialise()
        self.ma_clip: MaClip | None = None
        self.modality_vectors: ModalityVectors | None = None
        self.modality_embedding: nn.ModuleList | None = None
        self.dsrm: nn.ModuleDict | None = None
        self.sensor_adapter: nn.ModuleList | None = None
        self.set_norm_epsilons(config.norm_epsilons)
        # Last, so that a seed gives the other parts the same weights with and without components.
        self._add_components(config, widths)

    def _initialise(self) -> None:
        self.apply(_initialise)
        for rectification in self.frm:
            assert isinstance(rectification, FeatureRectification)
            _initialise_small(rectification.spatial[-1])
        _initialise_small(self.head.classifier)

    def set_norm_epsilons(self, epsilons: tuple[float, float, float]) -> None:
        """Sets the epsilons in the config and in the norms; see `ModelConfig.norm_epsilons`."""
        self.config = replace(self.config, norm_epsilons=epsilons)
        embeddings, others, head = epsilons
        self.head.norm.eps = head
        if self.config.preset not in PRESETS:
            return
        for name, module in self.encoder.named_modules():
            if isinstance(module, nn.LayerNorm):
                first = ".embeddings." in name or name.endswith("reduce_norm")
                module.eps = embeddings if first else others

    def _add_components(self, config: ModelConfig, widths: Sequence[int]) -> None:
        if not config.components:
            return
        rows = 2 + len(config.modalities)
        scene: MaClip | ModalityVectors
        if "ma_clip" in config.components:
            scene = self.ma_clip = MaClip(config.clip)
        else:
            scene = self.modality_vectors = ModalityVectors(rows)
        if "modality_embedding" in config.components:
            self.modality_embedding = nn.ModuleList(
                ModalityEmbedding(w, scene.width, rows, config.control_prompts, config.prompts)
                for w in widths
            )
        if config.sensor_rank:
            self.sensor_adapter = nn.ModuleList(
                SensorAdapter(w, rows, config.sensor_rank) for w in widths
            )
        if "dsrm" in config.components:
            self.dsrm = nn.ModuleDict(
                {str(i): SceneRefinement(widths[i - 1], scene.width) for i in config.dsrm_stages}
            )

    def forward(
        self,
        rgb: Tensor,
        x: Tensor | None,
        modality: str | Sequence[str] = NO_X,
        present: Tensor | None = None,
        scene: SceneEmbeddings | None = None,
    ) -> Tensor:
        """Logits (B, num_classes, H, W) of normalised images, any H and W.

        rgb, x: (B, 3, H, W), normalised as in the model's card; x is 0 where its reading is
        invalid. modality: a name of the modality table or "none", or one for each sample.
        present: (B,) bool, False for samples without X. A sample without X (also x=None) is
        treated as one without a valid pixel in X, and its values in x do not matter; with
        components, this also holds for modality "none". scene: the result of `embed_scene` for an
        earlier image of the same place and sensors; None computes it again.
        Raises InputError where shapes or names do not agree.
        """
        logits = self.run(self.prepare(rgb, x, modality, present, scene))
        return at_network_size(logits, (rgb.shape[2], rgb.shape[3]))

    def prepare(
        self,
        rgb: Tensor,
        x: Tensor | None,
        modality: str | Sequence[str] = NO_X,
        present: Tensor | None = None,
        scene: SceneEmbeddings | None = None,
    ) -> NetworkInput:
        """What `run` reads, of the inputs of `forward`, with its errors."""
        check_inputs(rgb, x, modality, present)
        planes = masked(rgb, x, present)
        if not self.config.components:
            if scene is not None:
                raise InputError("A scene was given, but this model has no components to read it.")
            return NetworkInput(pad(rgb), pad(planes))
        planes, rows = self._rows(planes, x is not None, modality)
        if scene is None:
            scene = self._scene(rgb, None if x is None else planes, rows)
        return NetworkInput(pad(rgb), pad(planes), Control(scene, rows))

    def run(self, given: NetworkInput) -> Tensor:
        """The head's logits (B, num_classes, h, w), a quarter of the padded images' size.

        A function of tensors alone, which backends replace; `model.readout` enlarges its result.
        """
        logits: Tensor = self.head(self._levels(given.rgb, given.x, given.control))
        return logits

    def embed_scene(
        self,
        rgb: Tensor,
        x: Tensor | None,
        modality: str | Sequence[str] = NO_X,
        present: Tensor | None = None,
    ) -> SceneEmbeddings:
        """The scene embeddings of images given as in `forward`, for use in several calls.

        Raises InputError as `forward` does, and for a model without components.
        """
        check_inputs(rgb, x, modality, present)
        if not self.config.components:
            raise InputError("This model has no components, so it embeds no scene.")
        planes, rows = self._rows(masked(rgb, x, present), x is not None, modality)
        return self._scene(rgb, None if x is None else planes, rows)

    def _scene(self, rgb: Tensor, x: Tensor | None, rows: Tensor) -> SceneEmbeddings:
        scene: SceneEmbeddings
        if self.ma_clip is not None:
            scene = self.ma_clip(rgb, x, rows)
        else:
            assert self.modality_vectors is not None
            scene = self.modality_vectors(rgb, x, rows)
        return scene

    def _rows(
        self, x: Tensor, given: bool, modality: str | Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """X with 0 for samples without X, and (B,) int64 rows, ABSENT_ROW for these samples."""
        named = modality_rows(modality, x.shape[0], self.config.modalities)
        rows = torch.tensor(named if given else (ABSENT_ROW,) * len(named), device=x.device)
        x = x.masked_fill((rows == ABSENT_ROW)[:, None, None, None], 0.0)
        return x, rows.where((x != 0).flatten(1).any(1), ABSENT_ROW)

    def _levels(self, rgb: Tensor, x: Tensor, control: Control | None) -> list[Tensor]:
        levels = []
        for i, (frm, ffm) in enumerate(zip(self.frm, self.ffm, strict=True)):
            rgb, x = self._stage(i, rgb, x, control)
            rgb, x = frm(rgb, x)
            levels.append(ffm(rgb, x))
        return levels

    def _stage(
        self, index: int, rgb: Tensor, x: Tensor, control: Control | None
    ) -> tuple[Tensor, Tensor]:
        stage = self.encoder.stages[index]
        assert isinstance(stage, EncoderStage)
        if control is None:
            return stage(rgb, x)  # type: ignore[no-any-return]
        align = None
        if self.modality_embedding is not None:
            align = partial(self.modality_embedding[index], scene=control.scene, rows=control.rows)
        rgb, x = stage(rgb, x, align)
        if self.sensor_adapter is not None:
            x = self.sensor_adapter[index](x, control.rows)
        name = str(index + 1)
        if self.dsrm is not None and name in self.dsrm:
            rgb, x = self.dsrm[name](rgb, x, control.scene)
        return rgb, x


def build_model(
    preset: str = "b0",
    num_classes: int = 10,
    components: Sequence[str] = (),
    shared_blocks: bool = True,
    head_width: int | None = None,
    shared_embeddings: bool = False,
    clip: str = SMALL_CLIP,
    dsrm_stages: Sequence[int] = (4,),
) -> SegRgbX:
    """A model with new weights; `components=(), shared_blocks=False` gives CMX.

    Raises ModelError for an unknown preset, component or CLIP, a preset that needs a package that
    is not installed, and settings out of range.
    """
    return SegRgbX(
        ModelConfig(
            preset,
            num_classes,
            tuple(components),
            shared_blocks,
            head_width,
            shared_embeddings,
            clip=clip,
            dsrm_stages=tuple(dsrm_stages),
        )
    )
