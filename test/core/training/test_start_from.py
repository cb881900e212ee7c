# SPDX-License-Identifier: Apache-2.0
"""A training that starts from a model of this project: towers, resuming, refused starts."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.errors import RecipeError
from segrgbx_core.labels.label_set import LabelSet, load_label_set
from segrgbx_core.model import ModelConfig, SegRgbX
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import check_recipe, loop, train
from segrgbx_core.training.board import Board
from segrgbx_core.training.clip.stage import tune_towers
from segrgbx_core.training.clip.towers import ClipTowers
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import load_model, save_model

RECIPE = """
name: tiny
description: for a test
seed: 5
start_from: {start}
model:
  preset: b0
  num_classes: 11
  head_width: 16
  components: [ma_clip, modality_embedding]
  modalities: [event, thermal]
data: {{train: {{folder: {data}}}, validation: {{folder: {data}}}}}
augment: {{crop: [64, 64]}}
optimiser: {{steps: {steps}, batch: 2, learning_rate: {rate:.1e}, warm_up: 2, validate_every: 2}}
short_side: 64
{more}
"""
TUNING = "clip_tuning: {steps: 2, batch: 2, learning_rate: 1.0e-8}"
BEFORE = ModelConfig(
    num_classes=10,
    head_width=16,
    components=("ma_clip", "modality_embedding"),
    modalities=("thermal",),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 3)
    return folder


@pytest.fixture
def before(tmp_path: Path) -> SegRgbX:
    """A model of the street's first ten classes and one sensor, in the folder `before/model`."""
    torch.manual_seed(11)
    model = SegRgbX(BEFORE)
    with torch.no_grad():
        for prompts in model.modality_embedding or ():
            prompts.prompts.normal_(0.0, 1.0)  # type: ignore[union-attr,operator]
    labels = LabelSet("street", load_label_set("street").classes[:10])
    card = ModelCard(
        "before", "for a test", BEFORE, ("thermal",), labels, Preprocessing(), {}, "Apache-2.0"
    )
    save_model(tmp_path / "before" / "model", model, card, torch.float32)
    return model


def written(
    tmp_path: Path, data: Path, start: str, more: str = "", steps: int = 2, rate: float = 1e-8
) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(start=start, data=data, more=more, steps=steps, rate=rate))
    return path


def apart(a: torch.nn.Module, b: torch.nn.Module) -> float:
    """The largest difference between two towers of one shape."""
    other = b.state_dict()
    return max(float((v - other[k]).abs().max()) for k, v in a.state_dict().items())


def test_a_training_goes_on_from_other_classes_and_sensors(
    tmp_path: Path, data: Path, before: SegRgbX, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, data, "before/model")
    loaded = load_model(train(path, tmp_path / "out"))
    assert loaded.card.training["start_from"] == "before/model"
    assert loaded.card.label_set.names[-1] == "glass"
    said = " ".join(capsys.readouterr().out.split())
    assert "model 'before': " in said
    assert "2 of head" in said
    # At this rate nothing is learnt, so the loaded weights are unchanged but for float16 rounding.
    state, start = loaded.model.state_dict(), before.state_dict()
    same = {"atol": 2e-3, "rtol": 2e-3}
    weight = state["head.classifier.weight"]
    torch.testing.assert_close(weight[:10], start["head.classifier.weight"], **same)
    prompts = state["modality_embedding.1.prompts"]
    torch.testing.assert_close(prompts[[0, 1, 3]], start["modality_embedding.1.prompts"], **same)
    name = "encoder.stages.3.blocks.0.1.mlp.fc1.weight"
    torch.testing.assert_close(state[name], start[name], **same)


def test_the_scenes_train_a_model_over_the_union_that_goes_on_from_theirs(
    tmp_path: Path, data: Path, before: SegRgbX
) -> None:
    path = written(tmp_path, data, "before/model", "label_set: street")
    path.write_text(path.read_text().replace("num_classes: 11", "num_classes: 70"))
    loaded = load_model(train(path, tmp_path / "out"))
    names = loaded.card.label_set.names
    assert names == load_label_set("unified").names
    state, start = loaded.model.state_dict(), before.state_dict()
    for row, name in ((0, "road"), (4, "sky"), (7, "car")):
        kept = state["head.classifier.weight"][names.index(name)]
        torch.testing.assert_close(
            kept, start["head.classifier.weight"][row], atol=2e-3, rtol=2e-3
        )


def test_a_training_that_starts_fresh_says_no_start(tmp_path: Path, data: Path) -> None:
    path = written(tmp_path, data, "null")
    assert "start_from" not in load_model(train(path, tmp_path / "out")).card.training


def test_both_towers_are_the_starts_unless_weights_are_given(tmp_path: Path) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    torch.manual_seed(1)
    first, other = ClipTowers(), ClipTowers()
    given = {k: v.clone() for k, v in first.visual_tensors().items()}
    towers = ClipTowers(start=given)
    assert all(torch.equal(v, given[k]) for k, v in towers.visual_tensors().items())
    torch.save(other.clip.state_dict(), tmp_path / "other.pt")
    towers = ClipTowers(weights=tmp_path / "other.pt", start=given)
    tensors = towers.visual_tensors()
    assert all(torch.equal(v, tensors[k]) for k, v in other.visual_tensors().items())


