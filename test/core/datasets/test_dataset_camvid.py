# SPDX-License-Identifier: Apache-2.0
"""CamVid: RGB alone, and a training that mixes it with pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core import Segmenter
from segrgbx_core.datasets import encoded, open_dataset, render_stills, splits_in
from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.files.images import write_png
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.modality import NO_X
from segrgbx_core.model import build_model
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import train
from segrgbx_core.training.augment import TrainingBatches
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.recipe import Augment
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import load_model, save_model
from segrgbx_ros.cli import main

RECIPE = """
name: mixed
description: for a test
seed: 5
model: {{preset: b0, num_classes: 70, components: [modality_embedding], modalities: [thermal]}}
data:
  train:
    - {{dataset: camvid, folder: {camvid}, split: train, label_set: camvid}}
    - {{folder: {pairs}, label_set: street}}
  validation:
    - {{dataset: camvid, folder: {camvid}, split: val, label_set: camvid}}
    - {{folder: {pairs}, label_set: street}}
augment: {{crop: [64, 64], x_wrong: 0.5, x_raw: 0.5}}
optimiser: {{steps: 1, batch: 8, warm_up: 1, validate_every: 1}}
short_side: 64
"""


def built(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for i in range(4):
            image = rng.integers(0, 255, (72, 96, 3), np.uint8)
            labels = rng.integers(0, 12, (72, 96), np.uint8)
            for folder, content in ((split, image), (f"{split}annot", labels)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                write_png(root / folder / f"{split}{i}.png", content)
    return root


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    return built(tmp_path / "CamVid")


def test_samples_have_no_x_and_number_11_is_unlabelled(camvid: Path) -> None:
    assert splits_in("camvid", camvid) == ("train", "val")
    data = open_dataset("camvid", camvid, "val", bad_share=0.0)
    assert data.modality == NO_X
    sample = data[1]
    assert (sample.stem, sample.condition) == ("val1", "day")
    assert set(np.unique(sample.labels)) == {*range(11), 255}
    assert not encoded(data, sample).valid.any()


def test_other_layouts_and_numbers_are_refused(camvid: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected CamVid's train/, trainannot/"):
        splits_in("camvid", tmp_path)
    write_png(camvid / "valannot" / "val0.png", np.full((72, 96), 12, np.uint8))
    with pytest.raises(LabelError, match=r"val0\.png holds the values 12"):
        open_dataset("camvid", camvid, "val")[0]


def test_it_trains_beside_pairs(camvid: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    render_stills(pairs, DriveSettings(width=96, height=72), 2)
    recipe = tmp_path / "mixed.yaml"
    recipe.write_text(RECIPE.format(camvid=camvid, pairs=pairs))
    model = load_model(train(recipe, tmp_path / "out"))
    assert model.card.modalities == ("thermal",)
    data = open_dataset("camvid", camvid, "val")
    segmenter = Segmenter(model, "cpu", label_set="camvid")
    assert evaluate(segmenter, data).overall.frames == 4


def test_its_samples_are_batched_without_x(camvid: Path) -> None:
    data = open_dataset("camvid", camvid, "train")
    mixture = Mixture([len(data)], [data.modality], [1.0], 0)
    augment = Augment(crop=(64, 64), x_dropout=0.0, x_wrong=1.0, x_raw=1.0, rgb_dark=1.0)
    batch = TrainingBatches([data], mixture, augment, Preprocessing(), 3).batch(0, 8)
    assert not batch.present.any()
    assert batch.rgb.std() > 0.5  # not darkened
    assert batch.modalities == (NO_X,) * 8


def test_commands_say_that_there_is_no_x(
    camvid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = load_label_set("camvid")
    torch.manual_seed(1)
    model = build_model("b0", len(classes), head_width=16)
    save_model(tmp_path, model, ModelCard("m", "d", model.config, ("depth",), classes))
    of = [str(camvid), "--dataset", "camvid"]
    score = ["evaluate", *of, "--split", "val", "--model", str(tmp_path)]
    assert main([*score, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["x_used"] is False
    assert main([*score, "--degrade", "noise"]) == 2
    assert "has no X to degrade; leave --degrade out" in capsys.readouterr().err
    embed = ["embeddings", *of, "--split", "val", "--model", "demo", "--out", str(tmp_path / "e")]
    assert main(embed) == 2
    assert "has no X to embed beside RGB" in capsys.readouterr().err
    sheet = tmp_path / "sheet.png"
    assert main(["data", "check", str(camvid), "--dataset", "camvid", "--out", str(sheet)]) == 0
    assert "RGB alone" in " ".join(capsys.readouterr().out.split())
    assert sheet.is_file()
