# SPDX-License-Identifier: Apache-2.0
"""How old masks are when they arrive: under overload, with a late X, with two cameras."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.node_process import (
    HERE,
    MASK,
    camera,
    cpu_seconds,
    node_command,
    process,
    resident_mb,
    wait_for_masks,
)
from segrgbx_core import Segmenter

SIZE = (640, 480)
OUTPUTS = (MASK, "segrgbx/status")
LATE_S = (0.0, 0.04, 0.3)
LATE_TIMEOUT_S = 0.6
CAMERAS = ("front", "left")


@dataclass(frozen=True)
class Freshness:
    """One node under overload; ages in milliseconds at the masks' arrival.

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


def overloading(model: str) -> float:
    """Twice the rate of 640x480 pairs that the model sustains here, in Hz."""
    segmenter = Segmenter(model, "cpu")
    rgb = np.zeros((480, 640, 3), np.uint8)
    x = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    times = []
    for _ in range(12):
        start = time.perf_counter()
        segmenter(rgb, x, "thermal")
        times.append(time.perf_counter() - start)
    return 2.0 / float(np.median(times[3:]))


def freshness(model: str, seconds: float) -> list[Freshness]:
    """Both nodes one after the other, with the camera at twice the rate the model sustains."""
    rate = overloading(model)
    straight = [sys.executable, str(HERE / "straightforward_node.py"), "--ros-args"]
    return [
        _seen("segrgbx", node_command(model), OUTPUTS, seconds, rate),
        _seen(
            "straightforward",
            [*straight, "-p", f"model:={model}"],
            ("straightforward/mask",),
            seconds,
            rate,
        ),
    ]


def late_x(model: str, seconds: float) -> list[Freshness]:
    """Our node under the same load, with X at once, 40 and 300 ms after its RGB image."""
    rate, command = overloading(model), node_command(model, f"sync.x_timeout:={LATE_TIMEOUT_S}")
    return [
        _seen(f"X {1e3 * late:.0f} ms late", command, OUTPUTS, seconds, rate, late)
        for late in LATE_S
    ]


def _seen(
    name: str,
    command: Sequence[str],
    topics: Sequence[str],
    seconds: float,
    rate: float,
    late_s: float = 0.0,
) -> Freshness:
    with process(*command) as child:
        wait_for_masks(topics[0])
        before, start = cpu_seconds(child.pid), time.monotonic()
        seen = camera(SIZE, rate, seconds, topics, late_s=late_s)
        used = (cpu_seconds(child.pid) - before) / (time.monotonic() - start)
    return _fresh(name, seen, topics[0], used, rate)


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
        for name in CAMERAS:
            wait_for_masks(namespace=f"/{name}")
        before, start = [cpu_seconds(node.pid) for node in nodes], time.monotonic()
        with ThreadPoolExecutor(len(CAMERAS)) as pool:
            jobs = [pool.submit(camera, SIZE, 15.0, seconds, (MASK,), name) for name in CAMERAS]
            seen = [job.result() for job in jobs]
        took = time.monotonic() - start
        used = sum(cpu_seconds(n.pid) - b for n, b in zip(nodes, before, strict=True))
        memory = sum(resident_mb(node.pid) for node in nodes)
    each = [one["ages_ms"][MASK] for one in seen]
    ages = [age for one in each for age in one]
    p50, p95 = (round(float(v), 1) for v in np.percentile(ages, (50, 95)))
    sent = sum(one["sent"] for one in seen)
    masks = tuple(len(one) for one in each)
    return Shared(how, sent, masks, p50, p95, round(100 * used / took, 1), round(memory))
