# SPDX-License-Identifier: Apache-2.0
"""The live node on the ROS 2 that is sourced: what it adds to the model, and how fresh masks stay.

    python benchmarks/bench_node.py [--json FILE] [--overload-seconds 600]

Needs a sourced ROS 2 with this package built. Sections: message in to mask out, minus the model's
own time; publish cost of each output; CPU use with inference switched off; and, side by side with
straightforward_node.py, a camera at twice the rate that the model sustains.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from segrgbx_core import Segmenter
from segrgbx_core.bench.measuring import environment
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.msg import SegmentationStatus
from segrgbx_ros.node.outputs import ros_image

HERE = Path(__file__).parent
SIZES = ((640, 480), (1280, 720), (1920, 1080))
GOAL_MS = 5.0
UP_S = 60.0
EVENT_RATES = (249.0, 1000.0)


@dataclass(frozen=True)
class Overhead:
    """Milliseconds from the RGB image's publication to the mask's arrival, without the model."""

    size: str
    frames: int
    total_p50: float
    added_p50: float
    added_p95: float
    goal: float | None


@dataclass(frozen=True)
class Freshness:
    """One node under overload; ages in milliseconds at the mask's arrival.

    waited: the mask's age minus its own decoding, encoding and inference, from ~/status; it
    should stay at one camera period. None where the node has no status.
    """

    node: str
    sent: int
    masks: int
    age_p50: float
    age_p95: float
    age_max: float
    age_first_tenth_p50: float
    age_last_tenth_p50: float
    cpu_percent: float
    period_ms: float
    waited_p50: float | None = None
    waited_p95: float | None = None
    waited_max: float | None = None


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A child process that is ended by SIGINT."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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


class Bench:
    """A client in its own context that publishes single pairs and waits for the results."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("bench", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.arrived: dict[str, float] = {}
        self.status: SegmentationStatus | None = None
        self.publishers = {
            name: self.node.create_publisher(Image, name, 5)
            for name in ("x/image_raw", "rgb/image_raw")
        }

    def listen(self) -> None:
        self.node.create_subscription(Image, "segrgbx/mask", self._mask, 5)
        self.node.create_subscription(SegmentationStatus, "segrgbx/status", self._status, 5)

    def _mask(self, _: Image) -> None:
        self.arrived["mask"] = time.perf_counter()

    def _status(self, status: SegmentationStatus) -> None:
        self.status = status

    def spin_until(self, done: Any, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                return False
            self._executor.spin_once(timeout_sec=0.01)
        return True

    def pair(self, rgb: Any, x: Any) -> tuple[float, SegmentationStatus] | None:
        """Milliseconds from RGB's publication to the mask, and the mask's status."""
        self.arrived.clear()
        self.status = None
        header = Header(stamp=self.node.get_clock().now().to_msg(), frame_id="bench")
        x_message, rgb_message = (
            ros_image(x, "mono8", header),
            ros_image(rgb, "rgb8", header),
        )
        self.publishers["x/image_raw"].publish(x_message)
        self.spin_until(lambda: False, 0.02)
        start = time.perf_counter()
        self.publishers["rgb/image_raw"].publish(rgb_message)
        if not self.spin_until(lambda: self.arrived and self.status is not None, 5.0):
            return None
        assert self.status is not None
        return (self.arrived["mask"] - start) * 1e3, self.status

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def overheads(model: str, rounds: int) -> list[Overhead]:
    """One pair at a time, so that no pair waits for another."""
    bench, rows = Bench(), []
    bench.listen()
    rng = np.random.default_rng(0)
    pictures = {
        (w, h): (
            rng.integers(0, 256, (h, w, 3), np.uint8),
            rng.integers(0, 256, (h // 2, w // 2), np.uint8),
        )
        for w, h in SIZES
    }
    samples: dict[tuple[int, int], list[tuple[float, float]]] = {size: [] for size in SIZES}
    with process(*node_command(model)):
        ready = lambda: bench.pair(*pictures[SIZES[0]]) is not None  # noqa: E731
        if not bench.spin_until(ready, UP_S):
            raise SystemExit("The node gave no mask within a minute.")
        for number in range(rounds + 3):
            for size in SIZES:
                done = bench.pair(*pictures[size])
                if done is not None and number >= 3:
                    total, status = done
                    own = status.encode_ms + status.model_ms
                    samples[size].append((total, total - own))
    bench.close()
    for (width, height), values in samples.items():
        total, added = np.array(values).T
        rows.append(
            Overhead(
                f"{width}x{height}",
                len(values),
                *(round(float(v), 2) for v in (np.median(total), *np.percentile(added, (50, 95)))),
                GOAL_MS if (width, height) == SIZES[0] else None,
            )
        )
    return rows


def publish_costs(rounds: int) -> dict[str, float]:
    """Median milliseconds to make and publish one output of 1920x1080; and of the slow ways."""
    bench = Bench()
    width, height = SIZES[2]
    labels = np.random.default_rng(0).integers(0, 10, (height, width)).astype(np.uint8)
    colors = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    result = Segmentation(
        labels, np.full(labels.shape, 0.5, np.float32), load_label_set("street"), "thermal"
    )
    publisher = bench.node.create_publisher(Image, "cost", 1)
    info = bench.node.create_publisher(CameraInfo, "cost_info", 1)
    heard: list[Any] = []
    bench.node.create_subscription(Image, "cost", heard.append, 1)
    header = Header()

    def element_by_element() -> None:
        Image(header=header, data=array("B", labels.data.cast("B")))

    cases = {
        "mask": lambda: publisher.publish(ros_image(labels, "mono8", header)),
        "confidence": lambda: publisher.publish(
            ros_image(result.confidence_image(), "mono8", header)
        ),
        "color_mask": lambda: publisher.publish(ros_image(result.color_mask(), "rgb8", header)),
        "overlay": lambda: publisher.publish(ros_image(result.overlay(colors), "rgb8", header)),
        "camera_info": lambda: info.publish(CameraInfo(header=header)),
        "mask message alone, our way": lambda: ros_image(labels, "mono8", header),
        "mask message alone, array('B', memoryview)": element_by_element,
    }
    costs: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 2):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            if number >= 2:
                costs[name].append((time.perf_counter() - start) * 1e3)
            bench.spin_until(lambda: False, 0.01)
    bench.close()
    return {name: round(float(np.median(values)), 2) for name, values in costs.items()}


def camera(size: tuple[int, int], rate: float, seconds: float, *topics: str) -> Any:
    """Runs node_camera to its end and returns its results."""
    command = [sys.executable, str(HERE / "node_camera.py"), f"{size[0]}x{size[1]}"]
    done = subprocess.run(
        [*command, f"{rate}", f"{seconds}", *topics], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def idle_cpu(model: str, seconds: float) -> float:
    """Percent of one core at 30 Hz of 640x480 with inference switched off by ~/enable."""
    bench = Bench()
    with process(*node_command(model)) as child:
        client = bench.node.create_client(SetBool, "segrgbx/enable")
        if not bench.spin_until(client.service_is_ready, UP_S):
            raise SystemExit("The node did not come up within a minute.")
        time.sleep(8.0)
        future = client.call_async(SetBool.Request(data=False))
        bench.spin_until(future.done, 10.0)
        before, start = cpu_seconds(child.pid), time.monotonic()
        camera(SIZES[0], 30.0, seconds, "segrgbx/mask")
        used = (cpu_seconds(child.pid) - before) / (time.monotonic() - start)
    bench.close()
    return round(100 * used, 1)


@dataclass(frozen=True)
class LiveEvents:
    """The node while a real camera's packets come, inference switched off. cpu_percent: of one
    core. delay_s: the largest that /diagnostics told."""

    packets_per_s: float
    events_per_s: float
    cpu_percent: float
    delay_s: float | None


def live_events(model: str, seconds: float) -> list[LiveEvents]:
    """At the recording's own rate, and at four times that."""
    bench, rows = Bench(), []
    with process(*node_command(model, "modality:=event")) as child:
        client = bench.node.create_client(SetBool, "segrgbx/enable")
        if not bench.spin_until(client.service_is_ready, UP_S):
            raise SystemExit("The node did not come up within a minute.")
        time.sleep(8.0)
        bench.spin_until(client.call_async(SetBool.Request(data=False)).done, 10.0)
        for rate in EVENT_RATES:
            before, start = cpu_seconds(child.pid), time.monotonic()
            done = subprocess.run(
                [sys.executable, str(HERE / "node_events.py"), f"{rate}", f"{seconds}"],
                capture_output=True,
                text=True,
                check=True,
            )
            told = json.loads(done.stdout.splitlines()[-1])
            used = (cpu_seconds(child.pid) - before) / (time.monotonic() - start)
            rows.append(
                LiveEvents(
                    round(told["sent"] / seconds),
                    round(told["events"] / seconds),
                    round(100 * used, 1),
                    told["delay_s"],
                )
            )
    bench.close()
    return rows


@dataclass(frozen=True)
class Shared:
    """Two cameras of 640x480, each faster than the model: ages at the masks' arrival, of both.

    cpu_percent: of one core. memory_mb: resident, of all processes together.
    """

    how: str
    sent: int
    masks: tuple[int, ...]
    age_p50: float
    age_p95: float
    cpu_percent: float
    memory_mb: float


CAMERAS = ("front", "left")


def shared(model: str, seconds: float) -> list[Shared]:
    """Two cameras in one process, which shares the model, and in a process each."""
    apart = [[*node_command(model), "-r", f"__ns:=/{name}"] for name in CAMERAS]
    together = [node_command(model, f"cameras:={','.join(CAMERAS)}")]
    return [
        _shared("a process each", apart, seconds),
        _shared("one process", together, seconds),
    ]


def _shared(how: str, commands: list[list[str]], seconds: float) -> Shared:
    with ExitStack() as running:
        nodes = [running.enter_context(process(*command)) for command in commands]
        time.sleep(20.0)
        before, start = [cpu_seconds(node.pid) for node in nodes], time.monotonic()
        with ThreadPoolExecutor(len(CAMERAS)) as pool:
            jobs = [
                pool.submit(camera, SIZES[0], 15.0, seconds, f"ns:={name}", "segrgbx/mask")
                for name in CAMERAS
            ]
            seen = [job.result() for job in jobs]
        took = time.monotonic() - start
        used = sum(cpu_seconds(n.pid) - b for n, b in zip(nodes, before, strict=True))
        memory = sum(_resident_mb(node.pid) for node in nodes)
    each = [one["ages_ms"]["segrgbx/mask"] for one in seen]
    ages = [age for one in each for age in one]
    p50, p95 = (round(float(v), 1) for v in np.percentile(ages, (50, 95)))
    sent = sum(one["sent"] for one in seen)
    masks = tuple(len(one) for one in each)
    return Shared(how, sent, masks, p50, p95, round(100 * used / took, 1), round(memory))


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def freshness(model: str, seconds: float) -> list[Freshness]:
    """Both nodes one after the other, with the camera at twice the rate the model sustains."""
    segmenter = Segmenter(model, "cpu")
    rgb = np.zeros((480, 640, 3), np.uint8)
    x = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    times = []
    for _ in range(12):
        start = time.perf_counter()
        segmenter(rgb, x, "thermal")
        times.append(time.perf_counter() - start)
    rate = 2.0 / float(np.median(times[3:]))
    rows = []
    for name, command, topics in (
        ("segrgbx", node_command(model), ("segrgbx/mask", "segrgbx/status")),
        (
            "straightforward",
            [sys.executable, str(HERE / "straightforward_node.py"), "--ros-args", "-p",
             f"model:={model}"],
            ("straightforward/mask",),
        ),
    ):  # fmt: skip
        with process(*command) as child:
            time.sleep(20.0)
            before, start = cpu_seconds(child.pid), time.monotonic()
            seen = camera(SIZES[0], rate, seconds, *topics)
            used = (cpu_seconds(child.pid) - before) / (time.monotonic() - start)
        rows.append(_fresh(name, seen, topics[0], used, rate))
    return rows


def _fresh(name: str, seen: Any, topic: str, used: float, rate: float) -> Freshness:
    ages, waits = seen["ages_ms"][topic], seen["waits_ms"]
    if len(ages) < 10:
        raise SystemExit(f"{name} gave {len(ages)} masks only; nothing to compare.")
    tenth = max(1, len(ages) // 10)
    values = (
        *np.percentile(ages, (50, 95)),
        max(ages),
        np.median(ages[:tenth]),
        np.median(ages[-tenth:]),
        100 * used,
        1e3 / rate,
        *((*np.percentile(waits, (50, 95)), max(waits)) if waits else ()),
    )
    return Freshness(name, seen["sent"], len(ages), *(round(float(v), 1) for v in values))


def main() -> None:
    """Prints each section; --json writes all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", default="demo", help="the smaller, the harder the test")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", action="append", metavar="SECTION", help="some sections alone")
    parser.add_argument("--overload-seconds", type=float, default=60.0)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    result = {
        "environment": environment(("torch", "numpy", "rclpy")),
        "rmw": os.environ.get("RMW_IMPLEMENTATION", "default"),
        "ros_distro": os.environ.get("ROS_DISTRO", ""),
        "model": options.model,
    }
    sections: dict[str, Callable[[], object]] = {
        "overhead_ms": lambda: [asdict(row) for row in overheads(options.model, options.rounds)],
        "publish_ms_1920x1080": lambda: publish_costs(20),
        "idle_cpu_percent_30hz_640x480": lambda: idle_cpu(options.model, 20.0),
        "live_events": lambda: [asdict(row) for row in live_events(options.model, 20.0)],
        "two_cameras": lambda: [asdict(row) for row in shared(options.model, 30.0)],
        "overload": lambda: [
            asdict(row) for row in freshness(options.model, options.overload_seconds)
        ],
    }
    for name, section in sections.items():
        if options.only and name not in options.only:
            continue
        result[name] = section()
        print(json.dumps({name: result[name]}, indent=2), flush=True)
    text = json.dumps(result, indent=2)
    if options.json is not None:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
