# SPDX-License-Identifier: Apache-2.0
"""The one table of encoders: a preset's name, and what it builds."""

from segrgbx_core.errors import ModelError
from segrgbx_core.model.encoder import DualEncoder
from segrgbx_core.model.mix_transformer import PRESETS, DualMixTransformer
from segrgbx_core.model.pyramid_transformer import PYRAMID_PRESETS, DualPyramidTransformer

ALL_PRESETS = (*PRESETS, *PYRAMID_PRESETS)
SMALL_PRESETS = ("b0", "b1", "pvt_v2_b0", "pvt_v2_b1")


def check_preset(preset: str) -> None:
    """Raises ModelError, which names the known ones, for an unknown preset."""
    if preset not in ALL_PRESETS:
        raise ModelError(
            f"Preset '{preset}' is unknown; expected one of {', '.join(ALL_PRESETS)}."
        )


def build_encoder(preset: str, shared: bool, shared_embeddings: bool) -> DualEncoder:
    """The preset's encoder with fresh weights.

    Raises ModelError for an unknown preset, or one whose package is not installed.
    """
    check_preset(preset)
    if preset in PYRAMID_PRESETS:
        return DualPyramidTransformer(PYRAMID_PRESETS[preset], shared, shared_embeddings)
    return DualMixTransformer(PRESETS[preset], shared, shared_embeddings)
