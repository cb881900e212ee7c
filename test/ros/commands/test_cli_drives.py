# SPDX-License-Identifier: Apache-2.0
"""`segrgbx replay` of several recordings, from the command line to the table and the page."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segrgbx_ros.cli import main
from segrgbx_ros.replay.output import STATE_FILE

sys.path.insert(0, str(Path(__file__).parents[1] / "drives"))
from drive_bags import drive_bag


def arguments(model: Path, out: Path, *bags: Path) -> list[str]:
    how = ["--modality", "thermal", "--model", str(model), "--device", "cpu", "--backend", "eager"]
    return ["replay", *map(str, bags), *how, "--out", str(out)]


def test_two_recordings_and_one_that_is_missing(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = drive_bag(tmp_path / "a", range(3)), drive_bag(tmp_path / "b", range(3, 7))
    out = tmp_path / "out"
    asked = arguments(model_folder, out, a, tmp_path / "none", b)
    assert main([*asked, "--jobs", "2"]) == 1
    said = capsys.readouterr()
    rows = [[cell.strip() for cell in line.split("│")] for line in said.out.splitlines()]
    cells = {row[1]: row[2:5] for row in rows if len(row) > 5}
    assert cells["a"] == ["done", "3", "3"]
    assert cells["none"] == ["failed", "-", "-"]
    assert cells["b"] == ["done", "4", "4"]
    assert cells["all together"] == ["", "7", "7"]
    assert f"segrgbx: none: {tmp_path / 'none'} does not exist" in said.err
    assert f"look at {out / 'report.html'}" in said.out
    assert (out / "report.html").is_file()
    assert main(["summary", str(out)]) == 1
    assert capsys.readouterr().out == said.out
    thresholds = tmp_path / "thresholds.yaml"
    thresholds.write_text("miou: 0.99\n")
    assert main(["summary", str(out), "--fail-under", str(thresholds)]) == 1
    assert "thresholds.yaml: mIoU is 0.0" in capsys.readouterr().err


def test_ctrl_c_ends_all_and_keeps_what_can_be_gone_on_with(
    tmp_path: Path, model_folder: Path
) -> None:
    a, b = drive_bag(tmp_path / "a", range(400)), drive_bag(tmp_path / "b", range(400))
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-c",
        "import sys; from segrgbx_ros.cli import main; sys.exit(main())",
    ]
    asked = [*command, *arguments(model_folder, out, a, b), "--jobs", "2"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        asked, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
    ) as run:
        while run.poll() is None and not all(
            (out / name / "masks" / "000000.png").exists() for name in ("a", "b")
        ):
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does, to the processes as well
        assert run.stderr is not None
        said = run.stderr.read()
    assert run.returncode == 130
    assert "Stopped by SIGINT after 0 of 2 replays; the same command with --resume" in said
    assert "Traceback" not in said
    states = json.loads((out / "drives.json").read_text())["tasks"]
    assert [task["state"] for task in states] == ["interrupted", "interrupted"]
    assert all((out / name / STATE_FILE).is_file() for name in ("a", "b"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--gpu-share", "0.5"], "--gpu-share is for Ray"),
        (["--retries", "-1"], "--retries is -1; expected 0 to 100"),
        (["--slice", "0"], "A slice is 0 s long; expected more than 0"),
        (["--ray", "local", "--gpu-share", "2"], "share of a GPU is 2; expected 0 to 1"),
        (["--ray", "nowhere"], "address of Ray is 'nowhere'; expected HOST:PORT"),
    ],
)
def test_options_that_cannot_be(
    tmp_path: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "nowhere" in options:
        pytest.importorskip(
            "ray", reason="Ray is not installed: pip install 'segrgbx_ros[cluster]'"
        )
    asked = arguments(tmp_path, tmp_path / "out", tmp_path / "a")
    assert main([*asked, *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
