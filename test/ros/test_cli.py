# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: help, exit statuses, and one sentence per error."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from segrgbx_core.commands import info
from segrgbx_core.errors import InputError
from segrgbx_core.files.disk import DiskFullError
from segrgbx_core.files.resources import version
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.model import build_model
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import save_model
from segrgbx_ros import cli

NAMES = ("scenes", "inspect", "segment", "replay", "summary", "compare", "info", "train")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an untrained small model."""
    torch.manual_seed(0)
    network = build_model("b0", 11, head_width=16)
    folder = tmp_path_factory.mktemp("model")
    card = ModelCard("tiny", "untrained", network.config, ("thermal",), load_label_set("street"))
    save_model(folder, network, card)
    return str(folder)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bag of a short drive, made by the command."""
    out = tmp_path_factory.mktemp("made") / "drive"
    argv = ["scenes", str(out), "--seconds", "1", "--rate", "6", "--size", "64x48"]
    assert cli.main([*argv, "--conditions", "day,night"]) == 0
    return out


def replay(bag: Path, model: str, out: Path, *more: str) -> int:
    argv = ["replay", str(bag), "--modality", "thermal", "--model", model, "--out", str(out)]
    return cli.main([*argv, *more])


def refuse_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes `segrgbx info` raise."""

    def run(_: object) -> int:
        raise error

    monkeypatch.setattr(info, "run", run)


@pytest.mark.parametrize("name", NAMES)
def test_each_help_ends_with_an_example_that_parses(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-1].split()
    assert last[:2] == ["segrgbx", name]
    assert cli.build_parser().parse_args(last[1:]).command == name


def test_replay_tells_the_sensor(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--set and --homography reach the encoder: a range without values changes the masks."""
    (tmp_path / "h.yaml").write_text("matrix: [2, 0, 0, 0, 2, 0, 0, 0, 1]")
    told = (
        "--set",
        "clip_min=20000",
        "--set",
        "clip_max=40000",
        "--homography",
        str(tmp_path / "h.yaml"),
    )
    summaries = []
    for name, more in (("plain", ()), ("told", told)):
        assert replay(drive, model, tmp_path / name, "--slop", "0.2", *more) == 0
        summaries.append(json.loads((tmp_path / name / "summary.json").read_text()))
    assert summaries[0]["mean_confidence"] != summaries[1]["mean_confidence"]
    assert replay(drive, model, tmp_path / "bad", "--set", "hue=1") == 2
    assert "Thermal has no setting 'hue'" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"segrgbx {version()}\n"


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom segrgbx_ros.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(', '.join(m for m in ('torch', 'cv2', 'rosbags') if m in sys.modules) or 0)"
    )
    root = Path(cli.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_needs_no_recording_imports_no_rosbags(model: str, tmp_path: Path) -> None:
    """Scenes as a dataset, segment, encode and info run without rosbags."""
    data, x = tmp_path / "data", tmp_path / "data" / "x" / "000000.png"
    rgb = data / "rgb" / "000000.png"
    made = ["scenes", str(data), "--format", "dataset", "--seconds", "0.2", "--size", "64x48"]
    of_x = ["--model", model, "--modality", "thermal", "--out", str(tmp_path / "s")]
    calls = (
        made,
        ["segment", "--rgb", str(rgb), "--x", str(x), *of_x],
        ["encode", str(x), "--modality", "thermal", "--out", str(tmp_path / "planes.png")],
        ["info", "--settings", "thermal"],
    )
    code = (
        "import sys\nsys.modules['rosbags'] = None\nfrom segrgbx_ros.cli import main\n"
        f"sys.exit(max(main(argv) for argv in {calls!r}))"
    )
    root = Path(cli.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "s" / "000000_mask.png").is_file()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "the following arguments are required: COMMAND; `segrgbx --help`"),
        (["fly"], "invalid choice: 'fly'"),
        (["segment", "--rgb", "a.png"], "required: --out; `segrgbx segment --help`"),
        (["scenes", "out", "--size", "640"], "'640' is not a size like 640x480"),
        (["scenes", "out", "--seconds", "nan"], "'nan' is not a finite number"),
        (["scenes", "out", "--seconds", "x"], "argument --seconds: invalid number value: 'x'"),
        (["scenes", "out", "--storage", "zip"], "invalid choice: 'zip'"),
    ],
)
def test_wrong_arguments_are_one_line_and_status_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("segrgbx: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("No."), 2, "segrgbx: No.\n"),
        (DiskFullError("Full."), 1, "segrgbx: Full.\n"),
        (KeyboardInterrupt(), 130, "segrgbx: interrupted; files that were finished are kept.\n"),
    ],
)
def test_what_stops_a_command_decides_the_status(
    error: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refuse_with(monkeypatch, error)
    assert cli.main(["info"]) == status
    assert capsys.readouterr().err == said


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_with(monkeypatch, ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError, match="a defect"):
        cli.main(["info"])


def test_scene_settings_out_of_bounds_are_said_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["scenes", str(out), "--seconds", "-1"]) == 2
    assert "Scene seconds is -1.0; expected" in capsys.readouterr().err
    assert cli.main(["scenes", str(out), "--conditions", "day,hail"]) == 2
    assert "Scene conditions hail are not known" in capsys.readouterr().err
    assert not out.exists()


def test_a_dataset_of_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["scenes", str(tmp_path / "set"), "--format", "dataset", "--seconds", "0.2"]
    argv += ["--size", "64x48", "--conditions", "night"]
    assert cli.main(argv) == 0
    assert capsys.readouterr().out == f"2 labelled pairs in {tmp_path / 'set'}\n"
    for kind in ("rgb", "x", "labels"):
        assert len(list((tmp_path / "set" / kind).iterdir())) == 2
    assert (tmp_path / "set" / "dataset.yaml").is_file()
    assert cli.main(argv) == 2
    assert "holds files (dataset.yaml, labels, rgb and 1 more)" in capsys.readouterr().err
    assert cli.main([*argv, "--force"]) == 0


