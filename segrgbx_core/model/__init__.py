# SPDX-License-Identifier: Apache-2.0
"""The network and its sizes; reading and writing weights is in `segrgbx_core.weights`."""

from segrgbx_core.model.head import active_logits
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

__all__ = [
    "CMNEXT",
    "ModelConfig",
    "ModelSummary",
    "PartCost",
    "Preprocessing",
    "PublishedCost",
    "SegRgbX",
    "SizeRow",
    "active_logits",
    "build_model",
    "resize_rgb",
    "resize_x",
    "size_table",
    "summarize",
]
