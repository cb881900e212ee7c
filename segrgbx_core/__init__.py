# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation of an RGB camera with a second sensor. Does not depend on ROS.

The names below are imported on first use, so importing the package does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segrgbx_core.encoding import encode
    from segrgbx_core.encoding.stream import Encoder
    from segrgbx_core.model import build_model
    from segrgbx_core.readings import Planes
    from segrgbx_core.segmentation import Segmentation
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_core.weights.store import load_model

__all__ = [
    "Encoder",
    "Planes",
    "Segmentation",
    "Segmenter",
    "build_model",
    "encode",
    "load_model",
]

_HOMES = {
    "Encoder": "segrgbx_core.encoding.stream",
    "Planes": "segrgbx_core.readings",
    "Segmentation": "segrgbx_core.segmentation",
    "Segmenter": "segrgbx_core.segmenter",
    "build_model": "segrgbx_core.model",
    "encode": "segrgbx_core.encoding",
    "load_model": "segrgbx_core.weights.store",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
