# SPDX-License-Identifier: Apache-2.0
"""The runner's output: the table of all runs, and progress."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table

from experiments.estimate import Estimate, in_words
from experiments.jobs import Job
from experiments.runner import Outcome, Progress
from experiments.store import Record, Store


class Screen:
    """Prints a line when a job begins or ends; on a terminal also a bar with the running jobs and
    the remaining time.

    jobs: all requested jobs; those done before feed the estimate.
    """

    def __init__(
        self, console: Console, estimate: Estimate, jobs: Sequence[Job], store: Store
    ) -> None:
        self._console, self._estimate, self._store = console, estimate, store
        self._by_name = {job.name: job for job in jobs}
        self._last: Progress | None = None
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bars = Bars(
            *columns,
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._bars.add_task("jobs", total=len(jobs), note="")
        for job in jobs:
            record = store.record(job)
            if record is not None:
                estimate.learn(job, record)

    def __enter__(self) -> "Screen":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begun(self, job: Job) -> None:
        """Called when a job begins."""
        if not self._console.is_terminal:
            self._say(f"begin {job.name}")

    def ended(self, job: Job, record: Record) -> None:
        """Called when a job has ended."""
        self._estimate.learn(job, record)
        spent = f"{in_words(record.wall_s)}, {record.cpu_s:.0f} CPU s"
        if record.state == "failed":
            self._say(f"FAILED {job.name} (status {record.status}): see {self._store.log(job)}")
        elif record.state == "stopped":
            self._say(f"stopped {job.name}")
        else:
            self._say(f"done {job.name} in {spent}{self._left()}")

    def polled(self, progress: Progress) -> None:
        """Called regularly with the progress."""
        self._last = progress
        if self._console.is_terminal:
            note = f"{', '.join(progress.running)}{self._left()}"
            self._bars.update(self._task, completed=progress.done, total=progress.jobs, note=note)

    def _left(self) -> str:
        if self._last is None:
            return ""
        running = self._last.running
        jobs = [*self._last.waiting, *(self._by_name[name] for name in running)]
        left = in_words(self._estimate.seconds(jobs, running))
        return f"; {self._last.done} of {self._last.jobs} jobs done, about {left} left"

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def table(jobs: Sequence[Job], store: Store, keys: Mapping[str, str]) -> Table:
    """All jobs in groups: how many are done, and their cost."""
    shown = Table(title="jobs, the most urgent first", title_justify="left")
    for name in ("what", "question", "jobs", "state"):
        shown.add_column(name)
    for name in ("expected CPU s", "measured CPU s"):
        shown.add_column(name, justify="right")
    for what, members in _grouped(jobs).items():
        states = [state_of(job, store, keys) for job in members]
        counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        spent = sum(r.cpu_s for r in map(store.record, members) if r is not None)
        shown.add_row(
            what,
            members[0].question,
            str(len(members)),
            counts,
            f"{sum(job.cost for job in members):.0f}",
            f"{spent:.0f}" if spent else "",
        )
    return shown


def state_of(job: Job, store: Store, keys: Mapping[str, str]) -> str:
    """done, running or ended unnoticed, stopped, failed, outdated, without its data, to do."""
    record = store.record(job)
    if record is None:
        return f"without {job.real}" if store.lacks(job) else "to do"
    return "outdated" if store.outdated(job, keys[job.name]) else record.state


def _grouped(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        first, second = job.name.split("/")[:2]
        groups.setdefault(f"{first}/{second}", []).append(job)
    return groups


def outcome_lines(outcome: Outcome, store: Store, again: str) -> list[str]:
    """The outcome, and what to do next."""
    lines = [f"{len(outcome.done)} jobs are done."]
    for job in outcome.failed:
        lines.append(f"Failed: {job.name}; its output is in {store.log(job)}.")
    failed = {job.name for job in outcome.failed}
    if outcome.left and failed and not outcome.stopped:
        lines.append(f"{len(outcome.left)} jobs were not begun, as they need a failed one.")
    if outcome.stopped:
        lines.append(f"Stopped, with {len(outcome.left)} jobs left; trainings were saved.")
    if outcome.stopped or failed:
        lines.append(f"Go on with: {again}")
    return lines
