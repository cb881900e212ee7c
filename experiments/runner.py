# SPDX-License-Identifier: Apache-2.0
"""Runs the jobs, several processes at once, until all are done or it is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import FrameType
from typing import Literal

from experiments.jobs import Job
from experiments.store import Record, Store
from segrgbx_core.files.disk import disk_errors

# Not a script file: rendering starts processes, and these would run the script again.
_CODE = "import sys; from segrgbx_ros.cli import main; sys.exit(main())"
SEGRGBX = (sys.executable, "-c", _CODE)
_POLL_S = 0.5


@dataclass
class _Running:
    job: Job
    process: "subprocess.Popen[bytes]"
    record: Record
    started: float


@dataclass(frozen=True)
class Progress:
    """jobs: number of requested jobs. running: names with the seconds since their start."""

    jobs: int
    done: int
    failed: int
    running: Mapping[str, float]
    waiting: Sequence[Job]


@dataclass
class Outcome:
    """The jobs by outcome. left: those that wait for a failed one, or for the next call."""

    done: list[Job] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    left: list[Job] = field(default_factory=list)
    stopped: bool = False


class Runner:
    """jobs: by urgency. slots: processes at once. machine: describes the machine at the start of a
    job. on_end: called after each job with its record; on_poll: called often. program: the
    command that takes the jobs' arguments."""

    def __init__(
        self,
        store: Store,
        jobs: Sequence[Job],
        keys: Mapping[str, str],
        slots: int,
        machine: Callable[[], Mapping[str, str]],
        on_start: Callable[[Job], None],
        on_end: Callable[[Job, Record], None],
        on_poll: Callable[[Progress], None],
        program: Sequence[str] = SEGRGBX,
    ) -> None:
        self._store, self._keys, self._slots, self._machine = store, keys, slots, machine
        self._program = program
        self._on_start, self._on_end, self._on_poll = on_start, on_end, on_poll
        self._outcome = Outcome(done=[job for job in jobs if store.done(job, keys[job.name])])
        self._waiting = [job for job in jobs if job not in self._outcome.done]
        self._running: list[_Running] = []
        self._signals = 0

    def run(self, lock: int) -> Outcome:
        """Runs all remaining jobs. SIGINT and SIGTERM let the processes save their state; a
        second one ends them at once. lock: a descriptor that the processes inherit."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._heard) for number in numbers}
        try:
            while True:
                if not self._signals:
                    self._start_ready(lock)
                if not self._running:
                    break
                self._collect()
                self._on_poll(self._progress())
                time.sleep(_POLL_S)
        finally:
            for running in self._running:
                _end(running.process, signal.SIGTERM)
            for number, handler in before.items():
                signal.signal(number, handler)
        self._outcome.left = list(self._waiting)
        self._outcome.stopped = self._signals > 0
        return self._outcome

    def _progress(self) -> Progress:
        now = time.monotonic()
        return Progress(
            len(self._outcome.done)
            + len(self._outcome.failed)
            + len(self._waiting)
            + len(self._running),
            len(self._outcome.done),
            len(self._outcome.failed),
            {r.job.name: now - r.started for r in self._running},
            tuple(self._waiting),
        )

    def _start_ready(self, lock: int) -> None:
        """Starts the most urgent jobs that can start. A job that uses all cores waits for them,
        and no less urgent job overtakes it."""
        finished = {job.name for job in self._outcome.done}
        for job in list(self._waiting):
            if not set(job.needs) <= finished:
                continue
            busy = sum(self._slots if r.job.whole else 1 for r in self._running)
            if busy + (self._slots if job.whole else 1) > self._slots:
                return
            self._waiting.remove(job)
            self._start(job, lock)

    def _start(self, job: Job, lock: int) -> None:
        store = self._store
        store.write_recipe(job)
        record = store.begun(job, self._keys[job.name], self._machine())
        log = store.log(job)
        with disk_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as file:
                process = subprocess.Popen(
                    [*self._program, *store.arguments(job)],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    # In its own process group, so that it gets a Ctrl-C once, from here.
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        self._running.append(_Running(job, process, record, time.monotonic()))
        self._on_start(job)

    def _collect(self) -> None:
        for running in list(self._running):
            pid, status, used = os.wait4(running.process.pid, os.WNOHANG)
            if not pid:
                continue
            running.process.returncode = os.waitstatus_to_exitcode(status)
            self._running.remove(running)
            record = replace(
                running.record,
                state=self._state(running.process.returncode),
                cpu_s=round(running.record.cpu_s + used.ru_utime + used.ru_stime, 2),
                wall_s=round(running.record.wall_s + time.monotonic() - running.started, 2),
                status=running.process.returncode,
                finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            )
            self._store.note(running.job, record)
            self._sort(running.job, record)
            self._on_end(running.job, record)

    def _state(self, status: int) -> Literal["done", "stopped", "failed"]:
        if status == 0:
            return "done"
        return "stopped" if self._signals else "failed"

    def _sort(self, job: Job, record: Record) -> None:
        if record.state == "done":
            self._outcome.done.append(job)
        elif record.state == "failed":
            self._outcome.failed.append(job)
        else:
            self._waiting.insert(0, job)

    def _heard(self, _: int, __: FrameType | None) -> None:
        self._signals += 1
        for running in self._running:
            _end(running.process, signal.SIGTERM if self._signals == 1 else signal.SIGKILL)


def _end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Signals the process and its children."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