@pytest.mark.parametrize("started", [True, False])
def test_tuning_begins_with_the_tower_only_where_it_has_been_trained(
    tmp_path: Path, data: Path, started: bool
) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    recipe = load_recipe(written(tmp_path, data, "null", TUNING))
    torch.manual_seed(3)
    model = SegRgbX(recipe.model)
    clip = model.ma_clip
    assert clip is not None
    trained = SegRgbX(recipe.model).ma_clip
    assert trained is not None
    clip.load_visual(trained.visual.state_dict())
    samples = FolderDataset(data)
    tune_towers(recipe, tmp_path, [samples], Preprocessing(), [clip], started=started)
    assert (apart(clip.visual, trained.visual) < 1e-5) == started


def test_the_tuned_tower_of_the_start_is_tuned_on(
    tmp_path: Path, data: Path, before: SegRgbX
) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    path = written(tmp_path, data, "before/model", TUNING)
    clip = load_model(train(path, tmp_path / "out")).model.ma_clip
    assert clip is not None
    assert before.ma_clip is not None
    assert apart(clip.visual, before.ma_clip.visual) < 2e-3


def test_a_start_without_a_tower_has_it_tuned_from_fresh_weights(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segrgbx_core.training import parts

    config = replace(BEFORE, components=("modality_embedding",), num_classes=11)
    card = ModelCard(
        "no_tower", "for a test", config, ("thermal",), load_label_set("street"), Preprocessing()
    )
    save_model(tmp_path / "no_tower", SegRgbX(config), card)
    told: list[object] = []
    monkeypatch.setattr(parts, "tune_towers", lambda *_, started, **__: told.append(started))
    train(written(tmp_path, data, "no_tower", TUNING), tmp_path / "out")
    assert told == [False]


@pytest.mark.usefixtures("before")
def test_a_resumed_training_is_bit_equal_and_needs_its_start_no_more(
    tmp_path: Path, data: Path
) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    path = written(tmp_path, data, "before/model", TUNING, steps=4, rate=1e-3)
    train(path, tmp_path / "whole")
    validate = loop.Training._validate

    def interrupted(self: "loop.Training", loss: float, board: Board) -> None:
        validate(self, loss, board)
        if self.state.step == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Training, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(path, tmp_path / "half")
    shutil.rmtree(tmp_path / "before")
    folder = train(path, tmp_path / "half", resume=True)
    a, b = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "half")
    )
    assert a["step"] == b["step"] == 4
    for part in ("model", "average"):
        assert all(torch.equal(value, b[part][key]) for key, value in a[part].items())
    assert load_model(folder).card.training["start_from"] == "before/model"


def test_a_missing_start_is_said_before_anything_is_rendered(tmp_path: Path, data: Path) -> None:
    path = written(tmp_path, data, "runs/first/model")
    with pytest.raises(RecipeError) as met:
        train(path, tmp_path / "out")
    text = str(met.value)
    assert text.startswith("tiny.yaml: start_from is runs/first/model,")
    assert f"{tmp_path / 'runs' / 'first' / 'model'} does not exist" in text
    assert not (tmp_path / "out").exists()
    with pytest.raises(RecipeError, match="start_from is runs/first/model,"):
        check_recipe(path)


def test_a_start_that_another_recipe_makes_names_the_command(tmp_path: Path, data: Path) -> None:
    (tmp_path / "first.yaml").write_text("")
    path = written(tmp_path, data, "runs/first/model")
    command = f"segrgbx train {tmp_path / 'first.yaml'} --out {tmp_path / 'runs' / 'first'}"
    with pytest.raises(RecipeError) as met:
        train(path, tmp_path / "out")
    assert str(met.value).endswith(f": {command}.")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("before", r"before .*no card\.yaml; .*before/model"),
        ("stuff", r"no model folder.*`segrgbx train`"),
        ("before/model/model.safetensors", r"a file .* folder .*/model"),
        ("other.pth", r"start_from is other\.pth: .*cannot be read"),
        ("damaged", r"start_from is damaged: .*file is damaged"),
        ("wider", r"start_from is wider: .* b1, .* b0"),
    ],
)
@pytest.mark.usefixtures("before")
def test_starts_that_cannot_be_used_are_refused_in_words(
    tmp_path: Path, data: Path, start: str, words: str
) -> None:
    (tmp_path / "stuff").mkdir()
    (tmp_path / "other.pth").write_bytes(b"")
    shutil.copytree(tmp_path / "before" / "model", tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"cut")
    if start == "wider":
        config = ModelConfig("b1", 2)
        labels = LabelSet("two", load_label_set("street").classes[:2])
        card = ModelCard("w", "d", config, (), labels, Preprocessing())
        save_model(tmp_path / "wider", SegRgbX(config), card)
    with pytest.raises(RecipeError, match=words):
        train(written(tmp_path, data, start), tmp_path / "out")
    assert not (tmp_path / "out").exists()
