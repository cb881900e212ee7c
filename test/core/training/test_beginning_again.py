# SPDX-License-Identifier: Apache-2.0
"""A used folder: which of its files a new or resumed training keeps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.errors import RecipeError, SegRgbxError
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import Machine, check_recipe, loop, train
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import RecipeFile, load_recipe
from segrgbx_core.training.state import changes, fresh_state, restore, save_checkpoint

SMALL = DriveSettings(width=96, height=72, seed=0, conditions=("day", "night"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, SMALL, 4)
    return folder


def recipe(tmp_path: Path, pairs: Path, **more: Any) -> Path:
    content = {
        "name": "tiny",
        "description": "for a test",
        "seed": 5,
        "model": {"preset": "b0", "num_classes": 11, "head_width": 32},
        "data": {"train": {"folder": str(pairs)}, "validation": {"folder": str(pairs)}},
        "augment": {"crop": [64, 64]},
        "optimiser": {"steps": 1, "batch": 2, "learning_rate": 1e-3, "warm_up": 1},
        "short_side": 64,
        **more,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def nan_loss(*_: object, **__: object) -> torch.Tensor:
    return torch.tensor(float("nan"))


def test_a_new_training_cannot_be_taken_for_the_one_before(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train(recipe(tmp_path, data), out)
    (out / "tensorboard").mkdir()
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", nan_loss)
    with pytest.raises(SegRgbxError, match=r"learning_rate, .*--force"):
        train(recipe(tmp_path, data, seed=6), out, force=True)
    assert not (out / "tensorboard").exists()
    with pytest.raises(RecipeError, match="nothing to resume"):
        train(recipe(tmp_path, data, seed=6), out, resume=True)


def test_a_training_with_a_checkpoint_is_told_to_resume(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train(recipe(tmp_path, data), out)
    longer = {"steps": 2, "batch": 2, "learning_rate": 1e-3, "warm_up": 1}
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", nan_loss)
    with pytest.raises(SegRgbxError, match=r"last checkpoint .*--resume"):
        train(recipe(tmp_path, data, optimiser=longer), out, resume=True)


def test_a_trial_names_no_file_that_is_gone(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", nan_loss)
    words = r"samples 0000.*, or lower "
    with pytest.raises(SegRgbxError, match=words):
        check_recipe(recipe(tmp_path, data), "cpu", steps=1)


def test_a_trial_keeps_the_tower_fixed_as_the_training_does(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    begun = TrainingParts.freeze_clip

    def noted(parts: TrainingParts) -> None:
        begun(parts)
        assert parts.state.model.ma_clip is not None
        tower = parts.state.model.ma_clip.visual.parameters()
        seen.append(any(parameter.requires_grad for parameter in tower))

    monkeypatch.setattr(TrainingParts, "freeze_clip", noted)
    model = {
        "preset": "b0",
        "num_classes": 11,
        "head_width": 32,
        "components": ["ma_clip", "dsrm"],
    }
    tuned = recipe(tmp_path, data, model=model, clip_tuning={"steps": 1, "batch": 2})
    check_recipe(tuned, "cpu", steps=1)
    assert seen == [False]


def test_stills_of_other_seeds_are_no_part_of_the_training(tmp_path: Path) -> None:
    def scenes(first_seed: int, count: int) -> dict[str, object]:
        return {
            "scenes": {
                "count": count,
                "first_seed": first_seed,
                "width": 96,
                "height": 72,
                "conditions": ["day", "night"],
            }
        }

    place = TrainingContext(tmp_path / "out", torch.device("cpu"), Ranks(), Console(quiet=True))
    for first, count, stems in ((0, 2, ["00000000", "00000001"]), (7, 1, ["00000007"])):
        asked = {"train": scenes(first, count), "validation": scenes(first, count)}
        path = recipe(tmp_path, tmp_path, data=asked)
        parts = TrainingParts(RecipeFile.read(path), place)
        for sources in (parts.sources, parts.held_out):
            assert [each.stem for each in sources[0].samples.places] == stems
    everything = FolderDataset(place.out / "data" / "train")
    assert [each.condition for each in everything.places] == ["day", "night", "night"]


def test_a_checkpoint_of_another_device_or_precision_is_resumed(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load_recipe(recipe(tmp_path, data))
    state, path = fresh_state(loaded), tmp_path / "checkpoint.pt"
    state.step = 3
    # A GPU's random numbers have a state of 16 bytes.
    save_checkpoint(state, path, [torch.zeros(16, dtype=torch.uint8)])
    scaled = fresh_state(loaded, scaled=True)
    assert restore(scaled, path) == ()
    assert scaled.step == 3
    assert "another kind of device" in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": None}, {"a": {"b": 1}}, {"a": "a was None and is given now"}),
        ({"a": {"b": 1}}, {"a": None}, {"a": "a was given and is None now"}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": "a.b was 1 and is 2"}),
        ({"old": 1}, {"new": 1}, {}),
    ],
)
def test_a_change_is_seen_where_a_mapping_comes_or_goes(
    before: dict[str, Any], after: dict[str, Any], said: dict[str, str]
) -> None:
    assert changes(before, after) == said


def test_a_tuning_that_comes_half_way_is_refused(tmp_path: Path, data: Path) -> None:
    model = {
        "preset": "b0",
        "num_classes": 11,
        "head_width": 32,
        "components": ["ma_clip", "dsrm"],
    }
    plain = load_recipe(recipe(tmp_path, data, model=model))
    state, path = fresh_state(plain), tmp_path / "checkpoint.pt"
    save_checkpoint(state, path, [torch.get_rng_state()])
    tuned = load_recipe(recipe(tmp_path, data, model=model, clip_tuning={"steps": 1, "batch": 2}))
    with pytest.raises(RecipeError, match=r"clip_tuning was None"):
        restore(replace(state, recipe=tuned), path)


def test_an_interruption_of_the_test_says_how_to_go_on(
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Training, "_test", stopped)
    sets = {name: {"folder": str(data)} for name in ("train", "validation", "test")}
    path = recipe(tmp_path, data, data=sets)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "out", machine=Machine("cpu"))
    said = capsys.readouterr().out
    assert "Stopped in the test" in said
    assert f"segrgbx train {path} --out {tmp_path / 'out'} --resume" in said
