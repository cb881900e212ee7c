# SPDX-License-Identifier: Apache-2.0
"""Sums the runs of a set up: its folder then reads as one run over all recordings."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segrgbx_core.files.disk import disk_errors, replacing, write_whole
from segrgbx_core.runs.counts import COUNTS_FILE, FrameCounts, write_counts
from segrgbx_core.runs.folder import (
    LABELS_FILE,
    SUMMARY_FILE,
    Run,
    RunFacts,
    read_run,
    write_labels,
)
from segrgbx_core.runs.joining import joined_counts, joined_rows, need_alike
from segrgbx_core.runs.rows import FRAMES_FILE, FrameRow, RowWriter
from segrgbx_core.wording import counted
from segrgbx_ros.drives.states import SetStates, State, TaskRecord
from segrgbx_ros.drives.summary import (
    DriveEntry,
    DriveFigures,
    SetSummary,
    confusion_and_calibration,
    figures_of_set,
)
from segrgbx_ros.replay.summary import read_summary

WORST_FIRST: tuple[State, ...] = ("failed", "interrupted", "waiting", "done", "empty")
Named = Sequence[tuple[str, Run]]


def merge(out: Path, states: SetStates, interrupted: str | None = None) -> SetSummary | None:
    """Writes the set's `summary.json`, `frames.csv`, `scores.npz` and `labels.json`.

    None where no recording is done; the files of an earlier call are then removed. Raises
    InputError for a run's folder that cannot be read, or runs that differ in model or classes.
    """
    named = [(t.name, read_run(out / t.name)) for t in states.tasks if t.state == "done"]
    _remove(out)
    if not named:
        return None
    need_alike([run for _, run in named])
    rows, counts = tuple(joined_rows(named)), joined_counts(named)
    _write_frames(out, named, rows, counts)
    confusion, calibration = confusion_and_calibration(counts)
    classes = named[0][1].label_set.classes
    summary = SetSummary(
        run=_facts(states, named),
        drives=_entries(states, named),
        all=figures_of_set(rows, counts, named[0][1]),
        confusion=confusion,
        calibration=calibration,
        class_colors={c.name: c.color for c in classes},
        interrupted=interrupted,
        limits=read_summary(named[0][1].folder).card.limits,
    )
    write_whole(out / SUMMARY_FILE, summary.to_json().encode())
    return summary


def _remove(out: Path) -> None:
    with disk_errors(out):
        for name in (SUMMARY_FILE, FRAMES_FILE, COUNTS_FILE, LABELS_FILE):
            (out / name).unlink(missing_ok=True)


def _write_frames(
    out: Path, named: Named, rows: Sequence[FrameRow], counts: FrameCounts | None
) -> None:
    label_set = named[0][1].label_set
    write_labels(out / LABELS_FILE, label_set)
    if counts is not None:
        write_counts(out / COUNTS_FILE, counts)
    alone = counts is not None and counts.alone is not None
    with replacing(out / FRAMES_FILE) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = RowWriter(text, label_set.names, alone)
        for row in rows:
            writer.write(row)
        text.detach()


def _facts(states: SetStates, named: Named) -> RunFacts:
    first = named[0][1].facts
    drives = list(dict.fromkeys(task.drive for task in states.tasks if task.state == "done"))
    truth = (run.facts.scored_by for _, run in named)
    return replace(
        first,
        source=f"{counted(len(drives), 'recording')}: {', '.join(drives)}",
        scored_by=next((by for by in truth if by is not None), None),
    )


def _entries(states: SetStates, named: Named) -> list[DriveEntry]:
    """One entry a recording, in the order of the set."""
    runs = dict(named)
    by_drive: dict[str, list[TaskRecord]] = {}
    for task in states.tasks:
        by_drive.setdefault(task.drive, []).append(task)
    return [
        _entry(tasks, [(t.name, runs[t.name]) for t in tasks if t.name in runs])
        for tasks in by_drive.values()
    ]


def _entry(tasks: Sequence[TaskRecord], done: Named) -> DriveEntry:
    worst = min(tasks, key=lambda task: WORST_FIRST.index(task.state))
    state: State = "failed" if worst.state == "empty" else worst.state
    return DriveEntry(
        name=tasks[0].drive,
        bag=tasks[0].bag,
        state=state,
        sentence=_sentence(tasks, worst.state),
        complete=all(task.complete for task in tasks),
        parts=tuple(name for name, _ in done),
        retries=sum(max(0, task.attempts - 1) for task in tasks),
        figures=_figures(done),
    )


def _sentence(tasks: Sequence[TaskRecord], worst: State) -> str:
    """What there is to say of a recording: the first of what is worst, and how many more."""
    said = [task.sentence for task in tasks if task.state == worst and task.sentence]
    more = f" (and {counted(len(said) - 1, 'more slice')})" if len(said) > 1 else ""
    empty = sum(task.state == "empty" for task in tasks)
    if not empty or worst == "empty":
        return said[0] + more if said else ""
    left_out = f"{counted(empty, 'slice')} without a pair; the images there are in no figure."
    return " ".join(filter(None, ((said[0] + more) if said else "", left_out)))


def _figures(done: Named) -> DriveFigures | None:
    if not done:
        return None
    return figures_of_set(tuple(joined_rows(done)), joined_counts(done), done[0][1])
