# SPDX-License-Identifier: Apache-2.0
"""The launch files as a user starts them, up to a first mask, and their end by Ctrl-C."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros" / "node"))
from live_stage import PATIENCE_S, STEP_S, write_tiny_model

from segrgbx_core.modality import MODALITIES
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_ros.bags.scenes import write_drive_bag

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny", tuple(MODALITIES)))


class Launched:
    """A `ros2 launch` in its own process group."""

    def __init__(self, log: Path, *arguments: str) -> None:
        command = shutil.which("ros2")
        if command is None:
            pytest.skip("this ROS 2 has no ros2 command (ros2cli)")
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [command, "launch", "segrgbx_ros", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "SEGRGBX_CACHE": str(log.parent / "cache"),
                },
            )

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda: words in self.said)

    def wait_until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < until, self.said
            assert self.process.poll() is None, self.said
            time.sleep(STEP_S)

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE_S)


@contextmanager
def launched(tmp_path: Path, *arguments: str) -> Iterator[Launched]:
    run = Launched(tmp_path / "launch.log", *arguments)
    try:
        yield run
    finally:
        run.end()


@contextmanager
def listener(topic: str, kind: Any) -> Iterator[tuple[list[Any], Any]]:
    """Messages of a topic, and a function that spins until a condition holds."""
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    context = Context()
    rclpy.init(context=context)
    heard: list[Any] = []
    node = Node("listener", context=context)
    node.create_subscription(kind, topic, heard.append, 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin_until(done: Any) -> bool:
        until = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until:
                return False
            executor.spin_once(timeout_sec=STEP_S)
        return True

    try:
        yield heard, spin_until
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.parametrize("modality", MODALITIES)
def test_demo_yields_a_mask_and_ends_cleanly(tmp_path: Path, model: str, modality: str) -> None:
    """Through <modality>.launch.py, which demo.launch.py includes."""
    from sensor_msgs.msg import Image

    if modality == "event" and importlib.util.find_spec("event_camera_msgs") is None:
        pytest.skip("event_camera_msgs is not installed for this ROS 2")
    told = (f"modality:={modality}", f"model:={model}", "device:=cpu")
    made_up = ("size:=160x120", "seconds:=1.0", "rate:=5.0")
    with (
        listener("/segrgbx/mask", Image) as (heard, spin_until),
        launched(tmp_path, "demo.launch.py", *told, *made_up) as run,
    ):
        assert spin_until(lambda: heard or run.process.poll() is not None), run.said
        assert heard, run.said
        run.interrupt()
        assert run.wait() in (0, 1, -signal.SIGINT), run.said
        said = run.said
    mask = heard[0]
    assert (mask.encoding, mask.width, mask.height, mask.step) == ("mono8", 160, 120, 160)
    assert mask.header.frame_id == "rgb_optical_frame"
    assert mask.header.stamp.sec > 1_700_000_100
    assert np.frombuffer(mask.data, np.uint8).max() < 255
    assert said.count("process has finished cleanly") == 2, said
    assert "Traceback" not in said, said
    assert "[ERROR] [segrgbx]" not in said, said
    assert said.index("Playing") < said.index("Loading model")


def test_scenes_are_made_once(tmp_path: Path, model: str) -> None:
    told = ("demo.launch.py", f"model:={model}", "size:=160x120", "seconds:=1.0", "rate:=5.0")
    for made in (True, False):
        with launched(tmp_path, *told) as run:
            run.wait_for("Playing")
            assert ("Making 1 s of scenes" in run.said) == made


def test_without_rviz_the_demo_says_so_and_goes_on(tmp_path: Path, model: str) -> None:
    if shutil.which("rviz2") is not None:
        pytest.skip("rviz2 is installed; this is what is said without it")
    told = ("demo.launch.py", f"model:={model}", "size:=160x120", "seconds:=1.0", "rviz:=true")
    with launched(tmp_path, *told) as run:
        run.wait_for("apt install ros-$ROS_DISTRO-rviz2")
        run.wait_for("Active: ")


@pytest.mark.parametrize(
    ("argument", "words"),
    [("bag:=/nope", "/nope"), ("modality:=radar", "thermal")],
)
def test_a_wrong_argument_ends_the_demo(tmp_path: Path, argument: str, words: str) -> None:
    with launched(tmp_path, "demo.launch.py", argument) as run:
        assert run.process.wait(PATIENCE_S) != 0 or "/nope" in run.said
        assert words in run.said
        assert "Traceback" not in run.said


def test_a_bag_is_played(tmp_path: Path, model: str) -> None:
    from segrgbx_ros.msg import SegmentationStatus

    drive = Drive(DriveSettings(seconds=1.0, rate_hz=5.0, width=160, height=120))
    write_drive_bag(drive, tmp_path / "drive")
    told = (f"bag:={tmp_path / 'drive'}", f"model:={model}")
    with (
        listener("/segrgbx/status", SegmentationStatus) as (heard, spin_until),
        launched(tmp_path, "demo.launch.py", *told) as run,
    ):
        assert spin_until(lambda: len(heard) > 12 or run.process.poll() is not None), run.said
        stamps = [s.header.stamp.sec + s.header.stamp.nanosec / 1e9 for s in heard]
    assert len(stamps) > 12, run.said
    assert stamps == sorted(stamps)
    assert any(s.x_used for s in heard)


def test_without_autostart_it_waits_for_the_transitions(tmp_path: Path, model: str) -> None:
    arguments = ("thermal.launch.py", "autostart:=false", f"model:={model}", "namespace:=left")
    with launched(tmp_path, *arguments) as run:
        run.wait_for("ros2 lifecycle set /left/segrgbx configure")
        for transition, words in (("configure", "Configured"), ("activate", "Active: ")):
            done = subprocess.run(
                ["ros2", "lifecycle", "set", "/left/segrgbx", transition],
                capture_output=True, text=True, check=False, timeout=PATIENCE_S,
            )  # fmt: skip
            assert "Transitioning successful" in done.stdout, done.stdout + done.stderr
            run.wait_for(words)
        assert "/left/rgb/image_raw, /left/thermal/image_raw -> /left/segrgbx/mask" in run.said


def test_topics_of_the_user(tmp_path: Path, model: str) -> None:
    topics = ("rgb_topic:=/cam/color/image_raw", "x_topic:=/flir/image_raw")
    with launched(tmp_path, "thermal.launch.py", *topics, f"model:={model}") as run:
        run.wait_for("Active: /cam/color/image_raw, /flir/image_raw -> /segrgbx/mask")


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with launched(tmp_path, "thermal.launch.py", "model:=nowhere") as run:
        run.wait_for("Cannot configure: Model 'nowhere'")
        asked = subprocess.run(
            ["ros2", "lifecycle", "get", "/segrgbx"],
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
        assert "unconfigured" in asked.stdout, asked.stdout + asked.stderr
        run.interrupt()
        run.wait()
        assert "process has finished cleanly" in run.said
        assert "Traceback" not in run.said


class NodeProcess(Launched):
    """The node's own process, without launch."""

    def __init__(self, log: Path, model: str, *told: str) -> None:
        from ament_index_python.packages import get_package_prefix

        node = Path(get_package_prefix("segrgbx_ros")) / "lib" / "segrgbx_ros" / "segrgbx_node"
        told = ("-p", "modality:=thermal", "-p", f"model:={model}", *told)
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(node), "--ros-args", *told],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def press(self) -> None:
        """Ctrl-C, which has reached the process when this returns."""
        self.process.send_signal(signal.SIGINT)
        bit = 1 << (signal.SIGINT - 1)
        until = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and self._pending() & bit:
            assert time.monotonic() < until, "the signal is not taken"
            time.sleep(STEP_S)

    def importing(self) -> bool:
        """Whether torch is being loaded, or has been."""
        return "libtorch" in Path(f"/proc/{self.process.pid}/maps").read_text("utf-8")

    def _pending(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(re.findall(r"ShdPnd:\s*([0-9a-f]+)", status)[0], 16)


@pytest.mark.parametrize(
    ("after", "presses"), [("", 1), ("Loading", 1), ("Loading", 3), ("Active", 1), ("Active", 2)]
)
def test_ctrl_c_ends_with_0_and_no_traceback(
    tmp_path: Path, model: str, after: str, presses: int
) -> None:
    """During imports, loading and running; once, twice and three times."""
    run = NodeProcess(tmp_path / "log", model)
    try:
        run.wait_until(run.importing)
        run.wait_for(after)
        for _ in range(presses):
            run.press()
        assert run.wait() == 0, run.said
        assert "Traceback" not in run.said, run.said
    finally:
        run.end()


def test_ctrl_c_breaks_off_the_warm_up(tmp_path: Path) -> None:
    run = NodeProcess(tmp_path / "log", "demo", "-p", "warmup_iterations:=100")
    try:
        run.wait_for("Warm-up 1 of 100")
        run.process.send_signal(signal.SIGINT)
        assert run.wait() == 0, run.said
        assert "Warm-up 100 of 100" not in run.said
        assert "failed to publish" not in run.said.lower()
        assert "Traceback" not in run.said, run.said
    finally:
        run.end()


def test_sigterm_ends_with_0(tmp_path: Path, model: str) -> None:
    run = NodeProcess(tmp_path / "log", model)
    try:
        run.wait_for("Active")
        run.process.send_signal(signal.SIGTERM)
        assert run.wait() == 0, run.said
    finally:
        run.end()


def test_a_wrong_start_value_is_one_line_and_exit_code_2(tmp_path: Path, model: str) -> None:
    run = NodeProcess(tmp_path / "log", model, "-p", "sync.slop:=99.0")
    assert run.wait() == 2, run.said
    assert "segrgbx: Parameter sync.slop" in run.said
    assert "Traceback" not in run.said
