# SPDX-License-Identifier: Apache-2.0
"""`segrgbx data check` as a user types it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.files.images import read_rgb, write_png
from segrgbx_ros.cli import main

Captured = pytest.CaptureFixture[str]
RNG = np.random.default_rng(9)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "mfnet"
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    for split, names in {"train": ("1D", "2N"), "test": ("3D", "4N")}.items():
        (root / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            image = RNG.integers(0, 256, (8, 12, 4)).astype(np.uint8)
            cv2.imwrite(str(root / "images" / f"{name}.png"), image)
            labels = RNG.integers(0, 9, (8, 12)).astype(np.uint8)
            write_png(root / "labels" / f"{name}.png", labels)
    return root


def run(root: Path, *argv: str | Path, dataset: str = "mfnet") -> int:
    return main(["data", "check", str(root), "--dataset", dataset, *map(str, argv)])


def test_a_whole_copy_ends_well(root: Path, tmp_path: Path, capsys: Captured) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    assert run(root, "--out", sheet, "--samples", "2") == 0
    told = capsys.readouterr().out
    told += " ".join(told.split())  # a long path wraps its line
    for words in (
        "RGB with thermal",
        "sizes: 12x8 (4)",
        "train          2          784",
        "day 1, night 1",
        "color cone",
        "train has 2 of 784",
        "nothing is missing",
        f"pictures in {sheet}",
    ):
        assert words in told
    assert read_rgb(sheet).shape[1] == 1204
    assert run(root, "--out", sheet) == 2
    assert "sheet.png already exists" in capsys.readouterr().err
    assert run(root, "--out", sheet.with_suffix(".jpg"), "--force") == 0


def test_what_is_odd_gives_status_1(root: Path, capsys: Captured) -> None:
    (root / "labels" / "1D.png").unlink()
    write_png(root / "labels" / "3D.png", np.full((8, 12), 77, np.uint8))
    assert run(root, "--most-bad", "0.5") == 1
    told = capsys.readouterr().out
    assert "odd: samples of train" in told
    assert "lack a file: 1" in told
    assert "3D.png" in told
    assert "77 in 96 pixels" in told
    assert "marked odd" in told


def test_it_stops_beyond_the_share(root: Path, capsys: Captured) -> None:
    for path in (root / "labels").iterdir():
        write_png(path, np.full((8, 12), 77, np.uint8))
    assert run(root) == 1
    assert "label set 'mfnet'" in capsys.readouterr().out


def test_json_holds_the_same(root: Path, capsys: Captured) -> None:
    assert run(root, "--json", "--split", "test") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["clean"] is True
    assert told["splits"][0] == {
        "name": "test",
        "samples": 2,
        "missing": 0,
        "bad": 0,
        "published": 393,
        "conditions": {"day": 1, "night": 1},
        "faults": {},
    }
    assert sum(c["share"] for c in told["classes"]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--dataset", "kitti"], "'kitti' is unknown"),
        (["--dataset", "deliver"], "images/, labels/, test.txt, train.txt; expected DeLiV"),
        (["--split", "val"], "no split 'val'; it has train, test"),
        (["--x", "hha"], "no X 'hha'"),
        (["--depth-scale", "5000"], "depth_scale"),
        (["--most-bad", "3"], "'3' is not a share"),
        (["--out", "sheet.bmp"], "expected .png or .jpg"),
    ],
)
def test_mistakes_are_one_sentence(
    root: Path, argv: list[str], words: str, capsys: Captured
) -> None:
    assert run(root, *argv) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


def test_a_folder_of_ones_own_needs_no_name(tmp_path: Path, capsys: Captured) -> None:
    for kind in ("rgb", "x", "labels"):
        (tmp_path / kind).mkdir()
    write_png(tmp_path / "rgb" / "1.png", np.zeros((8, 12, 3), np.uint8))
    write_png(tmp_path / "x" / "1.png", (29000 + np.arange(96).reshape(8, 12)).astype(np.uint16))
    write_png(tmp_path / "labels" / "1.png", np.zeros((8, 12), np.uint8))
    (tmp_path / "dataset.yaml").write_text("modality: thermal\nlabel_set: street\n")
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "RGB with thermal" in " ".join(capsys.readouterr().out.split())


def test_data_alone_names_its_commands(capsys: Captured) -> None:
    assert main(["data"]) == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.shared_data
def test_the_real_part_is_whole(shared_data: Path, tmp_path: Path, capsys: Captured) -> None:
    sheet = tmp_path / "sheet.png"
    assert run(shared_data / "mfnet", "--out", sheet) == 0
    told = capsys.readouterr().out
    assert "sizes: 640x480 (160)" in told
    assert "day 50, night 50" in told
    assert read_rgb(sheet).shape[1] == 1204
