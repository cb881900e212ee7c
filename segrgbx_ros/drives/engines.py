# SPDX-License-Identifier: Apache-2.0
"""What runs the tasks of a set: the contract, and how lost work is tried again."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from segrgbx_ros.drives.plan import Task
from segrgbx_ros.drives.task import TaskProgress, TaskResult
from segrgbx_ros.replay.options import Stopping


class Engine(Protocol):
    """Runs tasks, several at once, each by `run_task`."""

    def running(
        self, tasks: Sequence[Task], heard: Callable[[TaskProgress], None], stopping: Stopping
    ) -> AbstractContextManager[Iterator[TaskResult]]:
        """A context with the results as they come, in any order; leaving it ends what still runs.

        A task that was not begun when `stopping` gave a signal has no result.
        """
        ...


class Attempts:
    """Decides what becomes of tasks whose process died: tried again a few times, then failed.

    retries: how often each.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._tried: Counter[str] = Counter()

    def counted(self, result: TaskResult) -> TaskResult:
        """The result with the number of processes that the task took."""
        return replace(result, attempts=self._tried[result.name] + 1)

    def after_death(self, task: Task, how: str) -> Task | TaskResult:
        """The task to run again, or its result; how: what ended its process, a clause."""
        self._tried[task.name] += 1
        times = self._tried[task.name]
        if times <= self._retries:
            return replace(task, again=True)
        often = "once" if times == 1 else f"{times} times"
        return TaskResult(
            task.name,
            "failed",
            f"The process of this replay {how}, {often}; free memory, or run fewer at once, and "
            "go on with --resume.",
            False,
            attempts=times,
        )
