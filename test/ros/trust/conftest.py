# SPDX-License-Identifier: Apache-2.0
"""A small model and recordings, made once, for the tests of what commands leave behind."""

from pathlib import Path

import pytest
import torch

from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros import cli

SMALL = ["--rate", "6", "--size", "64x48", "--conditions", "day"]


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained small model."""
    torch.manual_seed(0)
    network = build_model("b0", 11, head_width=16)
    folder = tmp_path_factory.mktemp("model")
    card = ModelCard("tiny", "untrained", network.config, ("thermal",), load_label_set("street"))
    save_model(folder, network, card)
    return folder


@pytest.fixture(scope="session")
def small_drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bag of a drive of 2 s."""
    out = tmp_path_factory.mktemp("made") / "drive"
    assert cli.main(["scenes", str(out), "--seconds", "2", *SMALL]) == 0
    return out


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder of three pairs."""
    out = tmp_path_factory.mktemp("set") / "data"
    assert cli.main(["scenes", str(out), "--seconds", "0.5", *SMALL, "--format", "dataset"]) == 0
    return out
