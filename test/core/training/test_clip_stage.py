# SPDX-License-Identifier: Apache-2.0
"""A complete training with MA-CLIP: the tower is tuned, then frozen; refused recipes."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.datasets.samples import Sample
from segrgbx_core.errors import ModelError, RecipeError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.model.ma_clip import MaClip
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import train
from segrgbx_core.training.board import Board
from segrgbx_core.training.clip.stage import classes_seen, clip_batches
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.weights.store import load_model

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11, components: [{components}], modalities: [thermal]}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment: {{crop: [64, 64]}}
optimiser: {{steps: {steps}, batch: 2, learning_rate: 1.0e-3, warm_up: 2, validate_every: 2}}
short_side: 64
{more}
"""
ALL = "ma_clip, modality_embedding, dsrm"
TUNING = "clip_tuning: {steps: 2, batch: 2, learning_rate: 5.0e-4}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 3)
    return folder


def _recipe(tmp_path: Path, data: Path, components: str, more: str, steps: int = 2) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=data, components=components, more=more, steps=steps))
    return path


def test_batches_repeat_by_seed_and_show_each_sample_once(data: Path) -> None:
    dataset, clip = FolderDataset(data), MaClip()
    one = Mixture([3], ["thermal"], [1.0], 1)
    runs = [
        list(islice(clip_batches([dataset], one, Preprocessing(), clip, 3, seed), 2))
        for seed in (1, 1, 2)
    ]
    first, again, other = (run[0] for run in runs)
    assert first.rgb.shape == first.x.shape == (3, 3, 128, 128)
    assert torch.equal(first.rgb, again.rgb)
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.rgb, other.rgb)
    assert sorted(first.classes) == sorted(runs[0][1].classes)
    assert first.modalities == ("thermal",) * 3
    assert all(first.conditions)


def test_classes_come_by_area_and_specks_do_not_count() -> None:
    labels = np.full((20, 20), 255, np.uint8)
    labels[:10] = 2
    labels[10:15] = 0
    labels[15, 0] = 1
    image = np.zeros((20, 20, 3), np.uint8)
    names = LabelSet("three", tuple(LabelClass(n, (0, 0, i)) for i, n in enumerate("abc")))
    assert classes_seen(Sample("s", image, image[..., 0], labels, ""), names) == ("c", "a")


def test_training_tunes_the_tower_and_then_leaves_it(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    from segrgbx_core.training import loop

    tuned: list[dict[str, torch.Tensor]] = []
    run = loop.Training.run

    def watched(training: loop.Training, workers: int, board: Board) -> Path:
        clip = training.state.model.ma_clip
        assert clip is not None
        assert not any(p.requires_grad for p in clip.visual.parameters())
        tuned.append({k: v.clone() for k, v in clip.visual.state_dict().items()})
        return run(training, workers, board)

    monkeypatch.setattr(loop.Training, "run", watched)
    path = _recipe(tmp_path, data, ALL, TUNING)
    model = load_model(train(path, tmp_path / "out")).model
    assert model.ma_clip is not None
    for key, value in model.ma_clip.visual.state_dict().items():
        torch.testing.assert_close(value, tuned[0][key].half().float(), atol=1e-6, rtol=0.0)
    path.write_text(
        path.read_text().replace(
            "{steps: 2, batch: 2, learning_rate: 1", "{steps: 4, batch: 2, learning_rate: 1"
        )
    )
    train(path, tmp_path / "out", resume=True)
    assert all(torch.equal(value, tuned[1][key]) for key, value in tuned[0].items())


def test_training_without_a_clip_stage_trains_the_tower_along(tmp_path: Path, data: Path) -> None:
    path = _recipe(tmp_path, data, ALL, "")
    model = load_model(train(path, tmp_path / "out")).model
    torch.manual_seed(5)
    fresh = type(model)(model.config).half().float()
    assert model.ma_clip is not None
    assert fresh.ma_clip is not None
    assert not torch.equal(model.ma_clip.visual.proj, fresh.ma_clip.visual.proj)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("components", "more", "sentence"),
    [
        ("dsrm", TUNING, "model.components lacks ma_clip"),
        (ALL, "clip_tuning: {steps: 0}", "clip_tuning.steps is 0; .*1 to"),
        (ALL, "clip_tuning: {steps: 2, batch: 1}", "clip_tuning.batch is 1; .*2 to"),
        (ALL, "clip_tuning: {batch: 2}", "tiny.yaml.clip_tuning lacks steps"),
        (ALL, "clip_tuning: {steps: 1, lora: {range: 2}}", "unknown keys range"),
    ],
)
def test_wrong_recipes_are_refused_in_words(
    tmp_path: Path, data: Path, components: str, more: str, sentence: str
) -> None:
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(_recipe(tmp_path, data, components, more))


def test_missing_packages_are_named_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segrgbx_core.training.clip.towers.find_spec", lambda _: None)
    path = _recipe(tmp_path, tmp_path, ALL, TUNING)
    text = path.read_text().replace(f"folder: {tmp_path}", "scenes: {count: 2, first_seed: 0}")
    path.write_text(text)
    with pytest.raises(ModelError, match=r"open_clip and peft, .*pip install"):
        train(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
