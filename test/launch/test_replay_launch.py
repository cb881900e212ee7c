# SPDX-License-Identifier: Apache-2.0
"""The built package as a user calls it: `ros2 launch`, `ros2 run`, `ros2 interface`."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from segrgbx_core.files.resources import version

pytestmark = pytest.mark.ros


def ros2(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the ros2 command; skips the test if this ROS 2 does not have it."""
    command = shutil.which("ros2")
    if command is None:
        pytest.skip("this ROS 2 has no ros2 command (ros2cli)")
    return subprocess.run(
        [command, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )


def test_launch_replays_a_bag_without_the_node(tmp_path: Path) -> None:
    made = ros2(
        tmp_path, "run", "segrgbx_ros", "segrgbx", "scenes", "drive", "--modality", "thermal",
        "--seconds", "0.5", "--rate", "10", "--size", "160x120", "--seed", "3", "--format", "bag",
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    launched = ros2(
        tmp_path, "launch", "segrgbx_ros", "replay.launch.py", "bag:=drive", "modality:=thermal",
        "live:=false", "out:=result",
    )  # fmt: skip
    said = launched.stdout + launched.stderr
    assert "process has finished cleanly" in said, said
    summary = json.loads((tmp_path / "result" / "summary.json").read_text("utf-8"))
    assert summary["frames"]["segmented"] > 0
    assert (tmp_path / "result" / "report.html").is_file()


def test_launch_shows_a_users_mistake(tmp_path: Path) -> None:
    launched = ros2(
        tmp_path, "launch", "segrgbx_ros", "replay.launch.py", "bag:=nowhere", "live:=false",
        "out:=result",
    )  # fmt: skip
    said = launched.stdout + launched.stderr
    assert "segrgbx: nowhere does not exist" in said, said
    assert "exit code 2" in said, said
    assert "Traceback" not in said, said


def test_run_finds_the_command_and_its_version(tmp_path: Path) -> None:
    ran = ros2(tmp_path, "run", "segrgbx_ros", "segrgbx", "--version")
    assert version() in ran.stdout, ran.stderr


def test_interface_show_has_the_units(tmp_path: Path) -> None:
    shown = ros2(tmp_path, "interface", "show", "segrgbx_ros/msg/SegmentationStatus")
    assert "float64 skew_ms" in shown.stdout, shown.stderr
    assert "[ms]" in shown.stdout
