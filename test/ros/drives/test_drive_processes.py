# SPDX-License-Identifier: Apache-2.0
"""Replays in processes of this machine: several at once, killed ones, and an end on request."""

import os
import signal
import sys
from multiprocessing import active_children
from pathlib import Path

import pytest

from segrgbx_ros.drives.plan import Task
from segrgbx_ros.drives.processes import Processes, threads_of_each
from segrgbx_ros.drives.task import TaskProgress, TaskResult
from segrgbx_ros.replay.output import STATE_FILE

sys.path.insert(0, str(Path(__file__).parent))
from drive_bags import drive_bag, drive_options


def tasks_of(tmp_path: Path, model: Path, *names: str) -> list[Task]:
    return [
        Task(name, name, drive_options(model, tmp_path / "out" / name, tmp_path / name))
        for name in names
    ]


def killed_at_first_sight(_: TaskProgress) -> None:
    for child in active_children():
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)


class KilledOnce:
    """Kills the process of a task when it is first heard of."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, state: TaskProgress) -> None:
        if state.name not in self.names:
            self.names.append(state.name)
            killed_at_first_sight(state)


def test_two_at_once_and_a_third_after_them(tmp_path: Path, model_folder: Path) -> None:
    for name in ("a", "b"):
        drive_bag(tmp_path / name, range(3))
    tasks = tasks_of(tmp_path, model_folder, "a", "missing", "b")
    heard: set[str] = set()
    with Processes(2).running(tasks, lambda s: heard.add(s.name), lambda: None) as results:
        by_name = {result.name: result for result in results}
    assert {name: r.state for name, r in by_name.items()} == {
        "a": "done",
        "b": "done",
        "missing": "failed",
    }
    assert "missing does not exist" in by_name["missing"].sentence
    assert heard == {"a", "b"}
    assert by_name["a"].attempts == 1
    assert by_name["a"].seconds > 0
    for name in ("a", "b"):
        assert (tmp_path / "out" / name / "summary.json").is_file()
    assert not active_children()


def test_a_killed_process_is_tried_again_and_counted(tmp_path: Path, model_folder: Path) -> None:
    drive_bag(tmp_path / "a", range(3))
    tasks = tasks_of(tmp_path, model_folder, "a")
    with Processes(1, retries=1).running(tasks, KilledOnce(), lambda: None) as results:
        [result] = results
    assert (result.state, result.attempts) == ("done", 2)
    assert (tmp_path / "out" / "a" / "summary.json").is_file()


def test_a_process_killed_too_often_fails_with_its_sentence(
    tmp_path: Path, model_folder: Path
) -> None:
    drive_bag(tmp_path / "a", range(3))
    tasks = tasks_of(tmp_path, model_folder, "a")
    engine = Processes(1, retries=0)
    with engine.running(tasks, killed_at_first_sight, lambda: None) as results:
        [result] = results
    assert (result.state, result.attempts) == ("failed", 1)
    assert "was ended by SIGKILL, as by a lack of memory, once; free memory" in result.sentence


def test_stopping_keeps_what_is_done_and_the_rest_is_not_begun(
    tmp_path: Path, model_folder: Path
) -> None:
    for name in ("a", "b"):
        drive_bag(tmp_path / name, range(40))
    tasks = tasks_of(tmp_path, model_folder, "a", "b")
    signals: list[str] = []

    def heard(state: TaskProgress) -> None:
        if state.segmented > 0:
            signals.append("SIGINT")

    def stopping() -> str | None:
        return signals[0] if signals else None

    with Processes(1).running(tasks, heard, stopping) as results:
        came: list[TaskResult] = list(results)
    assert [(r.name, r.state) for r in came] == [("a", "interrupted")]
    assert "Stopped by SIGINT after" in came[0].sentence
    assert (tmp_path / "out" / "a" / STATE_FILE).is_file()
    assert not (tmp_path / "out" / "b").exists()
    again = [Task("a", "a", tasks[0].options, again=True)]
    with Processes(1).running(again, lambda _: None, lambda: None) as results:
        assert [(r.name, r.state) for r in results] == [("a", "done")]
    assert not (tmp_path / "out" / "a" / STATE_FILE).exists()


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_of_each(jobs) for jobs in (1, 2, 3, 16)] == [8, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [threads_of_each(jobs) for jobs in (1, 4)] == [3, 2]
