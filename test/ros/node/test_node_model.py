# SPDX-License-Identifier: Apache-2.0
"""The node's model: its device before and after each transition."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from live_stage import write_tiny_model

from segrgbx_core import Segmenter
from segrgbx_core.errors import ModelError
from segrgbx_core.scene_cache import SceneRefresh
from segrgbx_ros.node import model as node_model
from segrgbx_ros.node.model import NodeModel
from segrgbx_ros.node.parameters.parameters import NodeSettings, settings_from


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


def told(folder: str, device: str) -> NodeSettings:
    return settings_from(
        {"model": folder, "modality": "thermal", "device": device, "warmup_iterations": 1}
    )


def test_on_the_cpu_nothing_is_given_back(folder: str) -> None:
    model = NodeModel(told(folder, "cpu"))
    model.release()
    assert model.segmenter is model.on_device()
    health = model.health(defects=2)
    assert (health.name, health.device, health.memory_bytes, health.defects) == (
        "tiny",
        "cpu",
        None,
        2,
    )


def test_the_scene_is_refreshed_as_told(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SceneRefresh | None] = []

    class Noted(Segmenter):
        def __init__(self, *args: Any, **named: Any) -> None:
            seen.append(named["scene_refresh"])
            super().__init__(*args, **named)

    monkeypatch.setattr(node_model, "Segmenter", Noted)
    settings = told(folder, "cpu")
    NodeModel(settings)
    NodeModel(replace(settings, scene_refresh_every=5))
    NodeModel(replace(settings, scene_refresh_every=5, scene_refresh_change=0.1))
    assert seen == [None, SceneRefresh(5), SceneRefresh(5, 0.1)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_release_gives_the_devices_memory_back(folder: str) -> None:
    before = torch.cuda.memory_allocated()
    model = NodeModel(told(folder, "cuda"))
    held = torch.cuda.memory_allocated() - before
    assert held > 1_000_000
    model.release()
    assert torch.cuda.memory_allocated() - before < held // 10
    assert model.health(0).device == "none (inactive)"
    rgb = np.zeros((48, 64, 3), np.uint8)
    x = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    assert model.on_device()(rgb, x, "thermal").labels.shape == (48, 64)


def test_a_modality_it_was_not_trained_with(folder: str) -> None:
    with pytest.raises(ModelError, match="depth"):
        NodeModel(settings_from({"model": folder, "modality": "depth", "device": "cpu"}))
