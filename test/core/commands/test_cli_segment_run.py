# SPDX-License-Identifier: Apache-2.0
"""`segrgbx segment` of folders leaves a run: rows, palette masks, and the page."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from segrgbx_core.files.images import read_pixels, write_png
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.runs.folder import read_run
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.cli import main

RNG = np.random.default_rng(5)
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained small model's folder."""
    torch.manual_seed(0)
    network = build_model("b0", 11, head_width=16)
    folder = tmp_path_factory.mktemp("model")
    card = ModelCard(
        "tiny", "untrained", network.config, ("thermal",), load_label_set("street"),
        limits="Knows <nothing> at all.",
    )  # fmt: skip
    save_model(folder, network, card)
    return str(folder)


@pytest.fixture
def pairs(tmp_path: Path) -> list[str]:
    """The arguments for three pairs, the second of them damaged."""
    for stem in ("a", "b", "c"):
        for folder in ("rgb", "x"):
            (tmp_path / folder).mkdir(exist_ok=True)
        write_png(tmp_path / "rgb" / f"{stem}.png", RNG.integers(0, 256, (48, 64, 3), np.uint8))
        counts = RNG.integers(29000, 31000, (24, 32)).astype(np.uint16)
        cv2.imwrite(str(tmp_path / "x" / f"{stem}.png"), counts)
    (tmp_path / "rgb" / "b.png").write_bytes(b"\x89PNG")
    return ["--rgb", str(tmp_path / "rgb"), "--x", str(tmp_path / "x"), "--modality", "thermal"]


def segment(model: str, out: Path, *argv: str) -> int:
    return main(["segment", "--model", model, "--out", str(out), *argv])


def test_folders_leave_a_run(model: str, pairs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert segment(model, out, *pairs, "--set", "invalid=0") == 1
    run = read_run(out)
    assert (run.facts.kind, run.facts.source) == ("segment", str(tmp_path / "rgb"))
    assert run.facts.settings == {"x": str(tmp_path / "x"), "invalid": "0"}
    assert run.counts is None
    assert [(row.index, row.stem, row.status) for row in run.rows] == [
        (0, "a", "segmented"), (None, "b", "skipped"), (1, "c", "segmented"),
    ]  # fmt: skip
    first = run.rows[0]
    assert (first.stamp_ns, first.x_used, first.x_valid) == (None, True, 1.0)
    assert sum(first.shares.values()) == pytest.approx(1, abs=1e-5)
    with Image.open(out / "masks" / "a.png") as mask:
        assert mask.mode == "P"
        assert (np.asarray(mask) == read_pixels(out / "a_mask.png")).all()
    content = json.loads((out / "summary.json").read_text())
    assert content["images"] == {"segmented": 2, "skipped": 1}


def test_they_leave_a_page_without_scores(
    model: str, pairs: list[str], tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    assert segment(model, out, *pairs) == 1
    assert f"look at {out / 'report.html'}" in capsys.readouterr().out
    page = (out / "report.html").read_text("utf-8")
    for words in ("2 images of RGB with thermal", "No scores.", "Knows &lt;nothing&gt; at all.",
                  "1 image could not be segmented."):  # fmt: skip
        assert words in page
    [data] = re.findall(r'id="run-data">(.*?)</script>', page)
    frames = json.loads(data)["frames"]
    assert (frames["stem"], frames["index"]) == (["a", "b", "c"], [0, None, 1])
    assert frames["seconds"] == [None] * 3
    assert frames["dropped"] == ["", "skipped", ""]
    assert page.count('type="application/json" id="frame-') == 2
    assert not (out / "page").exists()


def test_again_with_force_is_the_same_run(model: str, pairs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert segment(model, out, *pairs) == 1
    assert segment(model, out, *pairs) == 2
    assert segment(model, out, *pairs, "--force") == 1
    assert [row.stem for row in read_run(out).rows] == ["a", "b", "c"]


def test_one_pair_leaves_no_page(model: str, pairs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "one"
    assert segment(model, out, *(f"{path}/a.png" if "/" in path else path for path in pairs)) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "a_confidence.png", "a_mask.png", "a_overlay.png",
    ]  # fmt: skip


def test_nothing_segmented_leaves_no_run(model: str, tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    (tmp_path / "rgb" / "a.png").write_text("no image")
    assert segment(model, tmp_path / "out", "--rgb", str(tmp_path / "rgb")) == 2
    assert not (tmp_path / "out").exists()


def test_masks_of_a_run_are_no_input_that_is_replaced(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    masks = tmp_path / "out" / "masks"
    masks.mkdir(parents=True)
    write_png(masks / "a.png", np.zeros((48, 64, 3), np.uint8))
    assert segment(model, tmp_path / "out", "--rgb", str(masks), "--force") == 2
    assert "is an input, and" in capsys.readouterr().err
