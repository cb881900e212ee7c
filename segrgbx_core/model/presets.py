# SPDX-License-Identifier: Apache-2.0
"""The choices for building a model: encoder presets, components, and their bounds."""

from collections.abc import Sequence

from segrgbx_core.errors import ModelError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.model.encoders.efficient_net import EFFICIENT_PRESETS, DualEfficientNet
from segrgbx_core.model.encoders.interface import DualEncoder
from segrgbx_core.model.encoders.mix_transformer import PRESETS, DualMixTransformer
from segrgbx_core.model.encoders.pyramid_transformer import PYRAMID_PRESETS, DualPyramidTransformer
from segrgbx_core.model.preprocessing import Preprocessing

COMPONENTS = ("ma_clip", "modality_embedding", "dsrm")
MOST_PROMPTS = 64
STAGES = (1, 2, 3, 4)


def check_components(
    components: Sequence[str],
    modalities: Sequence[str],
    prompts: Sequence[int],
    dsrm_stages: Sequence[int],
) -> None:
    """Raises ModelError for components or settings that cannot be built."""
    for name in components:
        if name not in COMPONENTS:
            raise ModelError(
                f"Component '{name}' is unknown; expected some of {', '.join(COMPONENTS)}."
            )
    if len(set(components)) != len(components):
        raise ModelError(f"Components {', '.join(components)} repeat; name each once.")
    if tuple(components) == ("ma_clip",):
        raise ModelError(
            "Component ma_clip alone changes nothing: its scene embeddings are read by "
            "modality_embedding and dsrm; add one of them, or leave ma_clip out."
        )
    unknown = [name for name in modalities if name not in MODALITIES]
    if unknown or not modalities or len(set(modalities)) != len(modalities):
        raise ModelError(
            f"The model's modalities are {', '.join(modalities) or 'none'}; expected some of "
            f"{', '.join(MODALITIES)}, each once."
        )
    if not all(1 <= number <= MOST_PROMPTS for number in prompts):
        raise ModelError(
            f"The model has {prompts[0]} control prompts and {prompts[1]} learnable prompts; "
            f"expected 1 to {MOST_PROMPTS} of each."
        )
    known = all(stage in STAGES for stage in dsrm_stages)
    if not known or not dsrm_stages or len(set(dsrm_stages)) != len(dsrm_stages):
        raise ModelError(
            f"dsrm_stages is {tuple(dsrm_stages)}; expected stages from 1 to 4, each once."
        )


ALL_PRESETS = (*PRESETS, *PYRAMID_PRESETS, *EFFICIENT_PRESETS)
SMALL_PRESETS = ("b0", "b1", "pvt_v2_b0", "pvt_v2_b1", *EFFICIENT_PRESETS)


def check_preset(preset: str) -> None:
    """Raises ModelError for an unknown preset; the message lists the known ones."""
    if preset not in ALL_PRESETS:
        raise ModelError(
            f"Preset '{preset}' is unknown; expected one of {', '.join(ALL_PRESETS)}."
        )


# What the ImageNet weights of EfficientNet-Lite were trained on: (value - 127) / 128.
_LITE_MEAN, _LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3


def preprocessing_for(preset: str, short_side: int | None = None) -> Preprocessing:
    """How a training of that preset prepares its input."""
    if preset not in EFFICIENT_PRESETS:
        return Preprocessing(short_side=short_side)
    return Preprocessing(
        rgb_mean=_LITE_MEAN,
        rgb_std=_LITE_STD,
        x_mean=_LITE_MEAN,
        x_std=_LITE_STD,
        short_side=short_side,
    )


def build_encoder(preset: str, shared: bool, shared_embeddings: bool) -> DualEncoder:
    """The preset's encoder with new weights.

    Raises ModelError for an unknown preset, or one that needs a package that is not installed.
    """
    check_preset(preset)
    if preset in EFFICIENT_PRESETS:
        return DualEfficientNet(EFFICIENT_PRESETS[preset], shared, shared_embeddings)
    if preset in PYRAMID_PRESETS:
        return DualPyramidTransformer(PYRAMID_PRESETS[preset], shared, shared_embeddings)
    return DualMixTransformer(PRESETS[preset], shared, shared_embeddings)
