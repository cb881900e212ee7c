# SPDX-License-Identifier: Apache-2.0
"""The shipped demo model: what it is, and that it is worth looking at."""

from pathlib import Path

import pytest

from segrgbx_core import Segmenter, load_model
from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.evaluation.metrics import Scores
from segrgbx_core.files.resources import share_dir
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.weights.store import model_folder

HELD_OUT_SEED = 2_000_000


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> FolderDataset:
    folder = tmp_path_factory.mktemp("held_out")
    render_stills(folder, DriveSettings(width=640, height=480, seed=HELD_OUT_SEED), 10)
    return FolderDataset(folder)


def test_the_card_says_plainly_what_it_is() -> None:
    card = load_model("demo").card
    assert "synthetic" in card.description
    assert "not for use" in card.description
    assert set(card.modalities) == {"event", "thermal", "depth", "polarization", "light_field"}
    assert card.label_set == load_label_set("street")
    assert card.training["recipe"] == "general.yaml"


def test_it_is_the_architecture_in_full() -> None:
    architecture = load_model("demo").card.architecture
    assert set(architecture.components) == {"ma_clip", "modality_embedding", "dsrm"}
    assert architecture == load_recipe(share_dir() / "config/train/general.yaml").model


def test_the_file_is_small() -> None:
    assert (model_folder("demo") / "model.safetensors").stat().st_size <= 20_000_000


def test_it_sees_held_out_scenes_and_thermal_helps(held_out: FolderDataset) -> None:
    segmenter = Segmenter("demo", device="cpu")
    both = evaluate(segmenter, held_out)
    rgb_alone = evaluate(segmenter, held_out, use_x=False)
    assert both.overall.miou is not None
    assert rgb_alone.overall.miou is not None
    assert both.overall.miou >= 0.7
    assert rgb_alone.overall.miou >= 0.65
    assert both.overall.miou >= rgb_alone.overall.miou + 0.02
    assert set(both.by_condition) == {"day", "dusk", "night", "fog", "glare"}


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "gain"), [("thermal", 0.08), ("depth", 0.05)])
def test_at_night_thermal_and_depth_help(tmp_path: Path, modality: str, gain: float) -> None:
    scores = _at(tmp_path, modality, "night")
    assert _mean(scores["with X"]) >= _mean(scores["RGB alone"]) + gain


@pytest.mark.slow
def test_polarization_helps_on_glass(tmp_path: Path) -> None:
    scores = _at(tmp_path, "polarization", "day")
    assert _glass(scores["with X"]) >= _glass(scores["RGB alone"]) + 0.05


def _at(folder: Path, modality: str, condition: str) -> dict[str, Scores]:
    """The demo's scores on some held-out streets under one condition."""
    settings = DriveSettings(
        modality=modality, width=400, height=300, seed=HELD_OUT_SEED, conditions=(condition,)
    )
    render_stills(folder, settings, 12)
    segmenter, data = Segmenter("demo", device="cpu"), FolderDataset(folder)
    return {
        "with X": evaluate(segmenter, data).overall,
        "RGB alone": evaluate(segmenter, data, use_x=False).overall,
    }


def _mean(scores: Scores) -> float:
    assert scores.miou is not None
    return scores.miou


def _glass(scores: Scores) -> float:
    iou = scores.per_class_iou["glass"]
    assert iou is not None
    return iou


def test_a_dataset_of_other_classes_is_refused_in_words(
    held_out: FolderDataset, tmp_path: Path
) -> None:
    from segrgbx_core.errors import InputError

    (tmp_path / "labels.yaml").write_text("classes: [{name: crop, color: [0, 200, 0]}]")
    (tmp_path / "dataset.yaml").write_text("modality: thermal\nlabel_set: labels.yaml\n")
    for kind in ("rgb", "x", "labels"):
        (tmp_path / kind).symlink_to(held_out.folder / kind)
    with pytest.raises(InputError, match="same classes"):
        evaluate(Segmenter("demo", device="cpu"), FolderDataset(tmp_path))
