# SPDX-License-Identifier: Apache-2.0
"""`ros2 bag play --loop` into the live node, with simulated time."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros" / "node"))
from live_stage import PATIENCE_S, stage, write_tiny_model

from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_ros.bags.scenes import write_drive_bag

pytestmark = pytest.mark.ros


def has_bag_play() -> bool:
    command = shutil.which("ros2")
    if command is None:
        return False
    asked = subprocess.run([command, "bag", "play", "--help"], capture_output=True, check=False)
    return asked.returncode == 0


def test_a_looping_bag_does_not_stall_the_node(tmp_path: Path) -> None:
    if not has_bag_play():
        pytest.skip("this ROS 2 has no `ros2 bag play` (rosbag2)")
    model = str(write_tiny_model(tmp_path / "tiny"))
    settings = DriveSettings(seconds=2.5, rate_hz=4.0, width=160, height=120)
    write_drive_bag(Drive(settings), tmp_path / "drive", "sqlite3")
    with stage(model=model, use_sim_time=True, missing_x="rgb_only") as played:
        played.listen("status")
        command = ["ros2", "bag", "play", str(tmp_path / "drive"), "--loop", "--clock", "--remap",
                   "/thermal/image_raw:=/x/image_raw"]  # fmt: skip
        player = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert played.spin_until(lambda: played.node.run is not None)
            run = played.node.run
            assert played.spin_until(lambda: run.matching.restarts >= 2), run.dropped()
            before = len(played.heard["status"])
            assert played.spin_until(lambda: len(played.heard["status"]) > before + 3)
        finally:
            player.terminate()
            player.wait(PATIENCE_S)
    assert any(s.x_used for s in played.heard["status"])
