# SPDX-License-Identifier: Apache-2.0
"""A small untrained model for thermal, written to a folder and read back."""

from pathlib import Path

import pytest
import torch

from segrgbx_core import Segmenter, build_model
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = load_label_set("street")
    folder = tmp_path_factory.mktemp("model") / "tiny"
    torch.manual_seed(0)
    model = build_model("b0", len(labels))
    save_model(folder, model, ModelCard("tiny", "untrained", model.config, ("thermal",), labels))
    return folder


@pytest.fixture(scope="session")
def segmenter(model_folder: Path) -> Segmenter:
    return Segmenter(model_folder, "cpu")
