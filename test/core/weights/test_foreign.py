# SPDX-License-Identifier: Apache-2.0
"""`segrgbx import`: a trained CMX becomes a model that runs with the same logits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segrgbx_core.errors import ModelError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import ModelConfig, SegRgbX
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.weights.foreign import About, foreign_model
from segrgbx_core.weights.store import load_model
from segrgbx_ros.cli import main

CmxNames = Callable[[SegRgbX, str, str], dict[str, Tensor]]
ABOUT = About("cmx", load_label_set("mfnet"), "thermal")


@pytest.fixture(scope="module")
def source() -> SegRgbX:
    """CMX-B0 with a head of width 24 for MFNet's classes, with CMX's epsilons."""
    torch.manual_seed(3)
    config = ModelConfig("b0", 9, (), False, 24, norm_epsilons=(1e-5, 1e-6, 1e-3))
    model = SegRgbX(config).eval()
    with torch.no_grad():
        model.head.classifier.weight.normal_(0.0, 0.5)
    return model


@pytest.fixture
def checkpoint(source: SegRgbX, cmx_names: CmxNames, tmp_path: Path) -> Path:
    path = tmp_path / "epoch-last.pth"
    torch.save({"model": cmx_names(source, "0", "1"), "epoch": 500}, path)
    return path


def test_a_trained_cmx_runs_with_its_own_logits(
    source: SegRgbX, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cmx"
    told = ["--label-set", "mfnet", "--modality", "thermal", "--license", "research use"]
    assert main(["import", str(checkpoint), *told, "--layout", "cmx", "--out", str(out)]) == 0
    assert "a CMX-style checkpoint: " in capsys.readouterr().out
    loaded = load_model(out)
    assert loaded.model.config == source.config
    assert loaded.card.license == "research use"
    rgb, x = torch.randn(2, 1, 3, 64, 96)
    with torch.no_grad():
        half = x.clone()
        half[..., 48:] = 0.0
        for planes in (x, half, torch.zeros_like(x)):
            expected = source(rgb, planes)
            torch.testing.assert_close(loaded.model(rgb, planes), expected, atol=1e-4, rtol=0.0)
    grey = np.full((48, 64, 3), 90, np.uint8)
    assert Segmenter(out, device="cpu")(grey, grey[..., 0], "thermal").labels.shape == (48, 64)


def test_what_cannot_run_is_told_where_it_belongs(
    source: SegRgbX, checkpoint: Path, cmx_names: CmxNames, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"has 9 classes and label set 'street' 11; give the set"):
        foreign_model(checkpoint, About("cmx", load_label_set("street"), "thermal"))
    with pytest.raises(ModelError, match="is a CMX-style checkpoint, but layout segformer was"):
        foreign_model(checkpoint, ABOUT, "segformer")
    state = cmx_names(source, "0", "1")
    encoder = tmp_path / "mit.pth"
    torch.save(
        {k.removeprefix("backbone."): v for k, v in state.items() if k.startswith("backbone.p")},
        encoder,
    )
    with pytest.raises(ModelError, match=r"an encoder for one image, .*`start_from: FILE`"):
        foreign_model(encoder, ABOUT)
    narrow = {k: v for k, v in state.items() if ".block4." not in k}
    torch.save(narrow, encoder)
    with pytest.raises(ModelError, match="sizes that are none of this project's presets"):
        foreign_model(encoder, ABOUT)
    cmnext = {
        k.replace("extra_patch_embed1.", "extra_downsample_layers.0."): v for k, v in state.items()
    }
    torch.save(cmnext, encoder)
    with pytest.raises(ModelError, match="second stream has blocks that this model lacks"):
        foreign_model(encoder, ABOUT)
