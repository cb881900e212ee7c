# SPDX-License-Identifier: Apache-2.0
"""`segrgbx segment` from files to files, and its errors for unusable files."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segrgbx_core.files.events import write_events
from segrgbx_core.files.images import read_rgb, write_png
from segrgbx_core.labels.images import numbers_in
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.labels.union import load_membership
from segrgbx_core.modality import MODALITIES
from segrgbx_core.model import build_model
from segrgbx_core.readings import Events
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
    assert numbers_in(out / "a_mask.png").shape == (48, 64)
    assert numbers_in(out / "a_mask.png").max() < 11
    assert numbers_in(out / "a_confidence.png").max() > 0
    assert read_rgb(out / "a_overlay.png").shape == (48, 64, 3)
    said = capsys.readouterr().out
    assert "a     64x48" in said
    assert "1 segmented" in said
    assert str(out) in said


def test_rgb_alone(model: str, tmp_path: Path) -> None:
    assert segment(model, tmp_path / "out", "--rgb", write_rgb(tmp_path / "a.png")) == 0
    assert len(names(tmp_path / "out")) == 3


def test_x_changes_the_result(model: str, tmp_path: Path) -> None:
    rgb, x = write_rgb(tmp_path / "a.png"), write_x(tmp_path / "b.png")
    segment(model, tmp_path / "alone", "--rgb", rgb)
    segment(model, tmp_path / "both", "--rgb", rgb, "--x", x, "--modality", "thermal")
    masks = [numbers_in(tmp_path / d / "a_confidence.png") for d in ("alone", "both")]
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
    one = numbers_in(tmp_path / "o1" / "four_mask.png")
    np.testing.assert_array_equal(one, numbers_in(tmp_path / "o2" / "a_mask.png"))


def test_folders_pair_by_stem_and_name_the_rest(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    for stem in ("a", "b", "lonely"):
        write_rgb(tmp_path / "rgb" / f"{stem}.png")
    for name in ("a.npy", "b.tiff", "other.png"):
        write_x(tmp_path / "x" / name)
    folders = ("--rgb", tmp_path / "rgb", "--x", tmp_path / "x", "--modality", "thermal")
    assert segment(model, tmp_path / "out", *folders) == 0
    assert [n for n in names(tmp_path / "out") if "_mask" in n] == ["a_mask.png", "b_mask.png"]
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
    assert captured.err.startswith(f"segrgbx: skipped b: {tmp_path / 'rgb' / 'b.png'} ")
    assert "truncated" in captured.err
    assert captured.err.count("\n") == 1
    assert "2 segmented, 1 skipped" in captured.out
    assert len([n for n in names(tmp_path / "out") if n.endswith(".png")]) == 6


def test_only_bad_files_is_a_mistake(model: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "rgb").mkdir()
    (tmp_path / "rgb" / "a.png").write_text("no image")
    assert segment(model, tmp_path / "out", "--rgb", tmp_path / "rgb") == 2
    assert "None of the 1 files" in capsys.readouterr().err


def test_an_occupied_output_folder_is_left_as_it_is(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    rgb, out = write_rgb(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    (out / "a_mask.png").write_text("mine")
    assert segment(model, out, "--rgb", rgb) == 2
    assert f"{out} already holds files (a_mask.png)" in capsys.readouterr().err
    assert (out / "a_mask.png").read_text() == "mine"
    assert segment(model, out, "--rgb", rgb, "--force") == 0
    assert numbers_in(out / "a_mask.png").shape == (48, 64)


def test_a_full_disk_ends_it_with_status_1(
    model: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb, out = write_rgb(tmp_path / "a.png"), tmp_path / "out"

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert segment(model, out, "--rgb", rgb) == 1
    told = capsys.readouterr().err
    assert told.startswith("segrgbx: ")
    assert f"{out / 'a_mask.png'} is full" in told
    assert "incomplete" in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_sentences_for_what_cannot_be_paired(model: str, tmp_path: Path, capsys: Captured) -> None:
    rgb, x = write_rgb(tmp_path / "rgb" / "a.png"), write_x(tmp_path / "x" / "b.png")
    (tmp_path / "empty").mkdir()
    write_rgb(tmp_path / "twice" / "a.png")
    (tmp_path / "twice" / "a.tif").touch()
    thermal = ("--modality", "thermal")
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        ((), "or as --rgbx"),
        (("--rgb", rgb, "--rgbx", rgb, *thermal), "or as --rgbx"),
        (("--rgbx", rgb, "--x", x, *thermal), "leave --x out"),
        (("--rgb", rgb, "--x", x), "without --modality"),
        (("--rgb", rgb, *thermal), "--modality thermal was given without"),
        (("--rgb", tmp_path / "none.png"), "none.png does not exist"),
        (("--rgb", rgb, "--x", tmp_path / "none", *thermal), "none does not exist"),
        (("--rgb", rgb.parent, "--x", x, *thermal), "is a folder and"),
        (("--rgb", rgb.parent, "--x", x.parent, *thermal), "a and b); pairs need"),
        (("--rgb", tmp_path / "empty"), "empty holds no image; expected"),
        (("--rgb", tmp_path / "twice"), "both a.png and a.tif"),
        (("--rgbx", rgb, *thermal), "3 channels; --rgbx"),
        (("--rgb", x), "a grey image"),
        (("--rgb", rgb, "--device", "toaster"), "'toaster' is unknown"),
        (("--rgb", rgb, "--precision", "int3"), "'int3' is unknown"),
        (
            ("--rgb", rgb, "--x", write_x(tmp_path / "wide.png", 64, 24), *thermal),
            "64x24 and the RGB image 64x48",
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
    assert "'no_such_model' was not found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def knows_all(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained small model's folder, for every sensor."""
    torch.manual_seed(0)
    network = build_model("b0", 11, head_width=16)
    folder = tmp_path_factory.mktemp("all")
    card = ModelCard(
        "all", "untrained", network.config, tuple(MODALITIES), load_label_set("street")
    )
    save_model(folder, network, card)
    return str(folder)


