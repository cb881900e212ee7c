# SPDX-License-Identifier: Apache-2.0
"""The node in a process of its own, and a client that feeds it: shared by its benchmarks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rclpy
from builtin_interfaces.msg import Time
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from segrgbx_ros.msg import SegmentationStatus
from segrgbx_ros.node.outputs import ros_image

HERE = Path(__file__).parent
MASK = "segrgbx/mask"
UP_S = 60.0


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A child process that is ended by SIGINT; nobody reads what it says."""
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()


def node_command(model: str, *extra: str) -> list[str]:
    """The command of our node, as its executable starts it."""
    # Without shared memory a 6 MB image is sent as many UDP packets, and best effort loses some.
    reliable = [
        f"qos_overrides./{name}/image_raw.subscription.reliability:=reliable"
        for name in ("rgb", "x")
    ]
    modality = [] if any(e.startswith("modality:=") for e in extra) else ["modality:=thermal"]
    parameters = [*modality, f"model:={model}", "device:=cpu", *reliable, *extra]
    flags = [part for p in parameters for part in ("-p", p)]
    script = HERE.parent / "scripts" / "segrgbx_node"
    return [sys.executable, str(script), "--ros-args", *flags]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Bench:
    """A client in its own context that publishes single pairs and waits for the results."""

    def __init__(self, name: str = "bench", namespace: str = "") -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node(name, namespace=namespace, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.status: SegmentationStatus | None = None
        self._newest: tuple[Time, float] | None = None
        self.publishers = {
            name: self.node.create_publisher(Image, name, 5)
            for name in ("x/image_raw", "rgb/image_raw")
        }

    def listen(self) -> None:
        self.node.create_subscription(Image, MASK, self._mask, 5)
        self.node.create_subscription(SegmentationStatus, "segrgbx/status", self._status, 5)

    def _mask(self, mask: Image) -> None:
        self._newest = mask.header.stamp, time.perf_counter()

    def _status(self, status: SegmentationStatus) -> None:
        self.status = status

    def spin_until(self, done: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                return False
            self._executor.spin_once(timeout_sec=0.01)
        return True

    def send(self, rgb: npt.NDArray[np.uint8], x: npt.NDArray[np.uint8]) -> tuple[Time, float]:
        """X, and 20 ms later RGB with the same stamp; the stamp, and when RGB was published."""
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id="bench")
        x_message, rgb_message = ros_image(x, "mono8", header), ros_image(rgb, "rgb8", header)
        self.publishers["x/image_raw"].publish(x_message)
        self.spin_until(lambda: False, 0.02)
        start = time.perf_counter()
        self.publishers["rgb/image_raw"].publish(rgb_message)
        return header.stamp, start

    def pair(
        self, rgb: npt.NDArray[np.uint8], x: npt.NDArray[np.uint8]
    ) -> tuple[float, SegmentationStatus] | None:
        """Milliseconds from RGB's publication to the mask, and the mask's status."""
        stamp, start = self.send(rgb, x)

        def both() -> bool:
            mask, status = self._newest, self.status
            return (
                mask is not None
                and mask[0] == stamp
                and status is not None
                and (status.header.stamp == stamp)
            )

        if not self.spin_until(both, 5.0) or self._newest is None or self.status is None:
            return None
        return (self._newest[1] - start) * 1e3, self.status

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def small_pair() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """RGB (48, 64, 3) and X (24, 32) that the model has soon done with."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (48, 64, 3), np.uint8), rng.integers(0, 256, (24, 32), np.uint8)


def wait_for_masks(mask: str = MASK, namespace: str = "") -> None:
    """Feeds a node until its first mask. Raises SystemExit where none comes within a minute."""
    bench = Bench("waking", namespace)
    came: list[Image] = []
    bench.node.create_subscription(Image, mask, came.append, 1)

    def up() -> bool:
        bench.send(*small_pair())
        return bench.spin_until(lambda: bool(came), 0.2)

    try:
        if not bench.spin_until(up, UP_S):
            raise SystemExit(f"No mask came on {mask} within a minute.")
    finally:
        bench.close()


def camera(
    size: tuple[int, int],
    rate: float,
    seconds: float,
    topics: Sequence[str],
    namespace: str = "",
    late_s: float = 0.0,
) -> Any:
    """Runs node_camera to its end and returns its results."""
    told = (f"{size[0]}x{size[1]}", f"{rate}", f"{seconds}", *topics)
    named = ("--namespace", namespace, "--late", f"{late_s}")
    done = subprocess.run(
        [sys.executable, str(HERE / "node_camera.py"), *told, *named],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
