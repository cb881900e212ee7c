# SPDX-License-Identifier: Apache-2.0
"""A set of recordings from its options to its summary, begun or gone on with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segrgbx_core.files.disk import claim_output, need_no_links
from segrgbx_core.runs.folder import SUMMARY_FILE
from segrgbx_core.wording import counted
from segrgbx_ros.drives.engines import Engine
from segrgbx_ros.drives.merged import merge
from segrgbx_ros.drives.plan import Refused, SetOptions, Task, planned
from segrgbx_ros.drives.states import (
    FORMAT,
    SetStates,
    TaskRecord,
    begun_with,
    need_same_set,
    read_states,
)
from segrgbx_ros.drives.summary import SetSummary
from segrgbx_ros.drives.task import TaskProgress, TaskResult
from segrgbx_ros.replay.options import Stopping


@dataclass(frozen=True)
class SetOutcome:
    """What a set came to. summary: None where no recording is done."""

    states: SetStates
    summary: SetSummary | None
    interrupted: str | None


@dataclass(frozen=True)
class SetListener:
    """What is told of a set under way.

    begun: once, with its states and the number of tasks to do. heard: of a task under way. ended:
    of each that ended.
    """

    begun: Callable[[SetStates, int], None] = lambda _, __: None
    heard: Callable[[TaskProgress], None] = lambda _: None
    ended: Callable[[TaskResult], None] = lambda _: None


def replay_set(
    options: SetOptions,
    engine: Engine,
    listener: SetListener | None = None,
    stopping: Stopping = lambda: None,
) -> SetOutcome:
    """Replays every recording into a folder of its own, and sums all of them up.

    A recording that cannot be replayed ends with its sentence, and the others go on. With resume
    in the options, what `drives.json` says to be done stays, and the rest is done: what was
    interrupted goes on, what failed is tried again. Raises SegRgbxError for options that cannot
    be, and an output folder that cannot be used.
    """
    listener = listener or SetListener()
    states, tasks = _begun(options)
    states.write(options.out)
    listener.begun(states, len(tasks))
    stopped: str | None = None

    def stop() -> str | None:
        nonlocal stopped
        stopped = stopped or stopping()
        return stopped

    if tasks:
        with engine.running(tasks, listener.heard, stop) as results:
            for result in results:
                states = _noted(states, result)
                states.write(options.out)
                listener.ended(result)
    interrupted = _interrupted(states, stopped)
    return SetOutcome(states, merge(options.out, states, interrupted), interrupted)


def _begun(options: SetOptions) -> tuple[SetStates, list[Task]]:
    """The states at the start, and what is to be done; claims the output folder."""
    resume = options.each.resume
    before = read_states(options.out) if resume else None
    if before is not None:
        need_same_set(options.out, before, options)
    plan = planned(options, {} if before is None else before.names)
    known = {} if before is None else {task.name: task for task in before.tasks}
    if before is None:
        claim_output(options.out, options.each.force)
    need_no_links(options.out / entry.drive for entry in plan)
    records = [_record(entry, known, options.out) for entry in plan]
    states = SetStates(FORMAT, begun_with(options), records)
    over = {record.name for record in records if record.over}
    todo = [entry for entry in plan if isinstance(entry, Task) and entry.name not in over]
    return states, [replace(task, again=task.name in known) for task in todo]


def _record(entry: Task | Refused, known: Mapping[str, TaskRecord], out: Path) -> TaskRecord:
    if isinstance(entry, Refused):
        return TaskRecord(entry.drive, entry.drive, str(entry.bag), "failed", entry.why, False)
    before = known.get(entry.name)
    there = (out / entry.name / SUMMARY_FILE).is_file()
    if before is not None and before.over and (there or before.state == "empty"):
        return before
    return TaskRecord(entry.name, entry.drive, str(entry.options.bag))


def _noted(states: SetStates, result: TaskResult) -> SetStates:
    def now(task: TaskRecord) -> TaskRecord:
        return replace(task, **vars(result)) if task.name == result.name else task

    return replace(states, tasks=[now(task) for task in states.tasks])


def _interrupted(states: SetStates, stopped: str | None) -> str | None:
    left = sum(task.state in ("waiting", "interrupted") for task in states.tasks)
    if stopped is None or not left:
        return None
    total = len(states.tasks)
    return (
        f"Stopped by {stopped} after {total - left} of {counted(total, 'replay')}; the same "
        "command with --resume goes on."
    )
