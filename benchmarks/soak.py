# SPDX-License-Identifier: Apache-2.0
"""Endurance: the pipeline at 30 Hz for as long as asked, then faults by name.

    python -m benchmarks.soak --minutes 60 [--model tiny] [--rate 30] [--json FILE]
    python -m benchmarks.soak --minutes 0 --faults
    PYTHONPATH="$PYTHONPATH:$PWD" python3 -P -m benchmarks.soak --minutes 60 --node
                                       with ROS 2 and the built package sourced, which -P prefers
    ... -m benchmarks.soak --minutes 0 --rounds 100 --model demo       memory over the lifecycle

Without --node the offline pipeline runs in this process: messages, pairing, encoding, model, masks
as messages. With it the live node runs beside this one, and its process is measured. Images that
come while one is segmented are superseded, as in the node. Memory is the resident set.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SETTLED_S = 300.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """A process at one moment: seconds since the start, resident bytes, threads, open files."""

    seconds: float
    resident: int
    threads: int
    handles: int


def sample(pid: int, seconds: float) -> Sample:
    """Reads /proc."""
    folder = Path("/proc", str(pid))
    pages = int((folder / "statm").read_text().split()[1])
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    handles = len(list((folder / "fd").iterdir()))
    return Sample(seconds, pages * _PAGE, int(status["Threads"]), handles)


@dataclass(frozen=True)
class Endurance:
    """slope_mb_per_hour: of a line through the memory after the first five minutes, or after the
    first half of a shorter run. latency: milliseconds from an image's arrival to its mask, of the
    first and the last tenth of the masks, median and 95th percentile. cpu: the same of the CPU
    time that a mask took, which other programs prolong less; None for the node."""

    what: str
    minutes: float
    rate_hz: float
    sent: int
    masks: int
    superseded: int
    slope_mb_per_hour: float
    memory_mb: tuple[float, float]
    threads: tuple[int, int]
    handles: tuple[int, int]
    latency_first_ms: tuple[float, float]
    latency_last_ms: tuple[float, float]
    cpu_first_ms: tuple[float, float] | None
    cpu_last_ms: tuple[float, float] | None


def summed_up(
    what: str,
    rate_hz: float,
    sent: int,
    latencies: Sequence[float],
    samples: Sequence[Sample],
    cpu: Sequence[float] = (),
) -> Endurance:
    """The figures of one run; latencies and CPU in milliseconds, in the order of the masks."""
    seconds = samples[-1].seconds
    begin = min(SETTLED_S, seconds / 2)
    settled = [s for s in samples if s.seconds >= begin]
    slope = np.polyfit([s.seconds for s in settled], [s.resident for s in settled], 1)[0]
    tenth = max(1, len(latencies) // 10)
    first, last = settled[0], settled[-1]
    return Endurance(
        what,
        round(seconds / 60, 2),
        rate_hz,
        sent,
        len(latencies),
        sent - len(latencies),
        round(float(slope) * 3600 / 1e6, 2),
        (round(first.resident / 1e6, 1), round(last.resident / 1e6, 1)),
        (first.threads, last.threads),
        (first.handles, last.handles),
        _middle_and_high(latencies[:tenth]),
        _middle_and_high(latencies[-tenth:]),
        _middle_and_high(cpu[:tenth]) if cpu else None,
        _middle_and_high(cpu[-tenth:]) if cpu else None,
    )


def _middle_and_high(values: Sequence[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(values, (50, 95))
    return round(float(p50), 1), round(float(p95), 1)


def offline(model: str, rate_hz: float, minutes: float) -> Endurance:
    """The pipeline in this process; the newest image wins."""
    from benchmarks.soak_feed import Feed, recorded_pairs

    feed = Feed(model, recorded_pairs(rate_hz), rate_hz)
    start, end = time.monotonic(), time.monotonic() + 60 * minutes
    latencies, cpu, samples, number = [], [], [], 0
    while (now := time.monotonic()) < end:
        due = int((now - start) * rate_hz)
        if due <= number:
            time.sleep(max(0.0, start + (number + 1) / rate_hz - now))
            continue
        number = due  # those between were superseded
        before = time.process_time()
        masks = feed.send(number)
        cpu += [1e3 * (time.process_time() - before)] * masks
        arrived = start + number / rate_hz
        latencies += [1e3 * (time.monotonic() - arrived)] * masks
        if not samples or now - start - samples[-1].seconds >= 1.0:
            samples.append(sample(os.getpid(), now - start))
    return summed_up(
        f"offline, model {Path(model).name}", rate_hz, number, latencies, samples, cpu
    )


def show(rows: Sequence[Any]) -> None:
    """Prints each dataclass as lines."""
    for row in rows:
        for name, value in asdict(row).items():
            print(f"{name:<18} {value}")
        print()


def main() -> None:
    """Runs what was asked for and prints it; --json writes all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="tiny", help="tiny: b0, untrained (default)")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second")
    parser.add_argument("--node", action="store_true", help="the live node, which needs ROS 2")
    parser.add_argument("--rounds", type=int, default=0, help="of the node's lifecycle, after it")
    parser.add_argument("--faults", action="store_true", help="the faults after it, by name")
    parser.add_argument("--only", action="append", metavar="FAULT", help="some faults alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with TemporaryDirectory() as folder:
        from benchmarks.soak_feed import small_model

        options.model = small_model(options.model, Path(folder) / "tiny")
        _run(options)


def _run(options: argparse.Namespace) -> None:
    runs: list[Endurance] = []
    if options.minutes > 0:
        runs.append(_endurance(options.node)(options.model, options.rate, options.minutes))
        show(runs)
    rounds = []
    if options.rounds > 0:
        from benchmarks.soak_rounds import lifecycle_rounds

        rounds.append(lifecycle_rounds(options.model, options.rounds))
        show(rounds)
    found = []
    if options.faults or options.only:
        from benchmarks.soak_faults import faults, show_faults

        found = show_faults(faults(options.model, options.rate, options.node, options.only))
    if options.json is not None:
        from segrgbx_core.bench.measuring import environment

        told = {
            "environment": environment(("torch", "numpy", "rosbags")),
            "endurance": [asdict(row) for row in runs],
            "rounds": [asdict(row) for row in rounds],
            "faults": [asdict(row) for row in found],
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _endurance(node: bool) -> Callable[[str, float, float], Endurance]:
    if not node:
        return offline
    from benchmarks.soak_node import live

    return live


if __name__ == "__main__":
    main()
