# SPDX-License-Identifier: Apache-2.0
"""`segrgbx segment` on real RGB-thermal pairs, as MFNet ships them and as separate files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core.files.images import read_rgb, read_rgbx, write_png
from segrgbx_core.labels.images import numbers_in
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.cli import main

pytestmark = pytest.mark.shared_data
THERMAL = ("--modality", "thermal")


@pytest.fixture(scope="module")
def pairs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two day and two night pairs, 4-channel in rgbx/ and separate in rgb/ and x/."""
    folder = tmp_path_factory.mktemp("mfnet")
    for kind in ("rgbx", "rgb", "x"):
        (folder / kind).mkdir()
    names = (shared_data / "mfnet" / "test.txt").read_text().split()
    chosen = [n for n in names if n.endswith("D")][:2] + [n for n in names if n.endswith("N")][:2]
    for name in chosen:
        source = shared_data / "mfnet" / "images" / f"{name}.png"
        shutil.copy(source, folder / "rgbx")
        rgb, x = read_rgbx(source)
        write_png(folder / "rgb" / f"{name}.png", rgb)
        write_png(folder / "x" / f"{name}.png", x)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an untrained small model."""
    torch.manual_seed(0)
    network = build_model("b0", 11, head_width=16)
    folder = tmp_path_factory.mktemp("model")
    card = ModelCard("tiny", "untrained", network.config, ("thermal",), load_label_set("street"))
    save_model(folder, network, card)
    return str(folder)


def test_4_channel_files_and_separate_files_agree(
    pairs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    base = ["segment", "--model", model, *THERMAL]
    assert main([*base, "--rgbx", str(pairs / "rgbx"), "--out", str(one)]) == 0
    assert "4 segmented" in capsys.readouterr().out
    folders = ["--rgb", str(pairs / "rgb"), "--x", str(pairs / "x")]
    assert main([*base, *folders, "--out", str(two)]) == 0
    masks = sorted(one.glob("*_mask.png"))
    assert len(masks) == 4
    for mask in masks:
        labels = numbers_in(mask)
        assert labels.shape == (480, 640)
        assert labels.max() < 11
        np.testing.assert_array_equal(labels, numbers_in(two / mask.name))


def test_overlays_keep_the_picture_recognisable(pairs: Path, model: str, tmp_path: Path) -> None:
    file = sorted((pairs / "rgbx").iterdir())[0]
    out = tmp_path / "out"
    argv = ["segment", "--model", model, *THERMAL, "--rgbx", str(file), "--out", str(out)]
    assert main(argv) == 0
    overlay = read_rgb(out / f"{file.stem}_overlay.png").astype(float)
    rgb = read_rgb(pairs / "rgb" / file.name).astype(float)
    assert 1.0 < np.abs(overlay - rgb).mean() < 128.0
