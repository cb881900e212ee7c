# SPDX-License-Identifier: Apache-2.0
"""`segrgbx evaluate` and `segrgbx embeddings` as a user calls them."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segrgbx_core.files.images import read_rgb, write_png
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.model.segrgbx import ModelConfig, SegRgbX
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.cli import main

SMALL = ["--rate", "5", "--size", "64x48", "--seed", "3", "--format", "dataset"]


def save(folder: Path, classes: str = "street", modalities: tuple[str, ...] = ("thermal",)) -> str:
    torch.manual_seed(0)
    labels = load_label_set(classes)
    model = build_model("b0", len(labels))
    with torch.no_grad():
        model.head.classifier.weight.mul_(400)
    save_model(folder, model, ModelCard("untrained", "random", model.config, modalities, labels))
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "drive"
    assert main(["scenes", str(folder), "--seconds", "1", *SMALL]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_everything_lands_in_the_output_folder(drive: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    call = ["evaluate", str(drive), "--model", model, "--out", str(out), "--worst", "2"]
    assert main([*call, "--degrade", "drop=0,1", "--degrade", "delay=0,1", "--flip"]) == 0
    content = json.loads((out / "summary.json").read_text())
    assert content["dataset"]["samples"] == content["scores"]["all"]["frames"] == 5
    assert content["flip"] is True
    assert "each with flip" in content["protocol"]
    assert len(content["confusion"]) == len(content["dataset"]["class_colors"]) == 11
    drop, delay = content["curves"]
    assert drop["miou"]["all"][0] == content["scores"]["all"]["miou"]
    assert drop["miou"]["all"][1] == drop["rgb_alone_miou"]
    assert delay["frames"] == 4
    assert len((out / "frames.csv").read_text().splitlines()) == 6
    worst = sorted((out / "worst").iterdir())
    assert [path.stem[3:] for path in worst] == [frame["stem"] for frame in content["worst"]]
    for name in ("confusion", "degrade_drop", "degrade_delay"):
        assert read_rgb(out / f"{name}.png").shape[1] > 400
    page = (out / "report.html").read_text()
    assert f"{content['scores']['all']['miou']:.3f}" in page
    assert page.count("<img") == 5
    assert "http" not in page.replace("http-equiv", "")


def test_json_is_what_it_was_and_more(
    drive: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["evaluate", str(drive), "--model", model, "--json", "--degrade", "shift=0,4"]
    assert main([*call, "--scales", "0.5,1"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["model"] == model
    assert content["x_used"] is True
    assert content["protocol"]["scales"] == [0.5, 1.0]
    assert set(content["all"]) >= {"miou", "per_class_iou", "pixel_accuracy", "frames", "absent"}
    assert content["curves"][0]["levels"] == [0.0, 4.0]
    absent = [name for name, iou in content["all"]["per_class_iou"].items() if iou is None]
    assert content["all"]["absent"] == absent


def test_the_terminal_says_how_it_was_measured(
    drive: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(drive), "--model", model]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Measured as: one pass, no scales, no flip" in shown


def test_a_named_dataset_and_its_split(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        shutil.copytree(drive, tmp_path / split)
    call = ["evaluate", str(tmp_path), "--dataset", "folder", "--model", model]
    assert main(call) == 2
    assert "splits test, train" in said(capsys)
    assert main(["evaluate", str(tmp_path), "--model", model]) == 2
    assert "splits test, train" in said(capsys)
    assert main([*call, "--split", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["frames"] == 5


def test_a_model_over_the_union_is_scored_in_the_sets_own_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mfnet" / "images").mkdir(parents=True)
    (tmp_path / "mfnet" / "labels").mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        image = rng.integers(0, 256, (48, 64, 4)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "mfnet" / "images" / f"0000{i}N.png"), image)
        labels = rng.integers(0, 9, (48, 64)).astype(np.uint8)
        write_png(tmp_path / "mfnet" / "labels" / f"0000{i}N.png", labels)
    (tmp_path / "mfnet" / "test.txt").write_text("00000N\n00001N\n")
    union = save(tmp_path / "union", "unified")
    call = ["evaluate", str(tmp_path / "mfnet"), "--dataset", "mfnet", "--split", "test"]
    assert main([*call, "--model", union, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert tuple(content["all"]["per_class_iou"]) == load_label_set("mfnet").names
    assert content["night"]["frames"] == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scales", "0"], "from 0.25 to 4"),
        (["--scales", "a,b"], "--scales"),
        (["--degrade", "fog"], "drop, noise, shift, delay"),
        (["--degrade", "drop=0,2"], "level 2; expected from 0 to 1"),
        (["--degrade", "drop", "--degrade", "drop"], "twice for drop"),
        (["--degrade", "drop", "--without-x"], "give one"),
        (["--seed", "-1"], "--seed is -1"),
        (["--worst", "-1"], "--worst"),
        (["--dataset", "kitti"], "'kitti' is unknown"),
        (["--split", "val"], "val"),
        (["--label-set", "mfnet"], "part of 'unified'"),
    ],
)
def test_mistakes_are_one_sentence(
    drive: Path, model: str, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(drive), "--model", model, *options]) == 2
    sentence = said(capsys)
    assert words in sentence
    assert sentence.count("\n") == 1


def test_a_model_of_rgb_alone_has_no_x_to_degrade(
    drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = save(tmp_path / "alone", modalities=())
    assert main(["evaluate", str(drive), "--model", alone, "--degrade", "drop"]) == 2
    assert "no X to degrade" in said(capsys)


def test_a_full_output_folder_is_not_touched(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["evaluate", str(drive), "--model", model, "--out", str(tmp_path)]) == 2
    assert "already holds files" in said(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_image_is_named(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(drive, tmp_path / "set")
    bad = tmp_path / "set" / "rgb" / "000002.png"
    bad.write_bytes(bad.read_bytes()[:100])
    assert main(["evaluate", str(tmp_path / "set"), "--model", model]) == 2
    assert "000002.png" in said(capsys)


def test_a_sample_whose_x_is_refused_is_named(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(drive, tmp_path / "set")
    write_png(tmp_path / "set" / "x" / "000003.png", np.full((64, 48), 29000, np.uint16))
    assert main(["evaluate", str(tmp_path / "set"), "--model", model]) == 2
    assert "X of sample 000003 in" in said(capsys)


def test_memory_that_runs_out_is_said(
    drive: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("segrgbx_core.evaluation.protocol.ViewSegmenter.__call__", full)
    assert main(["evaluate", str(drive), "--model", model]) == 2
    told = said(capsys)
    assert "Memory ran out" in told
    assert "smaller --scales" in told


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    labels, modalities = load_label_set("street"), ("thermal", "depth")
    model = SegRgbX(ModelConfig("b0", len(labels), ("ma_clip", "dsrm"), modalities=modalities))
    folder = tmp_path_factory.mktemp("embedder")
    save_model(folder, model, ModelCard("scene", "", model.config, modalities, labels))
    return str(folder)


def test_embeddings_are_drawn_by_sensor_and_by_condition(
    drive: Path, embedder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / "deep"
    assert main(["scenes", str(deep), "--seconds", "1", "--modality", "depth", *SMALL]) == 0
    capsys.readouterr()
    out = tmp_path / "out"
    call = ["embeddings", str(drive), str(deep), "--model", embedder, "--out", str(out)]
    assert main([*call, "--limit", "4"]) == 0
    content = json.loads((out / "embeddings.json").read_text())
    sensors = [point["sensor"] for point in content["points"]]
    assert {name: sensors.count(name) for name in set(sensors)} == {
        "rgb": 8,
        "thermal": 4,
        "depth": 4,
    }
    assert set(content["by_sensor"]) == {"rgb", "thermal", "depth"}
    assert -1 <= content["silhouette"] <= 1
    assert {p.name for p in out.glob("*.png")} == {
        "embeddings.png",
        "embeddings_by_condition.png",
    }
    assert f"{content['silhouette']:.3f}" in capsys.readouterr().out


def test_embeddings_name_what_is_wrong(
    drive: Path, model: str, embedder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["embeddings", str(drive), "--out", str(tmp_path / "out"), "--model"]
    assert main([*call, model]) == 2
    assert "no MA-CLIP" in said(capsys)
    assert main([*call, embedder, "--limit", "1"]) == 2
    assert "2 points" in said(capsys)
    assert main([*call, embedder, "--perplexity", "1", "--force"]) == 2
    assert "Perplexity is 1" in said(capsys)
    assert not (tmp_path / "out").exists()
    for option in ("--split", "--x", "--depth-scale"):
        assert main([*call, embedder, option, "1", option, "2"]) == 2
        assert f"{option} was given 2 times" in said(capsys)
    assert main([*call, embedder, "--x", "hha"]) == 2
    assert "no X 'hha'" in said(capsys)


def test_a_modality_without_training_embeds_nothing(
    embedder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events"
    assert main(["scenes", str(events), "--seconds", "0.4", "--modality", "event", *SMALL]) == 0
    capsys.readouterr()
    call = ["embeddings", str(events), "--model", embedder, "--out", str(tmp_path / "out")]
    assert main(call) == 2
    assert "thermal, depth, not with event" in said(capsys)
    assert not (tmp_path / "out").exists()


def test_embeddings_of_the_x_that_was_named(
    embedder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = {"img": "rgb", "depth": "depth", "event": "event", "semantic": "semantic"}
    noise = np.random.default_rng(0).integers(1, 25, (4, 48, 64, 3)).astype(np.uint8)
    for kind, word in kinds.items():
        folder = tmp_path / kind / "sun" / "test" / "MAP_1_point2"
        folder.mkdir(parents=True)
        for i, image in enumerate(noise):
            write_png(folder / f"{i:06d}_{word}_front.png", image)
    call = ["embeddings", str(tmp_path), str(tmp_path), "--dataset", "deliver", "--split", "test"]
    call += ["--model", embedder, "--out", str(tmp_path / "out")]
    assert main([*call, "--x", "depth", "--x", "event"]) == 2
    assert "thermal, depth, not with event" in said(capsys)
    assert main([*call, "--x", "depth"]) == 0
    points = json.loads((tmp_path / "out" / "embeddings.json").read_text())["points"]
    assert sorted(point["sensor"] for point in points) == ["depth"] * 8 + ["rgb"] * 8
