# SPDX-License-Identifier: Apache-2.0
"""The best weights are selected on validation and scored on test, without influence of test."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from segrgbx_core import Segmenter
from segrgbx_core.datasets import FolderDataset
from segrgbx_core.errors import RecipeError
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.files.images import write_png
from segrgbx_core.training import check_recipe, train
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.weights.store import load_model


def _pairs(folder: Path, seed: int, modality: str = "thermal") -> Path:
    """Three images of two classes that both RGB and X can distinguish."""
    rng = np.random.default_rng(seed)
    for kind in ("rgb", "x", "labels"):
        (folder / kind).mkdir(parents=True)
    for i in range(3):
        labels = np.zeros((48, 64), np.uint8)
        top, left = rng.integers(0, 24, 2)
        labels[top : top + 20, left : left + 30] = 5
        noise = rng.integers(0, 30, (48, 64, 3))
        write_png(folder / "rgb" / f"{i}.png", (labels[..., None] * 30 + noise).astype(np.uint8))
        x = labels.astype(np.uint16) * 200 + rng.integers(900, 930, (48, 64)).astype(np.uint16)
        write_png(folder / "x" / f"{i}.png", x)
        write_png(folder / "labels" / f"{i}.png", labels)
    (folder / "dataset.yaml").write_text(f"modality: {modality}\nlabel_set: street\n")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folders = {name: str(_pairs(tmp_path / name, i)) for i, name in enumerate(("a", "b", "c"))}
    content = {
        "name": "tiny",
        "description": "for a test",
        "seed": 5,
        "model": {"preset": "b0", "num_classes": 11, "head_width": 32},
        "data": {
            "train": {"folder": folders["a"]},
            "validation": {"folder": folders["b"]},
            "test": {"folder": folders["c"]},
        },
        "augment": {"crop": [64, 64]},
        "optimiser": {
            "steps": 2,
            "batch": 2,
            "learning_rate": 1e-3,
            "warm_up": 1,
            "validate_every": 1,
        },
        "short_side": 64,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _changed(recipe: Path, **data: object) -> Path:
    content = yaml.safe_load(recipe.read_text())
    content["data"] |= data
    recipe.write_text(
        yaml.safe_dump({**content, "data": {k: v for k, v in content["data"].items() if v}})
    )
    return recipe


def test_both_figures_are_printed_and_on_the_card(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(recipe, tmp_path / "out")
    said = capsys.readouterr().out
    card = load_model(folder).card
    test = float(card.training["test_miou"])
    best = re.search(r"Best validation mIoU (0\.\d{3})\.", said)
    assert best is not None
    assert float(best[1]) == pytest.approx(float(card.training["validation_miou"]), abs=6e-4)
    step = card.training["step"]
    assert re.search(rf"On test, .*step {step} .*mIoU", said)
    thermal = re.search(r"^  c, thermal: (0\.\d{3})$", said, re.MULTILINE)
    assert thermal is not None
    assert float(thermal[1]) == pytest.approx(test, abs=6e-4)
    scores = evaluate(Segmenter(folder, "cpu"), FolderDataset(tmp_path / "c"))
    assert scores.overall.miou == pytest.approx(test, abs=2e-3)


def test_a_test_split_changes_no_weight(recipe: Path, tmp_path: Path) -> None:
    with_test = train(recipe, tmp_path / "with")
    without = train(_changed(recipe, test=None), tmp_path / "without")
    assert "test_miou" not in load_model(without).card.training
    a, b = (load_model(folder).model.state_dict() for folder in (with_test, without))
    assert all(torch.equal(value, b[key]) for key, value in a.items())


def test_a_finished_training_is_tested_when_it_is_resumed(recipe: Path, tmp_path: Path) -> None:
    data = yaml.safe_load(recipe.read_text())["data"]
    folder = train(_changed(recipe, test=None), tmp_path / "out")
    train(_changed(recipe, test=data["test"]), tmp_path / "out", resume=True)
    assert 0 <= float(load_model(folder).card.training["test_miou"]) <= 1


def test_a_test_split_must_be_of_what_is_trained(recipe: Path, tmp_path: Path) -> None:
    depth = {"folder": str(_pairs(tmp_path / "d", 7, "depth"))}
    with pytest.raises(RecipeError, match="test has depth"):
        train(_changed(recipe, test=depth), tmp_path / "out")
    other = _pairs(tmp_path / "e", 8)
    (other / "dataset.yaml").write_text("modality: thermal\nlabel_set: other.yaml\n")
    classes = "".join(f"- {{name: c{i}, color: [{i}, 0, 0]}}\n" for i in range(11))
    (other / "other.yaml").write_text(f"name: other\nclasses:\n{classes}")
    with pytest.raises(RecipeError, match=r"test .*'other', but .* 'street'"):
        train(_changed(recipe, test={"folder": str(other)}), tmp_path / "out")


def test_a_check_leaves_the_test_alone(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "c" / "dataset.yaml").unlink()
    assert load_recipe(recipe).data.test
    check_recipe(recipe, "cpu", steps=1)
