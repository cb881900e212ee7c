# SPDX-License-Identifier: Apache-2.0
"""Runs the tasks of a set in processes of this machine.

A pool of `concurrent.futures` gives all its tasks up when one process is killed, and does not say
whose it was; here each process has its own pipe, so that one death costs one task.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING

from segrgbx_ros.drives.engines import Attempts
from segrgbx_ros.drives.plan import Task

if TYPE_CHECKING:
    from segrgbx_ros.drives.task import TaskProgress, TaskResult
    from segrgbx_ros.replay.options import Stopping

LISTEN_S = 0.2
THREADS = "OMP_NUM_THREADS"


@dataclass
class _Worker:
    """A process and our end of its pipe. task: what it does now."""

    process: BaseProcess
    pipe: Connection
    task: Task | None = None


class Processes:
    """An engine of so many processes, which share the cores. See `Engine`.

    Raises nothing for a process that dies: its task is tried again, see `Attempts`.
    """

    def __init__(self, jobs: int, retries: int = 1) -> None:
        self._jobs = jobs
        self._attempts = Attempts(retries)
        self._spawn = get_context("spawn")
        self._stop: Event = self._spawn.Event()
        self._workers: list[_Worker] = []

    @contextmanager
    def running(
        self,
        tasks: "Sequence[Task]",
        heard: "Callable[[TaskProgress], None]",
        stopping: "Stopping",
    ) -> "Iterator[Iterator[TaskResult]]":
        """See Engine."""
        try:
            yield self._results(deque(tasks), heard, stopping)
        finally:
            for worker in self._workers:
                worker.process.terminate()
            for worker in self._workers:
                worker.process.join()

    def _results(
        self,
        waiting: "deque[Task]",
        heard: "Callable[[TaskProgress], None]",
        stopping: "Stopping",
    ) -> "Iterator[TaskResult]":
        while waiting or self._busy():
            if stopping() is not None:
                waiting.clear()
                self._stop.set()
            while waiting and self._give(waiting[0]):
                waiting.popleft()
            for worker in self._spoken():
                said = self._hear(worker, heard)
                if isinstance(said, Task):
                    waiting.appendleft(said)
                elif said is not None:
                    yield said

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _give(self, task: Task) -> bool:
        """Gives the task to an idle process, a new one if need be; False if all are at work."""
        free = next((worker for worker in self._workers if worker.task is None), None)
        if free is None and len(self._workers) < self._jobs:
            free = self._started()
        if free is None:
            return False
        free.task = task
        with suppress(BrokenPipeError):  # one that has died since is met when it is listened to
            free.pipe.send(task)
        return True

    def _started(self) -> _Worker:
        ours, theirs = self._spawn.Pipe()
        threads = threads_of_each(self._jobs)
        process = self._spawn.Process(target=work, args=(theirs, self._stop, threads), daemon=True)
        before = os.environ.get(THREADS)
        os.environ[THREADS] = str(threads)  # libraries read it when they are loaded
        try:
            process.start()
        finally:
            os.environ.pop(THREADS)
            if before is not None:
                os.environ[THREADS] = before
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _spoken(self) -> list[_Worker]:
        """The busy processes that said something or died; waits a little for one."""
        ready = wait([worker.pipe for worker in self._busy()], LISTEN_S)
        return [worker for worker in self._busy() if worker.pipe in ready]

    def _hear(
        self, worker: _Worker, heard: "Callable[[TaskProgress], None]"
    ) -> "Task | TaskResult | None":
        """Takes one message: a result, or a task to run again, ends the process's work."""
        from segrgbx_ros.drives.task import TaskProgress, TaskResult

        task = worker.task
        assert task is not None
        try:
            said = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            self._workers.remove(worker)
            if self._stop.is_set():
                return TaskResult(task.name, "interrupted", "Ended before it could be kept.")
            return self._attempts.after_death(task, _how(worker.process.exitcode))
        if isinstance(said, TaskProgress):
            heard(said)
            return None
        assert isinstance(said, TaskResult)
        worker.task = None
        return self._attempts.counted(said)


def threads_of_each(jobs: int) -> int:
    """How many threads each of so many processes computes on: its share of the cores."""
    cores = len(os.sched_getaffinity(0))
    asked = os.environ.get(THREADS, "")
    most = int(asked) if asked.isdecimal() and int(asked) else cores
    return max(1, min(most, cores // jobs))


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        return f"was ended by {name}" + (", as by a lack of memory" if status == -9 else "")
    return f"ended by itself with status {status}"


def work(pipe: Connection, stop: Event, threads: int) -> None:
    """Runs the tasks that come through the pipe, until it closes; in a process of its own.

    A terminal sends Ctrl-C to this process too; the set's own process decides what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from segrgbx_ros.drives.task import run_task, said_now_and_then, use_threads

    use_threads(threads)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            task: Task = pipe.recv()
            heard = said_now_and_then(pipe.send)
            pipe.send(run_task(task, heard, lambda: "SIGINT" if stop.is_set() else None))
