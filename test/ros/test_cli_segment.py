# SPDX-License-Identifier: Apache-2.0
"""`segrgbx segment` from files to files, and what it says of the files it cannot use."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segrgbx_core.image_files import read_labels, read_rgb, write_png
from segrgbx_core.labels import load_label_set
from segrgbx_core.model import ModelCard, build_model, save_model
from segrgbx_ros.cli import main

RNG = np.random.default_rng(5)
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained small model's folder."""
    torch.manual_seed(0)
    network = build_model("b0", 10, head_width=16)
    folder = tmp_path_factory.mktemp("model")
    card = ModelCard("tiny", "untrained", network.config, ("thermal",), load_label_set("street"))
    save_model(folder, network, card)
    return str(folder)


def write_rgb(path: Path, width: int = 64, height: int = 48) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_png(path, RNG.integers(0, 256, (height, width, 3)).astype(np.uint8))
    return path


def write_x(path: Path, width: int = 32, height: int = 24) -> Path:
    path.parent.mkdir(exist_ok=True)
    counts = RNG.integers(29000, 31000, (height, width)).astype(np.uint16)
    if path.suffix == ".npy":
        np.save(path, counts)
    else:
        cv2.imwrite(str(path), counts)
    return path


def segment(model: str, out: Path, *argv: str | Path) -> int:
    return main(["segment", "--model", model, "--out", str(out), *map(str, argv)])


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("ending", [".png", ".tiff", ".npy"])
def test_one_pair(model: str, tmp_path: Path, ending: str, capsys: Captured) -> None:
    rgb, x = write_rgb(tmp_path / "a.png"), write_x(tmp_path / f"b{ending}")
    out = tmp_path / "out"
    assert segment(model, out, "--rgb", rgb, "--x", x, "--modality", "thermal") == 0
    assert names(out) == ["a_confidence.png", "a_mask.png", "a_overlay.png"]
    assert read_labels(out / "a_mask.png").shape == (48, 64)
    assert read_labels(out / "a_mask.png").max() < 10
    assert read_labels(out / "a_confidence.png").max() > 0
    assert read_rgb(out / "a_overlay.png").shape == (48, 64, 3)
    said = capsys.readouterr().out
    assert "a     64x48" in said
    assert f"1 segmented; masks, confidences and overlays are in {out}" in said


def test_rgb_alone(model: str, tmp_path: Path) -> None:
    assert segment(model, tmp_path / "out", "--rgb", write_rgb(tmp_path / "a.png")) == 0
    assert len(names(tmp_path / "out")) == 3


def test_x_changes_the_result(model: str, tmp_path: Path) -> None:
    rgb, x = write_rgb(tmp_path / "a.png"), write_x(tmp_path / "b.png")
    segment(model, tmp_path / "alone", "--rgb", rgb)
    segment(model, tmp_path / "both", "--rgb", rgb, "--x", x, "--modality", "thermal")
    masks = [read_labels(tmp_path / d / "a_confidence.png") for d in ("alone", "both")]
    assert (masks[0] != masks[1]).any()


def test_rgbx_equals_separate_files(model: str, tmp_path: Path) -> None:
    rgb = read_rgb(write_rgb(tmp_path / "a.png"))
    x = RNG.integers(0, 256, (48, 64)).astype(np.uint8)
    write_png(tmp_path / "x.png", x)
    cv2.imwrite(str(tmp_path / "four.png"), np.dstack([rgb[..., ::-1], x]))
    assert segment(
        model, tmp_path / "o1", "--rgbx", tmp_path / "four.png", "--modality", "thermal"
    ) == 0  # fmt: skip
    pair = ("--rgb", tmp_path / "a.png", "--x", tmp_path / "x.png", "--modality", "thermal")
    assert segment(model, tmp_path / "o2", *pair) == 0
    one = read_labels(tmp_path / "o1" / "four_mask.png")
    np.testing.assert_array_equal(one, read_labels(tmp_path / "o2" / "a_mask.png"))


def test_folders_pair_by_stem_and_name_the_rest(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    for stem in ("a", "b", "lonely"):
        write_rgb(tmp_path / "rgb" / f"{stem}.png")
    for name in ("a.npy", "b.tiff", "other.png"):
        write_x(tmp_path / "x" / name)
    folders = ("--rgb", tmp_path / "rgb", "--x", tmp_path / "x", "--modality", "thermal")
    assert segment(model, tmp_path / "out", *folders) == 0
    assert [n for n in names(tmp_path / "out") if "mask" in n] == ["a_mask.png", "b_mask.png"]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"1 unmatched in {tmp_path / 'rgb'} (left out): lonely",
        f"1 unmatched in {tmp_path / 'x'} (left out): other",
    ]


