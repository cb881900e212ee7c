# SPDX-License-Identifier: Apache-2.0
"""CLIP's two towers for tuning: made by open_clip, adapted by peft, then merged.

None of this is needed to run a model: only the visual tower's tensors are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from segrgbx_core.errors import ModelError, guarded
from segrgbx_core.model.ma_clip import SMALL_CLIP
from segrgbx_core.model.vision_tower import SMALL

SMALL_CONTEXT = 48


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank updates W + (alpha / rank) B A (Hu et al., 2021, arXiv 2106.09685).

    targets: ends of the module names that are adapted, in both towers; "attn" stands for the
    attention's input and output projections together.
    """

    rank: int = 8
    alpha: int = 16
    targets: tuple[str, ...] = ("attn", "c_fc", "c_proj")

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ModelError(
                f"LoRA has rank {self.rank} and alpha {self.alpha}; expected 1 or more of both."
            )
        if not self.targets:
            raise ModelError("LoRA has no targets; name modules such as attn, c_fc or c_proj.")


NEEDS_PACKAGES = (
    "Tuning CLIP needs open_clip and peft, which are not installed; run pip install "
    "'open_clip_torch>=3,<4' 'peft>=0.15,<1', or leave clip_tuning out."
)


class ClipTowers(nn.Module):
    """Both towers and the temperature, with or without low-rank updates.

    name: "small" (new weights, to be trained completely) or a name of open_clip. weights: its
    file, .pt or .safetensors; nothing is downloaded. start: the visual tower's initial tensors
    where there are no weights. lora: None trains all parameters.
    Raises ModelError for an unknown name, weights that do not fit, or a missing library.
    """

    def __init__(
        self,
        name: str = SMALL_CLIP,
        weights: Path | None = None,
        lora: LoraSettings | None = None,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        clip, self._tokenizer = _make(name)
        if weights is not None:
            _load(clip, name, weights)
        elif start is not None:
            clip.visual.load_state_dict(dict(start))
        self.clip: Any = clip if lora is None else _adapted(clip, lora)
        # LoRA freezes all other parameters; the temperature must still adapt to the new texts.
        self._towers.logit_scale.requires_grad_(True)

    @property
    def _towers(self) -> Any:
        return self.clip.get_base_model() if self.adapted else self.clip

    @property
    def adapted(self) -> bool:
        """Whether low-rank updates are still separate from the weights."""
        return hasattr(self.clip, "merge_and_unload")

    @property
    def scale(self) -> Tensor:
        """The inverse temperature of image-text similarities, at most 100 as in CLIP."""
        scale: Tensor = self._towers.logit_scale.exp().clamp(max=100.0)
        return scale

    @property
    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and deviation, in 0..1, of the images the weights were trained on; None for the
        small CLIP, which takes images normalised as for the segmentation model."""
        if self.name == SMALL_CLIP:
            return None
        visual = self._towers.visual
        return tuple(visual.image_mean), tuple(visual.image_std)

    def embed_images(self, images: Tensor) -> Tensor:
        """(B, 3, side, side), normalised for the tower, to unit vectors (B, D)."""
        return F.normalize(self._towers.encode_image(images), dim=1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (B, D). A text longer than the tower's context is truncated."""
        tokens = self._tokenizer(list(texts)).to(self._towers.logit_scale.device)
        return F.normalize(self._towers.encode_text(tokens), dim=1)

    def merge(self) -> None:
        """Adds the low-rank updates to the weights; embeddings stay the same."""
        if self.adapted:
            self.clip = self.clip.merge_and_unload()

    def visual_tensors(self) -> dict[str, Tensor]:
        """The merged visual tower, for `MaClip.load_visual`."""
        self.merge()
        tensors: dict[str, Tensor] = self.clip.visual.state_dict()
        return {key: value.detach().clone() for key, value in tensors.items()}


def need_packages(adapted: bool) -> None:
    """Raises ModelError if open_clip, or for low-rank updates peft, is not installed."""
    if find_spec("open_clip") is None or (adapted and find_spec("peft") is None):
        raise ModelError(NEEDS_PACKAGES)


def _make(name: str) -> tuple[Any, Any]:
    try:
        import open_clip  # type: ignore[import-untyped]
        from open_clip.model import (  # type: ignore[import-untyped]
            CLIP,
            CLIPTextCfg,
            CLIPVisionCfg,
        )
    except ImportError as err:
        raise ModelError(NEEDS_PACKAGES) from err
    if name == SMALL_CLIP:
        vision = CLIPVisionCfg(
            layers=SMALL.layers,
            width=SMALL.width,
            head_width=SMALL.width // SMALL.heads,
            patch_size=SMALL.patch,
            image_size=SMALL.image_size,
        )
        text = CLIPTextCfg(
            context_length=SMALL_CONTEXT, width=SMALL.width, heads=SMALL.heads, layers=SMALL.layers
        )
        clip = CLIP(SMALL.output, vision, text)
        return clip, open_clip.SimpleTokenizer(context_length=SMALL_CONTEXT)
    config = open_clip.get_model_config(name) if name in open_clip.list_models() else None
    if config is None:
        raise ModelError(
            f"CLIP '{name}' is unknown; expected '{SMALL_CLIP}' or a name of "
            "open_clip.list_models(), for example ViT-B-32."
        )
    if {"hf_model_name", "hf_tokenizer_name"} & config["text_cfg"].keys():
        raise ModelError(
            f"CLIP '{name}' reads texts by a model of the Hugging Face hub, which would be "
            "downloaded; choose one whose text tower is open_clip's own, for example ViT-B-32."
        )
    clip = open_clip.create_model(name, pretrained=None, load_weights=False)
    return clip, open_clip.get_tokenizer(name)


def _load(clip: Any, name: str, weights: Path) -> None:
    import open_clip

    if not weights.is_file():
        raise ModelError(
            f"CLIP weights {weights} were not found; download those of '{name}' by hand and give "
            "their path."
        )
    refusal = (
        f"{weights} does not hold the weights of CLIP '{name}' ({{}}); give the file that belongs "
        "to that name."
    )
    with guarded(str(weights), ModelError, refusal):
        open_clip.load_checkpoint(clip, str(weights), strict=True)


def _adapted(clip: Any, settings: LoraSettings) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as err:
        raise ModelError(
            "Low-rank tuning needs peft, which is not installed; run pip install "
            "'peft>=0.15,<1', or leave lora out to tune all parameters."
        ) from err
    ends = {name.rsplit(".", 1)[-1] for name, _ in clip.named_modules()}
    missing = [target for target in settings.targets if target not in ends]
    if missing:
        raise ModelError(
            f"LoRA targets {', '.join(missing)} are not modules of this CLIP; expected some of "
            f"{', '.join(sorted(end for end in ends if end and not end.isdigit()))}."
        )
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, target_modules=list(settings.targets)
    )
    return get_peft_model(clip, config)


def parameters_to_tune(towers: ClipTowers) -> list[nn.Parameter]:
    """The parameters to tune: low-rank factors and the temperature, or all."""
    return [p for p in towers.parameters() if p.requires_grad]
