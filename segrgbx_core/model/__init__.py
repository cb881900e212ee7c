# SPDX-License-Identifier: Apache-2.0
"""The network, its sizes, and the folders it is kept in."""

from segrgbx_core.model.card import ModelCard, WeightsEntry, load_card
from segrgbx_core.model.preprocessing import Preprocessing, resize_rgb, resize_x
from segrgbx_core.model.segrgbx import ModelConfig, SegRgbX, build_model
from segrgbx_core.model.summary import ModelSummary, PartCost, summarize
from segrgbx_core.model.weights import (
    LoadedModel,
    load_model,
    model_folder,
    save_model,
    shipped_models,
)

__all__ = [
    "LoadedModel",
    "ModelCard",
    "ModelConfig",
    "ModelSummary",
    "PartCost",
    "Preprocessing",
    "SegRgbX",
    "WeightsEntry",
    "build_model",
    "load_card",
    "load_model",
    "model_folder",
    "resize_rgb",
    "resize_x",
    "save_model",
    "shipped_models",
    "summarize",
]
