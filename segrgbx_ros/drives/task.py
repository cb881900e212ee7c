# SPDX-License-Identifier: Apache-2.0
"""One replay of a set, the same in a process of this machine and on a cluster's worker."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from segrgbx_core.errors import SegRgbxError, shortage_in_words
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.stopping import StoppedError
from segrgbx_ros.drives.plan import Task
from segrgbx_ros.replay.account import NoFrameError
from segrgbx_ros.replay.options import Progress, ReplayOptions, Stopping
from segrgbx_ros.replay.output import STATE_FILE
from segrgbx_ros.replay.report import write_report
from segrgbx_ros.replay.run import replay

TaskState = Literal["done", "empty", "failed", "interrupted"]


@dataclass(frozen=True)
class TaskResult:
    """What came of a task: small facts, the rest is in its folder.

    sentence: why it failed or was stopped, or what of the recording is lost; empty if nothing.
    complete: whether the whole recording was read. seconds: that it took. attempts: processes that
    ran it, of which all but the last died.
    """

    name: str
    state: TaskState
    sentence: str = ""
    complete: bool = True
    seconds: float = 0.0
    attempts: int = 1


@dataclass(frozen=True)
class TaskProgress:
    """How far a task is: RGB images read, of how many, and masks."""

    name: str
    rgb_seen: int
    rgb_total: int
    segmented: int


def run_task(
    task: Task,
    heard: Callable[[TaskProgress], None] = lambda _: None,
    stopping: Stopping = lambda: None,
) -> TaskResult:
    """Replays one task into its folder; nothing that goes wrong in it is raised.

    heard: told of every image. stopping: as of `replay`; the result is then "interrupted", with a
    folder that can be gone on from. KeyboardInterrupt passes.
    """
    began = time.monotonic()

    def told(state: Progress) -> None:
        heard(TaskProgress(task.name, state.rgb_seen, state.rgb_total, state.segmented))

    result = _result(task, told, stopping)
    return replace(result, seconds=round(time.monotonic() - began, 3))


def _result(task: Task, told: Callable[[Progress], None], stopping: Stopping) -> TaskResult:
    try:
        options = _taken_up(task)
        summary = replay(options, told, _segmenter(*_model_of(options)), stopping)
        write_report(options.out)
    except StoppedError as err:
        return TaskResult(task.name, "interrupted", str(err), False)
    except NoFrameError as err:
        alone = task.options.span is None
        return TaskResult(task.name, "failed" if alone else "empty", str(err), not alone)
    except SegRgbxError as err:
        return TaskResult(task.name, "failed", str(err), False)
    except Exception as err:  # noqa: BLE001
        return TaskResult(task.name, "failed", _unforeseen(task, err), False)
    if summary.interrupted is not None:
        return TaskResult(task.name, "interrupted", summary.interrupted, False)
    lost = summary.recording.lost or ""
    return TaskResult(task.name, "done", lost, summary.complete)


def _unforeseen(task: Task, err: Exception) -> str:
    where = f"replay {task.options.bag} alone to see where."
    return shortage_in_words(err) or f"The replay ended by {type(err).__name__}: {err}; {where}"


def _taken_up(task: Task) -> ReplayOptions:
    """The task's options; where an earlier try was interrupted, to go on with it."""
    if not task.again:
        return task.options
    state = task.options.out / STATE_FILE
    return replace(task.options, resume=state.is_file(), force=True)


_Model = tuple[str | Path, str, str, str | Path | None, str]


def _model_of(options: ReplayOptions) -> _Model:
    return (options.model, options.device, options.precision, options.label_set, options.backend)


@lru_cache(maxsize=1)
def _segmenter(
    model: str | Path, device: str, precision: str, label_set: str | Path | None, backend: str
) -> Segmenter:
    """The model, loaded once by each process."""
    return Segmenter(model, device, precision, label_set=label_set, backend=backend)


def use_threads(number: int) -> None:
    """Lets the libraries of this process compute on so many threads."""
    import cv2
    import torch

    torch.set_num_threads(number)
    cv2.setNumThreads(number)


def said_now_and_then(
    send: Callable[[TaskProgress], None], every_s: float = 0.2
) -> Callable[[TaskProgress], None]:
    """Passes the first report on, and then at most one in so many seconds."""
    due = 0.0

    def heard(state: TaskProgress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + every_s
            send(state)

    return heard