@pytest.mark.parametrize("kind", ["dataset", "bag"])
def test_memory_that_runs_out_in_a_drive_is_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    def run_out(*_: object) -> None:
        raise MemoryError("Unable to allocate 192. MiB")

    monkeypatch.setattr("segrgbx_core.scenes.Drive.rgb_at", run_out)
    out = tmp_path / "out"
    assert cli.main(["scenes", str(out), "--format", kind, "--size", "64x48"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("segrgbx: Memory ran out ")
    assert f" 64x48 into {out}; " in said
    assert said.endswith("smaller --size.\n")


def test_scenes_of_the_same_seed_are_the_same_bytes(drive: Path, tmp_path: Path) -> None:
    again = tmp_path / "drive"
    argv = ["scenes", str(again), "--seconds", "1", "--rate", "6", "--size", "64x48"]
    assert cli.main([*argv, "--conditions", "day,night"]) == 0
    names = sorted(path.name for path in again.iterdir())
    assert names == ["drive.mcap", "metadata.yaml"]
    assert (again / "drive.mcap").read_bytes() == (drive / "drive.mcap").read_bytes()


def test_force_replaces_a_bag_and_keeps_what_else_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bag"
    argv = ["scenes", str(out), "--seconds", "0.5", "--rate", "4", "--size", "64x48"]
    argv += ["--storage", "sqlite3"]
    assert cli.main(argv) == 0
    (out / "notes.txt").write_text("mine")
    assert cli.main(argv) == 2
    assert f"{out} already holds files (bag.db3, metadata.yaml, notes.txt)" in (
        capsys.readouterr().err
    )
    assert cli.main([*argv, "--force"]) == 0
    assert (out / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in out.iterdir()) == ["bag.db3", "metadata.yaml", "notes.txt"]


def test_replay_leaves_everything_and_tells_it(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert replay(drive, model, out) == 0
    told = json.loads((out / "summary.json").read_text())
    segmented = told["frames"]["segmented"]
    assert segmented >= 3
    assert len(list((out / "overlays").iterdir())) == segmented
    assert "<!doctype html>" in (out / "report.html").read_text("utf-8")
    said = capsys.readouterr().out
    for words in (
        "RGB           /rgb/image_raw",
        "X             /thermal/image_raw",
        "ground truth  /ground_truth/mask",
        f"6 RGB and {told['frames']['x_in']} thermal",
        f"look at {out / 'report.html'}",
    ):
        assert words in said
    assert cli.main(["summary", str(out)]) == 0
    assert capsys.readouterr().out.strip() in said


def test_a_replay_that_misses_a_threshold_ends_with_one(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bounds, junit = tmp_path / "out", tmp_path / "t.yaml", tmp_path / "junit.xml"
    given = ("--fail-under", str(bounds), "--junit", str(junit))
    bounds.write_text("{miou: 0.99, segmented: 0.1}")

    assert replay(drive, model, out, *given) == 1

    miou = json.loads((out / "summary.json").read_text())["miou"]
    sentence = f"segrgbx: t.yaml: mIoU is {miou:.3f}; expected at least 0.990."
    assert sentence in capsys.readouterr().err
    [suite] = ElementTree.parse(junit).getroot()
    assert [case.find("failure") is None for case in suite] == [False, True]
    assert cli.main(["summary", str(out), *given]) == 1
    bounds.write_text(f"{{miou: {miou}, latency_p95_ms: 1e9, ece: 1, gain: -1}}")
    assert cli.main(["summary", str(out), *given]) == 0
    bounds.write_text("loss: {miou: 0}")
    assert replay(drive, model, tmp_path / "none", *given) == 2
    assert "segrgbx compare BEFORE AFTER" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert cli.main(["compare", str(out), str(out), "--resamples", "100"]) == 0
    assert "is equal to" in capsys.readouterr().out


def test_replay_of_a_truncated_bag_is_done_in_part(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (drive / "drive.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole[: len(whole) * 7 // 10])
    assert replay(cut, model, tmp_path / "out") == 1
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert told["recording"]["lost"] in capsys.readouterr().err
    assert cli.main(["summary", str(tmp_path / "out")]) == 1
    assert told["recording"]["lost"] in capsys.readouterr().err
    assert "Not everything became a mask" in (tmp_path / "out" / "report.html").read_text()


def test_replay_into_an_occupied_folder_or_of_no_bag(
    drive: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert replay(drive, model, tmp_path / "out") == 2
    assert "holds files (mine.txt)" in capsys.readouterr().err
    assert replay(drive, model, tmp_path / "out", "--force", "--max-frames", "1") == 0
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    capsys.readouterr()
    assert replay(tmp_path / "nowhere", model, tmp_path / "o2") == 2
    captured = capsys.readouterr()
    assert "nowhere" in captured.err
    assert captured.err.count("\n") == 1


def test_a_disk_that_fills_up_during_a_replay(
    drive: Path,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = [2]
    really = Path.replace

    def filling(path: Path, target: Path) -> Path:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(path, target)

    monkeypatch.setattr(Path, "replace", filling)
    assert replay(drive, model, tmp_path / "out") == 1
    assert "is full" in capsys.readouterr().err
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_path_that_no_disk_takes_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "a" * 300]) == 2
    assert "name too long; check the path" in capsys.readouterr().err
