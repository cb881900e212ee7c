# SPDX-License-Identifier: Apache-2.0
"""The network, its sizes, and the folders it is kept in."""

from segrgbx_core.model.active_classes import active_logits
from segrgbx_core.model.card import ModelCard, WeightsEntry, load_card
from segrgbx_core.model.continuing import continue_from
from segrgbx_core.model.import_report import ImportReport, LeftOver, Taken
from segrgbx_core.model.importing import import_weights
from segrgbx_core.model.preprocessing import Preprocessing, resize_rgb, resize_x
from segrgbx_core.model.segrgbx import ModelConfig, SegRgbX, build_model
from segrgbx_core.model.summary import (
    CMNEXT,
    ModelSummary,
    PartCost,
    PublishedCost,
    SizeRow,
    size_table,
    summarize,
)
from segrgbx_core.model.weights import (
    LoadedModel,
    load_model,
    model_folder,
    save_model,
    shipped_models,
)

__all__ = [
    "CMNEXT",
    "ImportReport",
    "LeftOver",
    "LoadedModel",
    "ModelCard",
    "ModelConfig",
    "ModelSummary",
    "PartCost",
    "Preprocessing",
    "PublishedCost",
    "SegRgbX",
    "SizeRow",
    "Taken",
    "WeightsEntry",
    "active_logits",
    "build_model",
    "continue_from",
    "import_weights",
    "load_card",
    "load_model",
    "model_folder",
    "resize_rgb",
    "resize_x",
    "save_model",
    "shipped_models",
    "size_table",
    "summarize",
]
