# SPDX-License-Identifier: Apache-2.0
"""`replay.launch.py`: a recording through the live node of a genuine ROS 2, scored by stamp."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros" / "node"))
from live_stage import write_tiny_model
from test_replay_launch import ros2

from segrgbx_core.runs.folder import read_run
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary, read_summary

pytestmark = pytest.mark.ros
FIGURES = (
    "miou", "per_class_iou", "scores", "rgb_alone", "confusion", "rgb_alone_confusion",
    "reliability", "frames_scored", "class_fractions", "skew_ms",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    write_tiny_model(folder / "tiny")
    settings = DriveSettings(seconds=1.0, rate_hz=10.0, width=96, height=72)
    write_drive_bag(Drive(settings), folder / "drive")
    return folder


def launch(cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return ros2(cwd, "launch", "segrgbx_ros", "replay.launch.py", *arguments)


def figures(summary: ReplaySummary) -> dict[str, object]:
    return {name: getattr(summary, name) for name in FIGURES}


def test_slowed_down_it_equals_the_offline_figures(place: Path) -> None:
    told = ("bag:=drive", f"model:={place / 'tiny'}", "device:=cpu", "out:=live")
    launched = launch(place, *told, "scheduling:=all", "rate:=0.2", "x_timeout:=2.0")
    said = launched.stdout + launched.stderr
    assert launched.returncode == 0, said
    assert "Traceback" not in said, said
    options = ReplayOptions(
        place / "drive", "thermal", place / "offline", model=place / "tiny", device="cpu",
        fit_slop=True,
    )  # fmt: skip
    replay(options)
    live, offline = (read_summary(place / name) for name in ("live", "offline"))
    masks = offline.frames.segmented
    assert live.frames.segmented == masks >= 8, said
    assert live.frames.dropped["no_live_mask"] == offline.frames.dropped["rgb_without_x"], said
    assert figures(live) == figures(offline)
    one, other = read_run(place / "live"), read_run(place / "offline")
    assert one.facts.kind == "live"
    assert one.counts is not None
    for entry in fields(one.counts):
        ours, theirs = (getattr(run.counts, entry.name) for run in (one, other))
        np.testing.assert_array_equal(ours, theirs, err_msg=entry.name)
    assert [row.ious for row in one.rows] == [row.ious for row in other.rows]
    page = (place / "live" / "report.html").read_text("utf-8")
    assert "SegRGB-X live node" in page
    with BagReader(place / "live" / "live") as bag:
        assert {t.name: t.count for t in bag.topics} == {
            "/segrgbx/mask": masks, "/segrgbx/confidence": masks, "/segrgbx/status": masks,
            "/segrgbx/label_info": 1,
        }  # fmt: skip


def test_one_sentence_where_it_cannot_run(place: Path) -> None:
    (place / "full").mkdir()
    (place / "full" / "notes.txt").write_text("mine")
    for told, words in (
        (("bag:=/nope", "out:=a"), "/nope does not exist"),
        (("bag:=drive", "modality:=depth", "out:=a"), "depth"),
        (("bag:=drive", "out:=full"), "out:=full holds files already"),
        (("bag:=drive", "out:=a", "rate:=0"), "The rate is 0.0; expected above 0"),
    ):
        launched = launch(place, *told)
        said = launched.stdout + launched.stderr
        assert words in said, said
        assert launched.returncode == 1, said
        assert "Traceback" not in said, said
        assert not (place / "a").exists()


def test_a_model_that_the_node_cannot_load_ends_it(place: Path) -> None:
    launched = launch(place, "bag:=drive", "out:=b", f"model:={place / 'nowhere'}")
    said = launched.stdout + launched.stderr
    assert launched.returncode == 1, said
    assert "segrgbx_live: /segrgbx: Cannot configure" in said, said
    assert "Traceback" not in said, said
