# SPDX-License-Identifier: Apache-2.0
"""The live node on the ROS 2 that is sourced: what it adds to the model, and how fresh masks stay.

    PYTHONPATH="$PYTHONPATH:$PWD" python3 -P -m benchmarks.bench_node [--only late_x] [--json FILE]
                                       in the repository, with ROS 2 and the built package sourced,
                                       which -P prefers

Sections: message in to mask out, minus the model's own time; publish cost of each output; CPU use
with inference switched off, of images and of events; two cameras; side by side with
straightforward_node.py, a camera at twice the rate that the model sustains; the same with X late;
and `ros2 launch ... demo.launch.py` up to its first overlay.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from benchmarks.demo_start import demo_starts
from benchmarks.node_ages import freshness, late_x, shared
from benchmarks.node_process import (
    HERE,
    MASK,
    UP_S,
    Bench,
    camera,
    cpu_seconds,
    node_command,
    process,
    wait_for_masks,
)
from segrgbx_core.bench.measuring import environment
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.segmentation import Segmentation
from segrgbx_ros.node.outputs import ros_image

SIZES = ((640, 480), (1280, 720), (1920, 1080))
GOAL_MS = 5.0
EVENT_RATES = (249.0, 1000.0)


@dataclass(frozen=True)
class Overhead:
    """Milliseconds from the RGB image's publication to the mask's arrival, without the model.

    cpu_mean: CPU time of the node for a mask, model and all; on a shared machine the one that
    repeats.
    """

    size: str
    frames: int
    total_p50: float
    added_p50: float
    added_p95: float
    cpu_mean: float
    goal: float | None


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
    cpu = dict.fromkeys(SIZES, 0.0)
    with process(*node_command(model)) as child:
        wait_for_masks()
        for number in range(rounds + 3):
            for size in SIZES:
                before = cpu_seconds(child.pid)
                done = bench.pair(*pictures[size])
                if done is not None and number >= 3:
                    total, status = done
                    own = status.encode_ms + status.model_ms
                    samples[size].append((total, total - own))
                    cpu[size] += 1e3 * (cpu_seconds(child.pid) - before)
    bench.close()
    for (width, height), values in samples.items():
        total, added = np.array(values).T
        rows.append(
            Overhead(
                f"{width}x{height}",
                len(values),
                *(round(float(v), 2) for v in (np.median(total), *np.percentile(added, (50, 95)))),
                round(cpu[width, height] / len(values), 1),
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


@contextmanager
def switched_off(model: str, *extra: str) -> Iterator[subprocess.Popen[str]]:
    """The node after its first mask and ~/enable with false, listening to its inputs only."""
    bench = Bench()
    with process(*node_command(model, *extra)) as child:
        wait_for_masks()
        client = bench.node.create_client(SetBool, "segrgbx/enable")
        if not bench.spin_until(client.service_is_ready, UP_S):
            raise SystemExit("The node has no service ~/enable.")
        bench.spin_until(client.call_async(SetBool.Request(data=False)).done, UP_S)
        bench.close()
        yield child


def idle_cpu(model: str, seconds: float) -> float:
    """Percent of one core at 30 Hz of 640x480 with inference switched off by ~/enable."""
    with switched_off(model) as child:
        before, start = cpu_seconds(child.pid), time.monotonic()
        camera(SIZES[0], 30.0, seconds, (MASK,))
        used = (cpu_seconds(child.pid) - before) / (time.monotonic() - start)
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
    rows = []
    with switched_off(model, "modality:=event", "missing_x:=rgb_only") as child:
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
    return rows


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
        "cyclonedds": os.environ.get("CYCLONEDDS_URI", "default"),
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
        "late_x": lambda: [asdict(row) for row in late_x(options.model, options.overload_seconds)],
        "demo_start": lambda: [asdict(row) for row in demo_starts()],
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