def write_reading(place: Path, modality: str) -> Path:
    """Writes one reading of 32x24 pixels in the modality's file layout; returns its path."""
    place.parent.mkdir(exist_ok=True)
    bytes_ = RNG.integers(0, 200, (24, 32)).astype(np.uint8)
    if modality == "event":
        path = place.with_suffix(".npz")
        at = np.arange(20)
        write_events(
            path,
            Events(
                at.astype(np.uint16),
                at.astype(np.uint16),
                at % 2 == 0,
                at * 1000,
                32,
                24,
                0,
                10**8,
            ),
        )
        return path
    if modality == "polarization":
        place.mkdir()
        for angle in ("0", "45", "90", "135"):
            write_png(place / f"{angle}.png", np.roll(bytes_, int(angle)))
        return place
    if modality == "light_field":
        place.mkdir()
        for row, column in np.ndindex(3, 3):
            write_png(place / f"{row}_{column}.png", np.roll(bytes_, -column, 1))
        return place
    return write_x(place.with_suffix(".png"))


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_sensor_as_one_pair_and_in_folders(
    knows_all: str, tmp_path: Path, modality: str, capsys: Captured
) -> None:
    scale = ("--set", "unit=mm") if modality == "depth" else ()
    for stem in ("a", "b"):
        write_rgb(tmp_path / "rgb" / f"{stem}.png")
        write_reading(tmp_path / "x" / stem, modality)
    one = next(path for path in (tmp_path / "x").iterdir() if path.stem == "a")
    pair = ("--rgb", tmp_path / "rgb" / "a.png", "--x", one, "--modality", modality, *scale)
    assert segment(knows_all, tmp_path / "one", *pair) == 0
    assert "X valid" in capsys.readouterr().out
    folders = ("--rgb", tmp_path / "rgb", "--x", tmp_path / "x", "--modality", modality, *scale)
    assert segment(knows_all, tmp_path / "many", *folders) == 0
    assert [n for n in names(tmp_path / "many") if "_mask" in n] == ["a_mask.png", "b_mask.png"]
    for name in ("a_mask.png", "a_confidence.png"):
        np.testing.assert_array_equal(
            numbers_in(tmp_path / "one" / name), numbers_in(tmp_path / "many" / name)
        )


