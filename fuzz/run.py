# SPDX-License-Identifier: Apache-2.0
"""Many inputs on one surface, in a process that may run out of memory, hang or crash."""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from fuzz.surface import Surface
from fuzz.table import surface_named
from fuzz.trial import Trial, limited_memory, try_input

STUCK_SECONDS = 60.0
_EVERY = 200


@dataclass
class Findings:
    """inputs: tried; counts: outcomes; kinds: of each kind of finding, how often and which input
    first."""

    inputs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, list[int]] = field(default_factory=dict)
    slowest: float = 0.0

    def add(self, index: int, trial: Trial) -> None:
        """Adds one trial."""
        self.inputs += 1
        self.counts[trial.outcome] += 1
        self.slowest = max(self.slowest, trial.seconds)
        if trial.is_finding:
            kind = f"{trial.outcome}: {trial.text}"
            self.kinds.setdefault(kind, []).append(index)


def run_surface(
    name: str, inputs: int, seed: int, seconds: float | None, tell: Callable[[str], None]
) -> Findings:
    """Tries the inputs in a child process; one that hangs or kills it is a finding, and a new
    process goes on behind it. seconds: stops after that time."""
    findings, at, begun = Findings(), 0, time.monotonic()
    while at < inputs and not (seconds is not None and time.monotonic() - begun > seconds):
        left = None if seconds is None else seconds - (time.monotonic() - begun)
        at = _one_process(name, at, inputs, seed, left, findings)
        tell(f"{name}: {findings.inputs} inputs, {dict(findings.counts)}")
    return findings


def _one_process(
    name: str, start: int, inputs: int, seed: int, seconds: float | None, findings: Findings
) -> int:
    """The index behind the last input that was tried."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    at = spawn.Value("q", start)
    child = spawn.Process(
        target=_child, args=(there, at, name, inputs, seed, seconds), daemon=True
    )
    child.start()
    there.close()
    seen, since = -1, time.monotonic()
    ended = False
    while True:
        if here.poll(1.0):
            try:
                message = here.recv()
            except EOFError:
                break
            if message is None:
                ended = True
                break
            for index, trial in message:
                findings.add(index, trial)
        if at.value != seen:
            seen, since = at.value, time.monotonic()
        elif time.monotonic() - since > STUCK_SECONDS:
            child.kill()
            break
    child.join(10)
    if ended:
        return int(at.value)
    how = "hangs" if child.exitcode in (-9, None) else f"ends the process ({child.exitcode})"
    findings.add(int(at.value), Trial("process", how, 0.0))
    return int(at.value) + 1


def _child(
    pipe: Connection, at: Any, name: str, inputs: int, seed: int, seconds: float | None
) -> None:
    os.environ["OPENCV_LOG_LEVEL"] = "OFF"
    surface = surface_named(name)
    _silent()
    begun = time.monotonic()
    for data in surface.valid():
        try_input(surface, data)
    with limited_memory():
        _try_all(pipe, at, surface, inputs, seed, None if seconds is None else begun + seconds)
    pipe.send(None)


def _try_all(
    pipe: Connection, at: Any, surface: Surface, inputs: int, seed: int, end: float | None
) -> None:
    done: list[tuple[int, Trial]] = []
    while at.value < inputs and not (end is not None and time.monotonic() > end):
        trial = try_input(surface, surface.input(seed, at.value))
        done.append(
            (at.value, trial if trial.is_finding else Trial(trial.outcome, "", trial.seconds))
        )
        at.value += 1
        if len(done) >= _EVERY or trial.is_finding:
            pipe.send(done)
            done = []
    pipe.send(done)


def _silent() -> None:
    """Decoders write to the process's own error output, past Python."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
