# SPDX-License-Identifier: Apache-2.0
"""Timing several cases in turn, as in benchmarks/METHOD.md, and the environment they ran in."""

import json
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from rich.table import Table

from segrgbx_core.console import PlainConsole

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = 3


@dataclass(frozen=True)
class Case:
    """run: does the work once. events: how many it processes, for a rate; None for one image.
    goal: at most so many milliseconds of CPU time, or with events at least so many millions per
    second."""

    name: str
    run: Callable[[], object]
    events: int | None = None
    goal: float | None = None


@dataclass(frozen=True)
class CaseTimes:
    """Median milliseconds, and the quartiles of the wall time. rate: millions of events per second
    of CPU time. ratio: CPU time over that of the section's first case, in the same rounds."""

    name: str
    wall_ms: float
    wall_quartiles_ms: tuple[float, float]
    cpu_ms: float
    rate: float | None
    ratio: float
    goal: float | None
    reached: bool | None


def timed(
    cases: Sequence[Case], rounds: int, progress: Callable[[], None] = lambda: None
) -> list[CaseTimes]:
    """Runs each case once per round; the first WARM_UP rounds are not counted.

    progress: called after each round.
    """
    wall = np.zeros((len(cases), rounds + WARM_UP))
    cpu = np.zeros_like(wall)
    for k in range(rounds + WARM_UP):
        for i, case in enumerate(cases):
            wall_start, cpu_start = time.perf_counter(), _cpu_s()
            case.run()
            wall[i, k] = time.perf_counter() - wall_start
            cpu[i, k] = _cpu_s() - cpu_start
        progress()
    wall, cpu = 1e3 * wall[:, WARM_UP:], 1e3 * cpu[:, WARM_UP:]
    return [_timing(case, wall[i], cpu[i], cpu[0]) for i, case in enumerate(cases)]


def _cpu_s() -> float:
    """CPU time of this process and of those it started and waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _timing(
    case: Case,
    wall: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    cpu: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    first: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> CaseTimes:
    low, middle, high = (round(float(v), 3) for v in np.percentile(wall, (25, 50, 75)))
    cpu_ms = float(np.median(cpu))
    rate = None if case.events is None else round(case.events / cpu_ms / 1e3, 1)
    reached = None
    if case.goal is not None:
        reached = cpu_ms <= case.goal if rate is None else rate >= case.goal
    ratio = round(float(np.median(cpu / first)), 2)
    return CaseTimes(
        name=case.name,
        wall_ms=middle,
        wall_quartiles_ms=(low, high),
        cpu_ms=round(cpu_ms, 3),
        rate=rate,
        ratio=ratio,
        goal=case.goal,
        reached=reached,
    )


def environment(packages: Sequence[str]) -> dict[str, str]:
    """The machine, the code and the package versions that figures refer to."""
    facts = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "python": platform.python_version(),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changes": "yes" if _git("status", "--porcelain") else "no",
    }
    for name in packages:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    return facts


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git(*arguments: str) -> str:
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def show(title: str, timings: Sequence[CaseTimes], console: PlainConsole | None = None) -> None:
    """Prints one section as a table."""
    table = Table(title=title, title_justify="left")
    rates, goals = any(t.rate is not None for t in timings), any(t.goal for t in timings)
    names = ["case", "wall ms (quartiles)", "CPU ms", "ratio"]
    for name in (*names, *["M events/s"] * rates, *["goal"] * goals):
        table.add_column(name, justify="left" if name == "case" else "right")
    for t in timings:
        low, high = t.wall_quartiles_ms
        goal = ""
        if t.goal is not None:
            unit = "ms" if t.rate is None else "M/s"
            goal = f"{t.goal:g} {unit} {'reached' if t.reached else 'MISSED'}"
        rate = "" if t.rate is None else f"{t.rate:.1f}"
        wall = f"{t.wall_ms:.2f} ({low:.2f} to {high:.2f})"
        figures = [t.name, wall, f"{t.cpu_ms:.2f}", f"{t.ratio:.2f}"]
        table.add_row(*figures, *[rate] * rates, *[goal] * goals)
    (console or PlainConsole(width=110)).print(table)


def write(
    path: Path, where: Mapping[str, str], timings: Mapping[str, Sequence[CaseTimes]]
) -> None:
    """Writes all timings and the environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {title: [asdict(t) for t in ts] for title, ts in timings.items()}
    path.write_text(
        json.dumps({"environment": where, "timings": rows}, indent=2) + "\n", encoding="utf-8"
    )