def test_a_tiled_light_field_equals_its_views(knows_all: str, tmp_path: Path) -> None:
    rgb = write_rgb(tmp_path / "a.png")
    views = write_reading(tmp_path / "views", "light_field")
    rows = [
        np.hstack([numbers_in(views / f"{row}_{column}.png") for column in range(3)])
        for row in range(3)
    ]
    write_png(tmp_path / "tiled.png", np.vstack(rows))
    common = ("--rgb", rgb, "--modality", "light_field")
    assert segment(knows_all, tmp_path / "o1", *common, "--x", views) == 0
    tiled = ("--x", tmp_path / "tiled.png", "--set", "rows=3", "--set", "columns=3")
    assert segment(knows_all, tmp_path / "o2", *common, *tiled) == 0
    np.testing.assert_array_equal(
        numbers_in(tmp_path / "o1" / "a_confidence.png"),
        numbers_in(tmp_path / "o2" / "a_confidence.png"),
    )


def test_settings_and_alignment_change_the_result(model: str, tmp_path: Path) -> None:
    rgb, x = write_rgb(tmp_path / "a.png"), write_x(tmp_path / "b.png")
    (tmp_path / "h.yaml").write_text("matrix: [1.0, 0, 16, 0, 1.0, 12, 0, 0, 1]")
    common = ("--rgb", rgb, "--x", x, "--modality", "thermal")
    results = []
    for name, more in (
        ("plain", ()),
        ("range", ("--set", "clip_min=20000", "--set", "clip_max=40000")),
        ("aligned", ("--homography", tmp_path / "h.yaml")),
    ):
        assert segment(model, tmp_path / name, *common, *more) == 0
        results.append(numbers_in(tmp_path / name / "a_confidence.png"))
    assert (results[0] != results[1]).any()
    assert (results[0] != results[2]).any()


def test_stills_do_not_remember_each_other(model: str, tmp_path: Path) -> None:
    """The thermal range of a video is smoothed, but a folder's images are not a video."""
    for stem in ("a", "b"):
        write_rgb(tmp_path / "rgb" / f"{stem}.png")
        write_x(tmp_path / "x" / f"{stem}.png")
    hot = (RNG.integers(29000, 31000, (24, 32)) * 2).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "x" / "a.png"), hot)
    both = ("--rgb", tmp_path / "rgb", "--x", tmp_path / "x", "--modality", "thermal")
    alone = ("--rgb", tmp_path / "rgb/b.png", "--x", tmp_path / "x/b.png", "--modality", "thermal")
    assert segment(model, tmp_path / "o1", *both) == 0
    assert segment(model, tmp_path / "o2", *alone) == 0
    np.testing.assert_array_equal(
        numbers_in(tmp_path / "o1" / "b_confidence.png"),
        numbers_in(tmp_path / "o2" / "b_confidence.png"),
    )


def test_a_label_set_of_a_union(tmp_path: Path, capsys: Captured) -> None:
    union = load_membership("mfnet").unified
    torch.manual_seed(0)
    network = build_model("b0", len(union), head_width=16)
    save_model(
        tmp_path / "m", network, ModelCard("u", "untrained", network.config, ("thermal",), union)
    )
    rgb = write_rgb(tmp_path / "a.png")
    argv = (str(tmp_path / "m"), tmp_path / "out", "--rgb", rgb)
    assert segment(*argv, "--label-set", "mfnet") == 0
    assert numbers_in(tmp_path / "out" / "a_mask.png").max() < len(load_label_set("mfnet"))
    capsys.readouterr()
    assert segment(*argv, "--force", "--label-set", "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


def test_sentences_about_the_sensor(model: str, tmp_path: Path, capsys: Captured) -> None:
    rgb, x = write_rgb(tmp_path / "a.png"), write_x(tmp_path / "b.png")
    pair = ("--rgb", rgb, "--x", x, "--modality")
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        ((*pair, "thermal", "--set", "hue=1"), "no setting 'hue'"),
        ((*pair, "thermal", "--set", "unit=celsius"), "celsius"),
        ((*pair, "thermal", "--align", "homography"), "give --homography FILE.yaml"),
        ((*pair, "thermal", "--extrinsic", x), "UTF-8"),
        ((*pair, "thermal", "--align", "reproject"), "cannot be reprojected"),
        ((*pair, "thermal", "--homography", x), "UTF-8"),
        (("--rgb", rgb, "--set", "unit=mm"), "--set and --align"),
        ((*pair, "depth"), "thermal, not with depth"),
    ]
    for argv, words in cases:
        assert segment(model, tmp_path / "out", *argv) == 2
        assert words in capsys.readouterr().err
