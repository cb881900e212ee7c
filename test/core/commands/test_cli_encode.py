# SPDX-License-Identifier: Apache-2.0
"""`segrgbx encode` from files to pictures, and its errors for unusable files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.files.events import write_events
from segrgbx_core.files.images import read_rgb, write_png
from segrgbx_core.readings import Events
from segrgbx_ros.cli import main

RNG = np.random.default_rng(7)
Captured = pytest.CaptureFixture[str]
PICTURE = (2 * (23 + 240) + 2, 3 * 320 + 4, 3)


def encode(modality: str, out: Path, *argv: str | Path) -> int:
    return main(["encode", *map(str, argv), "--modality", modality, "--out", str(out)])


def mosaic(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_png(path, RNG.integers(20, 200, (96, 128)).astype(np.uint8))
    return path


def readings(folder: Path) -> dict[str, Path]:
    """One file or folder of each modality."""
    write_png(folder / "thermal.png", RNG.integers(29000, 31000, (48, 64)).astype(np.uint16))
    write_png(folder / "depth.png", RNG.integers(900, 9000, (48, 64)).astype(np.uint16))
    mosaic(folder / "polarization.png")
    x, y = RNG.integers(0, 64, 500), RNG.integers(0, 48, 500)
    window = Events(
        x.astype(np.uint16),
        y.astype(np.uint16),
        RNG.random(500) < 0.5,
        np.sort(RNG.integers(0, 10_000_000, 500)),
        64,
        48,
        0,
        10_000_000,
    )
    write_events(folder / "event.npz", window)
    (folder / "light_field").mkdir()
    view = cv2.resize(RNG.integers(0, 256, (12, 16)).astype(np.uint8), (64, 48))
    for row in (1, 2, 3):
        for column in (1, 2, 3):
            shifted = np.roll(view, -column, axis=1)
            write_png(folder / "light_field" / f"{row}_{column}.png", shifted)
    names = ("thermal", "depth", "polarization", "event", "light_field")
    return {name: next(folder.glob(f"{name}*")) for name in names}


def test_every_modality_makes_a_picture(tmp_path: Path, capsys: Captured) -> None:
    for modality, path in readings(tmp_path).items():
        out = tmp_path / "made" / f"{modality}.png"
        assert encode(modality, out, path) == 0
        assert read_rgb(out).shape == PICTURE
        told = capsys.readouterr().out
        assert path.name in told
        assert "plane 0, 1, 2: medians of" in told
        assert f"1 shown in {out}" in told.replace("\n", "")


def test_several_files_go_into_a_folder(tmp_path: Path, capsys: Captured) -> None:
    files = [mosaic(tmp_path / "x" / f"{name}.png") for name in ("a", "b")]
    assert encode("polarization", tmp_path / "out", *files) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    assert "2 shown in" in capsys.readouterr().out


def test_settings_reach_the_encoding(tmp_path: Path, capsys: Captured) -> None:
    raw = np.full((96, 128), 100, np.uint8)
    raw[::2, ::2], raw[1::2, 1::2] = 60, 140
    write_png(tmp_path / "x.png", raw)
    # DoLP = 80 / 200, w = 0.632, cos 2a = 1 or -1: planes 0.63, 0.5 and 0.82 or 0.18.
    for layout, direction in (("90,45,135,0", "0.82"), ("0,45,135,90", "0.18")):
        out = tmp_path / f"{direction}.jpg"
        assert encode("polarization", out, tmp_path / "x.png", "--set", f"layout={layout}") == 0
        told = capsys.readouterr().out
        assert "0.63" in told
        assert direction in told
    assert out.read_bytes().startswith(b"\xff\xd8")


def test_the_depth_cameras_calibration_serves_hha(tmp_path: Path, capsys: Captured) -> None:
    depth = readings(tmp_path)["depth"]
    camera = tmp_path / "camera.yaml"
    camera.write_text(
        "image_width: 64\nimage_height: 48\n"
        "camera_matrix: {data: [50, 0, 32, 0, 50, 24, 0, 0, 1]}\n"
        "distortion_coefficients: {data: [0, 0, 0, 0, 0]}\n"
    )
    wanted = ("--set", "representation=hha")
    assert encode("depth", tmp_path / "a.png", depth, *wanted, "--x-camera", camera) == 0
    assert "height above ground" in capsys.readouterr().out
    assert encode("depth", tmp_path / "b.png", depth, *wanted) == 2
    assert "--x-camera FILE.yaml" in capsys.readouterr().err


def test_a_bad_file_among_several_is_skipped(tmp_path: Path, capsys: Captured) -> None:
    good, odd = mosaic(tmp_path / "good.png"), tmp_path / "odd.png"
    write_png(odd, np.zeros((5, 4), np.uint8))
    assert encode("polarization", tmp_path / "out", odd, good) == 1
    told = capsys.readouterr()
    assert f"skipped {odd}:" in told.err
    assert "4x5 pixels" in told.err
    assert "1 shown in" in told.out
    assert encode("polarization", tmp_path / "none", odd, tmp_path / "gone.png") == 2
    assert "None of the 2 files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["gone.png", "--out", "c.png"], "gone.png does not exist"),
        (["a.png", "--out", "a.png"], "a.png already exists"),
        (["a.png", "b.png", "--out", "c.png"], "c.png is one picture for 2 files"),
        (["a.png", "x/a.png", "--out", "o"], "the same name"),
        (["a.png", "--out", "full"], "holds files (a.png)"),
        (["a.png", "--out", "c.png", "--set", "layout"], "Setting 'layout'"),
        (["a.png", "--out", "c.png", "--set", "angle=3"], "no setting 'angle'"),
        (["a.png", "--out", "c.png", "--set", "layout=1,2"], "layout '1,2'"),
        (["b.png", "--out", "a.png/c.png"], "Cannot write a.png"),
        (["--out", "c.png"], "FILE"),
    ],
)
def test_mistakes_are_one_sentence(
    argv: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "x/a.png", "full/a.png"):
        mosaic(tmp_path / name)
    assert main(["encode", *argv, "--modality", "polarization"]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert "Traceback" not in told.err
    assert told.err.count("\n") == 1


def test_force_replaces_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "planes.png"
    out.write_bytes(b"old")
    assert encode("polarization", out, mosaic(tmp_path / "x.png"), "--force") == 0
    assert read_rgb(out).shape == PICTURE
