# SPDX-License-Identifier: Apache-2.0
"""`segrgbx scenes` and `segrgbx evaluate` as a user calls them."""

import json
from pathlib import Path

import pytest

from segrgbx_core.datasets import FolderDataset
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes.street.light import CONDITIONS
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.cli import main

SMALL = ["--seconds", "0.6", "--rate", "5", "--size", "64x48", "--seed", "3"]


def test_a_bag_has_what_a_vehicle_would_record(tmp_path: Path) -> None:
    assert main(["scenes", str(tmp_path / "drive"), *SMALL]) == 0
    with BagReader(tmp_path / "drive") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert counts == {
        "/rgb/image_raw": 3,
        "/rgb/camera_info": 3,
        "/thermal/image_raw": 3,
        "/thermal/camera_info": 3,
        "/ground_truth/mask": 3,
        "/ground_truth/label_info": 1,
        "/ground_truth/condition": 3,
    }


@pytest.mark.parametrize(
    ("modality", "topic", "count"),
    [
        ("event", "/event/events", 120),
        ("depth", "/depth/image_raw", 3),
        ("polarization", "/polarization/image_raw", 3),
        ("light_field", "/light_field/image_raw", 3),
    ],
)
def test_every_sensor_makes_a_bag(tmp_path: Path, modality: str, topic: str, count: int) -> None:
    call = ["scenes", str(tmp_path / "drive"), "--modality", modality, *SMALL]
    assert main([*call, "--conditions", "day,wet"]) == 0
    with BagReader(tmp_path / "drive") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert counts[topic] == count
    assert counts["/rgb/image_raw"] == counts["/ground_truth/mask"] == 3


def test_an_unknown_sensor_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scenes", str(tmp_path / "bag"), "--modality", "radar"]) == 2
    said = capsys.readouterr().err
    assert "modality 'radar'" in said
    assert "those that can: event" in said
    assert not (tmp_path / "bag").exists()


def test_force_replaces_a_drive_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "drive"
    assert main(["scenes", str(out), *SMALL]) == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    (out / "notes.txt").write_text("mine")
    assert main(["scenes", str(out), *SMALL]) == 2
    assert main(["scenes", str(out), *SMALL, "--force"]) == 0
    after = {p.name: p.read_bytes() for p in out.iterdir()}
    assert after.pop("notes.txt") == b"mine"
    assert after == before


def test_streets_are_a_dataset(tmp_path: Path) -> None:
    out = tmp_path / "streets"
    call = ["scenes", str(out), "--streets", "2", "--size", "64x48", "--format", "dataset"]
    assert main(call) == 0
    assert len(FolderDataset(out)) == 2


def test_streets_in_a_bag_are_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scenes", str(tmp_path / "bag"), "--streets", "2"]) == 2
    assert "add --format dataset" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_evaluate_prints_scores_by_condition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = tmp_path / "data", build_model("b0", 11)
    assert main(["scenes", str(data), "--format", "dataset", *SMALL]) == 0
    card = ModelCard(
        name="untrained",
        description="random weights",
        architecture=model.config,
        modalities=("thermal",),
        label_set=load_label_set("street"),
        preprocessing=Preprocessing(),
    )
    save_model(tmp_path / "model", model, card)
    capsys.readouterr()
    assert main(["evaluate", str(data), "--model", str(tmp_path / "model"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["x_used"] is True
    assert scores["all"]["frames"] == 3
    conditions = {name: scores[name]["frames"] for name in CONDITIONS if name in scores}
    assert conditions == {"day": 1, "dusk": 1, "fog": 1}
    assert 0 <= scores["all"]["miou"] <= 1
    call = ["evaluate", str(data), "--model", str(tmp_path / "model"), "--without-x"]
    assert main(call) == 0
    assert "pixel accuracy" in capsys.readouterr().out


def test_evaluate_of_no_dataset_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "no dataset folder" in capsys.readouterr().err
