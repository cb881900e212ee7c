# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP at inference: one batched call of the visual tower gives both scene embeddings.

The text tower and the low-rank updates are only needed for training; they are in
`training/clip/towers.py`.
Equations: docs/method.md, "Scene embeddings".
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.errors import InputError, ModelError
from segrgbx_core.modality import NO_X
from segrgbx_core.model.encoders.efficient_net import EFFICIENT_PRESETS, EfficientTower
from segrgbx_core.model.vision_tower import SMALL, VisionTower, random_parameter

RGB_ROW, ABSENT_ROW = 0, 1
SMALL_CLIP = "small"
_VECTOR_WIDTH = 128


class SceneEmbeddings(NamedTuple):
    """S^r and S^m, each (B, D) float32 of length sqrt(D), so that entries are about 1."""

    rgb: Tensor
    x: Tensor


def modality_rows(
    modality: str | Sequence[str], count: int, modalities: Sequence[str]
) -> tuple[int, ...]:
    """The row of each of `count` samples in tables with one row per sensor: RGB, absent X,
    `modalities`.

    Raises InputError for a modality that the model has no row for.
    """
    names = (modality,) * count if isinstance(modality, str) else tuple(modality)
    rows = {NO_X: ABSENT_ROW, **{name: 2 + i for i, name in enumerate(modalities)}}
    for name in names:
        if name not in rows:
            raise InputError(
                f"This model has no prompts for modality '{name}', only for "
                f"{', '.join(modalities)}; build it with that modality and train it."
            )
    return tuple(rows[name] for name in names)


def _open_clip_tower(name: str) -> tuple[nn.Module, int]:
    """The visual tower of an open_clip model with new weights, and its output channels."""
    try:
        import open_clip  # type: ignore[import-untyped]
        from open_clip.model import CLIP, CLIPTextCfg  # type: ignore[import-untyped]
    except ImportError as err:
        raise ModelError(
            f"CLIP '{name}' needs open_clip, which is not installed; run pip install "
            f"'open_clip_torch>=3,<4', or take clip='{SMALL_CLIP}'."
        ) from err
    config = open_clip.get_model_config(name) if name in open_clip.list_models() else None
    if config is None:
        raise ModelError(
            f"CLIP '{name}' is unknown; expected '{SMALL_CLIP}' or a name of "
            "open_clip.list_models(), for example ViT-B-32."
        )
    # The smallest text tower that open_clip builds; only the visual one is kept.
    text = CLIPTextCfg(context_length=1, vocab_size=2, width=8, heads=1, layers=1)
    quick = bool(config.get("quick_gelu", False))
    visual = CLIP(config["embed_dim"], config["vision_cfg"], text, quick_gelu=quick).visual
    return visual, int(config["embed_dim"])


class MaClip(nn.Module):
    """The tuned visual tower of CLIP, and the learned vector that represents an absent X.

    clip: "small", efficientnet_lite0 to efficientnet_lite2, or any name of open_clip. Both images
    are resized to the tower's square, so the whole field of view counts. Raises ModelError for an
    unknown name or without open_clip.
    """

    input_scale: Tensor
    input_shift: Tensor

    def __init__(self, clip: str = SMALL_CLIP) -> None:
        super().__init__()
        self.visual: nn.Module
        if clip == SMALL_CLIP:
            self.visual, self.width = VisionTower(SMALL), SMALL.output
        elif clip in EFFICIENT_PRESETS:
            self.width = SMALL.output
            self.visual = EfficientTower(EFFICIENT_PRESETS[clip], self.width)
        else:
            self.visual, self.width = _open_clip_tower(clip)
        size: Any = self.visual.image_size
        self.size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        self.absent = random_parameter(self.width, deviation=self.width**-0.5)
        self.register_buffer("input_scale", torch.ones(2, 3))
        self.register_buffer("input_shift", torch.zeros(2, 3))

    def forward(self, rgb: Tensor, x: Tensor | None, rows: Tensor) -> SceneEmbeddings:
        """rgb, x: (B, 3, H, W) normalised as for the segmentation model, x=None where no sample
        has X; rows: (B,) int64 of `modality_rows`, ABSENT_ROW where X is absent."""
        count = rgb.shape[0]
        images = self.as_read(rgb, 0)
        if x is not None:
            images = torch.cat((images, self.as_read(x, 1)))
        embedded = self.visual(images).float()
        absent = self.absent.float().expand(count, -1)
        x_embedded = absent
        if x is not None:
            x_embedded = torch.where((rows == ABSENT_ROW)[:, None], absent, embedded[count:])
        scale = self.width**0.5
        return SceneEmbeddings(
            F.normalize(embedded[:count], dim=1) * scale, F.normalize(x_embedded, dim=1) * scale
        )

    def as_read(self, images: Tensor, stream: int) -> Tensor:
        """Images resized and normalised for the tower; stream 0 is RGB, 1 is X."""
        small = F.interpolate(
            images, self.size, mode="bilinear", align_corners=False, antialias=True
        )
        scale = self.input_scale[stream].view(1, 3, 1, 1)
        return small * scale + self.input_shift[stream].view(1, 3, 1, 1)

    def set_input_statistics(
        self,
        given: tuple[Sequence[float], Sequence[float]],
        expected: tuple[Sequence[float], Sequence[float]],
        stream: int,
    ) -> None:
        """Converts inputs normalised by `given` (mean, deviation) to the `expected` ones.

        Needed for a tower trained elsewhere, with a mean and deviation other than the card's.
        """
        mean, deviation = (torch.tensor(values) for values in given)
        new_mean, new_deviation = (torch.tensor(values) for values in expected)
        self.input_scale[stream] = deviation / new_deviation
        self.input_shift[stream] = (mean - new_mean) / new_deviation

    def load_visual(self, tensors: Mapping[str, Tensor]) -> None:
        """Loads a tuned tower's tensors and freezes them.

        Raises ModelError where names or shapes differ from this tower's.
        """
        own = self.visual.state_dict()
        wrong = sorted(own.keys() ^ tensors.keys()) or sorted(
            key for key in own if own[key].shape != tensors[key].shape
        )
        if wrong:
            raise ModelError(
                f"The CLIP weights belong to another visual tower: {len(wrong)} tensors differ, "
                f"the first {wrong[0]}; give the weights of the tower that 'clip' names."
            )
        self.visual.load_state_dict(dict(tensors))
        self.freeze()

    def freeze(self) -> None:
        """Excludes the tower from training; the vector of an absent X is still trained."""
        self.visual.requires_grad_(False)


class ModalityVectors(nn.Module):
    """The replacement of MA-CLIP where it is left out: one learned vector per sensor.

    It depends on the sensor but not on the image, so the difference to MA-CLIP is the
    contribution of the scene.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.width = _VECTOR_WIDTH
        self.vectors = random_parameter(rows, self.width)

    def forward(self, rgb: Tensor, x: Tensor | None, rows: Tensor) -> SceneEmbeddings:
        """As MaClip, without looking at the images."""
        del rgb, x
        return SceneEmbeddings(self.vectors[torch.full_like(rows, RGB_ROW)], self.vectors[rows])
