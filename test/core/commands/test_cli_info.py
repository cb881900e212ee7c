# SPDX-License-Identifier: Apache-2.0
"""`segrgbx info` shows the card, the cost by part and the machine."""

import json
from pathlib import Path

import pytest
import torch

from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = build_model("b0", 11, head_width=16)
    place = tmp_path_factory.mktemp("tiny")
    card = ModelCard(
        "tiny", "untrained, for tests", network.config, ("thermal",), load_label_set("street"),
        training={"data": "none at all"},
    )  # fmt: skip
    save_model(place, network, card)
    return place


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder)]) == 0
    said = capsys.readouterr().out
    for words in (
        "Model tiny",
        "untrained, for tests",
        "none at all",
        "11 (street): road, lane marking",
        "(checked)",
        "encoder",
        "together",
        f"torch        {torch.__version__}",
    ):
        assert words in said


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["card"]["name"] == "tiny"
    assert [part["name"] for part in told["cost"]["parts"]] == ["encoder", "frm", "ffm", "head"]
    learned = sum(p.numel() for p in build_model("b0", 11, head_width=16).parameters())
    assert told["cost"]["parameters"] == learned
    assert told["machine"]["torch"] == torch.__version__
    assert told["machine"]["cpu_cores"] >= 1


def test_a_damaged_model_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    assert main(["info", str(tmp_path)]) == 2
    assert "has sha256" in capsys.readouterr().err


def test_settings_of_a_sensor(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed as a table with meanings, and as JSON; no model is loaded."""
    assert main(["info", "--settings", "polarization"]) == 0
    said = capsys.readouterr().out
    assert "--set name=value" in said
    assert "layout" in said
    assert "90,45,135,0" in said
    assert "row by row" in said
    assert main(["info", "--settings", "light_field", "--json"]) == 0
    lines = {line["name"]: line for line in json.loads(capsys.readouterr().out)}
    rows = lines["rows"]
    assert (rows["kind"], rows["default"]) == ("whole number or none", "none")
    assert (rows["unit"], rows["accepts"]) == ("views", "1 to 32")
    assert rows["meaning"].startswith("Rows of views")