def test_a_bad_file_among_good_ones_is_reported_and_the_rest_done(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    for stem in ("a", "b", "c"):
        write_rgb(tmp_path / "rgb" / f"{stem}.png")
        write_x(tmp_path / "x" / f"{stem}.png")
    whole = (tmp_path / "rgb" / "b.png").read_bytes()
    (tmp_path / "rgb" / "b.png").write_bytes(whole[:-40])
    folders = ("--rgb", tmp_path / "rgb", "--x", tmp_path / "x", "--modality", "thermal")
    assert segment(model, tmp_path / "out", *folders) == 1
    captured = capsys.readouterr()
    assert captured.err == (
        f"segrgbx: skipped b: {tmp_path / 'rgb' / 'b.png'} cannot be decoded as an image; it is "
        "truncated, damaged or of another format.\n"
    )
    assert "2 segmented, 1 skipped" in captured.out
    assert len(names(tmp_path / "out")) == 6


def test_only_bad_files_is_a_mistake(model: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "rgb").mkdir()
    (tmp_path / "rgb" / "a.png").write_text("no image")
    assert segment(model, tmp_path / "out", "--rgb", tmp_path / "rgb") == 2
    assert "None of the 1 files could be segmented" in capsys.readouterr().err


def test_an_occupied_output_folder_is_left_as_it_is(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    rgb, out = write_rgb(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    (out / "a_mask.png").write_text("mine")
    assert segment(model, out, "--rgb", rgb) == 2
    assert f"{out} already holds files (a_mask.png); choose another" in capsys.readouterr().err
    assert (out / "a_mask.png").read_text() == "mine"
    assert segment(model, out, "--rgb", rgb, "--force") == 0
    assert read_labels(out / "a_mask.png").shape == (48, 64)


def test_a_full_disk_ends_it_with_status_1(
    model: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb, out = write_rgb(tmp_path / "a.png"), tmp_path / "out"

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert segment(model, out, "--rgb", rgb) == 1
    assert capsys.readouterr().err == (
        f"segrgbx: The disk that holds {out / 'a_mask.png'} is full, so the results are "
        "incomplete; free some space or choose another output folder, and run again.\n"
    )
    assert names(out) == []


def test_sentences_for_what_cannot_be_paired(model: str, tmp_path: Path, capsys: Captured) -> None:
    rgb, x = write_rgb(tmp_path / "rgb" / "a.png"), write_x(tmp_path / "x" / "b.png")
    (tmp_path / "empty").mkdir()
    write_rgb(tmp_path / "twice" / "a.png")
    (tmp_path / "twice" / "a.tif").touch()
    thermal = ("--modality", "thermal")
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        ((), "Give the images either as --rgb (with or without --x) or as --rgbx."),
        (("--rgb", rgb, "--rgbx", rgb, *thermal), "either as --rgb (with or without --x) or as"),
        (("--rgbx", rgb, "--x", x, *thermal), "--rgbx holds the X reading already; leave --x out"),
        (("--rgb", rgb, "--x", x), "was given without --modality; add --modality thermal, say."),
        (("--rgb", rgb, *thermal), "--modality thermal was given without an X reading; add --x"),
        (("--rgb", tmp_path / "none.png"), "none.png does not exist; check the path."),
        (("--rgb", rgb, "--x", tmp_path / "none", *thermal), "none does not exist; check"),
        (("--rgb", rgb.parent, "--x", x, *thermal), "is a folder and"),
        (
            ("--rgb", rgb.parent, "--x", x.parent, *thermal),
            "(say a and b); pairs need equal names",
        ),
        (("--rgb", tmp_path / "empty"), "empty holds no image; expected files ending .png, .jpg"),
        (("--rgb", tmp_path / "twice"), "holds both a.png and a.tif; stems must differ"),
        (("--rgbx", rgb, *thermal), "has 3 channels; --rgbx expects four (red, green, blue, X)"),
        (("--rgb", x), "is a grey image; the RGB image needs three channels"),
        (("--rgb", rgb, "--device", "toaster"), "Device 'toaster' is unknown"),
        (("--rgb", rgb, "--precision", "int3"), "Precision 'int3' is unknown"),
        (
            ("--rgb", rgb, "--x", write_x(tmp_path / "wide.png", 64, 24), *thermal),
            "The thermal image is 64x24 and the RGB image 64x48, whose aspect ratios differ",
        ),
    ]
    for i, (argv, words) in enumerate(cases):
        assert segment(model, tmp_path / f"out{i}", *argv) == 2, argv
        captured = capsys.readouterr()
        assert words in captured.err
        assert captured.err.startswith("segrgbx: ")
        assert captured.err.count("\n") == 1
        assert captured.out == ""


def test_a_missing_model_is_said(tmp_path: Path, capsys: Captured) -> None:
    rgb = write_rgb(tmp_path / "a.png")
    assert segment("no_such_model", tmp_path / "out", "--rgb", rgb) == 2
    assert "Model 'no_such_model' was not found; shipped models:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
