# SPDX-License-Identifier: Apache-2.0
"""Recordings, datasets and models with hostile names: commands print, draw and score them."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.files.yaml import yaml_text
from segrgbx_core.labels.label_set import LabelClass, LabelSet, load_label_set
from segrgbx_core.weights.store import load_model, save_model
from segrgbx_ros import cli
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import IMAGE, header

Captured = pytest.CaptureFixture[str]
FORGED = "x[/red]\x1b[2J\nsegrgbx: all is well <b>:car:"
SHOWN = "x[/red]\\x1b[2J\\nsegrgbx: all is well <b>:car:"


def named_street(like: LabelSet) -> LabelSet:
    first, *others = like.classes
    return LabelSet(FORGED, (LabelClass(FORGED, first.color), *others))


@pytest.fixture
def hostile_model(small_model: Path, tmp_path: Path) -> Path:
    loaded = load_model(small_model)
    card = replace(
        loaded.card, name=FORGED, description=FORGED, license=FORGED,
        label_set=named_street(loaded.card.label_set), training={FORGED: FORGED},
    )  # fmt: skip
    save_model(tmp_path / "hostile", loaded.model, card)
    return tmp_path / "hostile"


@pytest.fixture
def hostile_dataset(small_dataset: Path, tmp_path: Path) -> Path:
    data = tmp_path / "data[/red]"
    shutil.copytree(small_dataset, data)
    street = named_street(load_label_set("street"))
    classes = [{"name": c.name, "color": list(c.color)} for c in street.classes]
    (data / "own.yaml").write_text(yaml_text({"name": FORGED, "classes": classes}))
    manifest = {"modality": "thermal", "label_set": "own.yaml",
                "conditions": {"000000": FORGED}}  # fmt: skip
    (data / "dataset.yaml").write_text(yaml_text(manifest))
    return data


def check_lines(text: str) -> None:
    """Nothing on a line of its own, and nothing that a terminal obeys."""
    assert "\nsegrgbx: all is well" not in text
    assert all(c.isprintable() for line in text.split("\n") for c in line)


def test_inspect(tmp_path: Path, capsys: Captured) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/rgb[/red]", IMAGE)
        bag.add_topic("/evil\x1b[2J\nforged", IMAGE)
        for k in range(3):
            for topic in ("/rgb[/red]", "/evil\x1b[2J\nforged"):
                msg = image_message(picture, "rgb8", header(10**9 * (k + 1), "rgb"))
                msg.encoding = FORGED if topic.startswith("/evil") else "rgb8"
                bag.write(topic, 10**9 * (k + 1), msg)
    assert cli.main(["inspect", str(tmp_path / "bag")]) == 0
    told = capsys.readouterr()
    check_lines(told.out + told.err)
    assert "/rgb[/red]" in told.out
    assert "\\x1b[2J\\nforged" in told.out


def test_data_check(hostile_dataset: Path, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["data", "check", str(hostile_dataset), "--out", str(tmp_path / "s.png")]) == 0
    told = capsys.readouterr()
    check_lines(told.out + told.err)
    assert "x[/red]\\x1b[2J" in told.out


def test_evaluate(
    hostile_dataset: Path, hostile_model: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "scores"
    argv = ["evaluate", str(hostile_dataset), "--model", str(hostile_model), "--out", str(out)]
    assert cli.main([*argv, "--degrade", "drop=0,0.5"]) == 0
    told = capsys.readouterr()
    check_lines(told.out + told.err)
    assert "x[/red]" in told.out
    page = (out / "report.html").read_text()
    check_lines(page)
    assert "<b>:car" not in page
    assert "x[/red]\\x1b[2J\\nsegrgbx: all is well &lt;b&gt;:car:" in page


def test_info_and_segment(
    hostile_model: Path, small_dataset: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert cli.main(["info", str(hostile_model)]) == 0
    rgb = tmp_path / "a\x1b[2J\nsegrgbx: all is well.png"
    shutil.copy(small_dataset / "rgb" / "000000.png", rgb)
    argv = ["segment", "--rgb", str(rgb), "--model", str(hostile_model)]
    assert cli.main([*argv, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    check_lines(told.out + told.err)


def test_replay_and_its_summary(
    hostile_model: Path, small_drive: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out[/red]\x1b[2J"
    argv = ["replay", str(small_drive), "--modality", "thermal", "--slop", "0.2", "--max-frames"]
    assert cli.main([*argv, "2", "--model", str(hostile_model), "--out", str(out)]) == 0
    assert cli.main(["summary", str(out)]) == 0
    told = capsys.readouterr()
    check_lines(told.out + told.err)
    assert SHOWN in told.out
    check_lines((out / "report.html").read_text())


@pytest.mark.parametrize("name", ["no\nsegrgbx: all is well", "\x1b[2J", "a\udcff.mcap"])
def test_a_refusal_is_one_line(name: str, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["inspect", str(tmp_path / name)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    check_lines(told)
