# SPDX-License-Identifier: Apache-2.0
"""segment, encode, evaluate, data check and train say what looks wrong, in the node's words."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segrgbx_core import build_model
from segrgbx_core.files.images import write_png
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.training import check_recipe
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros.cli import main

EVEN = "The thermal images are 80 everywhere: check that the lens is open and the driver's range"
SWAPPED = "--set byte_order=swapped"
RNG = np.random.default_rng(2)
RAMP = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint16) * 40
TWO = LabelSet("labels", (LabelClass("ground", (0, 0, 0)), LabelClass("crack", (220, 20, 60))))
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "two"
    torch.manual_seed(0)
    built = build_model("b0", 2)
    save_model(folder, built, ModelCard("two", "untrained", built.config, ("thermal",), TWO))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two samples: one X value everywhere in the first, bytes swapped in the second; labels 0 and
    255."""
    root = tmp_path / "data"
    for kind in ("rgb", "x", "labels"):
        (root / kind).mkdir(parents=True)
    for stem, x in (("1", np.full((48, 64), 80, np.uint8)), ("2", RAMP.byteswap())):
        colours = RNG.integers(0, 256, (48, 64, 3)).astype(np.uint8)
        write_png(root / "rgb" / f"{stem}.png", colours)
        write_png(root / "x" / f"{stem}.png", x)
        write_png(root / "labels" / f"{stem}.png", np.eye(48, 64, dtype=np.uint8) * 255)
    (root / "labels.yaml").write_text(
        "classes:\n  - {name: ground, color: [0, 0, 0]}\n  - {name: crack, color: [220, 20, 60]}\n"
    )
    (root / "dataset.yaml").write_text("modality: thermal\nlabel_set: labels.yaml\n")
    return root


def flat(text: str) -> str:
    return " ".join(text.split())


def test_segment(data: Path, model: Path, tmp_path: Path, capsys: Captured) -> None:
    common = ["--modality", "thermal", "--model", str(model), "--device", "cpu"]
    one = ["--rgb", str(data / "rgb/1.png"), "--x", str(data / "x/1.png")]
    assert main(["segment", *one, *common, "--out", str(tmp_path / "one")]) == 0
    assert f"segrgbx: {EVEN} fits." in flat(capsys.readouterr().err)
    both = ["--rgb", str(data / "rgb"), "--x", str(data / "x")]
    assert main(["segment", *both, *common, "--out", str(tmp_path / "both")]) == 0
    said = flat(capsys.readouterr().err)
    assert f"{EVEN} fits (1 of 2 images looked at)." in said
    assert SWAPPED in said
    second = ["--rgb", str(data / "rgb/2.png"), "--x", str(data / "x/2.png")]
    told = [*common, "--set", "byte_order=swapped", "--out", str(tmp_path / "told")]
    assert main(["segment", *second, *told]) == 0
    assert "swapped" not in capsys.readouterr().err


def test_encode(data: Path, tmp_path: Path, capsys: Captured) -> None:
    out = str(tmp_path / "p.png")
    assert main(["encode", str(data / "x/1.png"), "--modality", "thermal", "--out", out]) == 0
    assert f"segrgbx: {EVEN} fits." in flat(capsys.readouterr().err)


def test_a_refusal_does_not_hide_the_doubt(tmp_path: Path, capsys: Captured) -> None:
    write_png(tmp_path / "d.png", RAMP[:, :-1].byteswap())
    given = ["encode", str(tmp_path / "d.png"), "--modality", "depth", "--set", "unit=m"]
    assert main([*given, "--out", str(tmp_path / "p.png")]) == 2
    said = flat(capsys.readouterr().err)
    assert SWAPPED in said
    assert "depth cameras measure" in said


def test_evaluate(data: Path, model: Path, capsys: Captured) -> None:
    assert main(["evaluate", str(data), "--model", str(model), "--device", "cpu"]) == 0
    said = flat(capsys.readouterr().err)
    assert f"{EVEN} fits (1 of 2 images looked at)." in said
    assert SWAPPED in said
    assert "set labels: binary in dataset.yaml" in said


def test_data_check(data: Path, capsys: Captured) -> None:
    assert main(["data", "check", str(data)]) == 1
    said = flat(capsys.readouterr().out)
    assert f"odd: samples with one X value everywhere: 1 {data / 'x/1.png'}: {EVEN} fits." in said
    assert "odd: samples with X bytes in the other order: 1" in said
    assert "odd: labels that look like black-and-white masks: 1" in said


def frozen(root: Path, which: str) -> Path:
    """Seven samples with the same image of one camera from the second on."""
    for kind in ("rgb", "x", "labels"):
        (root / kind).mkdir(parents=True)
    for k in range(7):
        noise = np.random.default_rng(1 if which == "rgb" and k else k)
        write_png(root / f"rgb/{k}.png", noise.integers(0, 256, (48, 64, 3)).astype(np.uint8))
        write_png(root / f"x/{k}.png", RAMP + (1 if which == "x" and k else k) % 7)
        write_png(root / f"labels/{k}.png", np.eye(48, 64, dtype=np.uint8))
    (root / "labels.yaml").write_text(
        "classes:\n  - {name: ground, color: [0, 0, 0]}\n  - {name: crack, color: [220, 20, 60]}\n"
    )
    (root / "dataset.yaml").write_text("modality: thermal\nlabel_set: labels.yaml\n")
    return root


@pytest.mark.parametrize(("which", "what"), [("rgb", "RGB"), ("x", "thermal")])
def test_a_frozen_camera(
    tmp_path: Path, model: Path, capsys: Captured, which: str, what: str
) -> None:
    root = frozen(tmp_path / "data", which)
    words = f"The {what} images repeat the one before to the last bit, as those of a frozen camera"
    counted = "looks so (5 of 7 images looked at)."
    common = ["--model", str(model), "--device", "cpu"]
    pairs = ["--rgb", str(root / "rgb"), "--x", str(root / "x"), "--modality", "thermal"]
    assert main(["segment", *pairs, *common, "--out", str(tmp_path / "out")]) == 0
    said = flat(capsys.readouterr().err)
    assert words in said
    assert counted in said
    assert main(["evaluate", str(root), *common]) == 0
    assert counted in flat(capsys.readouterr().err)
    assert main(["data", "check", str(root)]) == 1
    said = flat(capsys.readouterr().out)
    kind = "samples with the same RGB image as before" if what == "RGB" else "the same X as before"
    assert f"{kind}: 5 {root / which / '5.png'}: {words}" in said
    if which == "x":
        files = sorted(map(str, (root / "x").iterdir()))
        assert main(["encode", *files, "--modality", "thermal", "--out", str(tmp_path / "p")]) == 0
        assert counted in flat(capsys.readouterr().err)


def test_train(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: masks\ndescription: of masks\nseed: 1\nshort_side: 64\n"
        "model: {preset: b0, num_classes: 2, modalities: [thermal]}\n"
        "augment: {crop: [64, 64]}\n"
        "optimiser: {steps: 2, batch: 2}\n"
        f"data: {{train: [{{folder: {data}}}], validation: [{{folder: {data}}}]}}\n"
    )
    check = check_recipe(recipe, "cpu", steps=1)
    assert not check.learnt
    assert f"but the labels look wrong: {data}: The labels are 0 (ground) and 255" in check.text
    assert "the recipe can learn" not in check.text
