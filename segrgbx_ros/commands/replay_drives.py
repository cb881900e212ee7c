# SPDX-License-Identifier: Apache-2.0
"""`segrgbx replay` of several recordings: its options, its progress and its table."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.commands.runs.fail_under import check_folder
from segrgbx_core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID
    from rich.table import Table

    from segrgbx_core.commands.runs.fail_under import FailUnder
    from segrgbx_ros.drives.engines import Engine
    from segrgbx_ros.drives.plan import SetOptions
    from segrgbx_ros.drives.run import SetListener, SetOutcome
    from segrgbx_ros.drives.states import SetStates
    from segrgbx_ros.drives.summary import SetSummary
    from segrgbx_ros.drives.task import TaskProgress, TaskResult
    from segrgbx_ros.replay.options import ReplayOptions, Stopping

MOST_BARS = 8


def add_drives(parser: argparse.ArgumentParser) -> None:
    """Adds what matters for several recordings."""
    group = parser.add_argument_group(
        "many recordings",
        "Several BAGs are each replayed into DIR/NAME, a folder as of one, and summed up in DIR;\n"
        "one that fails leaves the others be (status 1). --resume skips what is done. --slice or\n"
        "--ray makes a set of one BAG, too.",
    )
    group.add_argument(
        "--jobs",
        type=arguments.positive_count,
        metavar="N",
        help="replay N at once, in processes that share the cores (default: 1; with --ray: as "
        "many as there is room for)",
    )
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="on a Ray cluster: HOST:PORT or ray://HOST:PORT of its head, auto, or local for a "
        "Ray of this machine; BAGs and DIR on storage that all nodes share",
    )
    group.add_argument(
        "--gpu-share",
        type=arguments.number,
        metavar="S",
        help="with --ray: the share of a GPU a replay takes, 0 to 1 (default: 1 where the cluster "
        "has GPUs, else 0)",
    )
    group.add_argument(
        "--slice",
        type=arguments.number,
        metavar="S",
        help="cut each BAG into slices of S seconds of log time, each a replay of its own; what "
        "builds up over frames starts anew in each (docs/replay.md)",
    )
    group.add_argument(
        "--retries",
        type=int,
        default=1,
        metavar="N",
        help="how often a replay whose process died is tried again (default: 1)",
    )


def is_set(args: argparse.Namespace) -> bool:
    """Whether the arguments ask for a set. Raises InputError for options that need one."""
    several = len(args.bags) > 1 or args.slice is not None or args.ray is not None
    if args.gpu_share is not None and args.ray is None:
        raise InputError("--gpu-share is for Ray, which places replays on GPUs; give --ray too.")
    if not 0 <= args.retries <= 100:
        raise InputError(f"--retries is {args.retries}; expected 0 to 100.")
    return several


def run_drives(args: argparse.Namespace, each: "ReplayOptions", asked: "FailUnder | None") -> int:
    """Replays all of the bags.

    Status 1 if one failed or was not read to its end, or the set missed a threshold asked for.
    """
    from segrgbx_core.commands.terminal import notices, output
    from segrgbx_core.stopping import StoppedError, StopRequest
    from segrgbx_ros.drives.plan import SetOptions

    options = SetOptions(tuple(args.bags), args.out, each, args.slice)
    # Ray takes SIGTERM over when it connects, so the request comes after it.
    with _engine(args) as engine, StopRequest() as stop:
        outcome = _replayed(options, engine, lambda: stop.asked)
    _say_troubles(outcome)
    if outcome.summary is not None:
        print_set(output(), outcome.summary, args.out)
        _say_limits(outcome.summary)
    if outcome.interrupted is not None:
        raise StoppedError(outcome.interrupted)
    if outcome.summary is None:
        notices().print(f"segrgbx: no recording was replayed; {args.out} has their states.")
        return 1
    return _status(outcome.summary, args.out, asked)


def _status(summary: "SetSummary", folder: Path, asked: "FailUnder | None") -> int:
    missed = 0 if asked is None else check_folder(asked, folder)
    return missed or (0 if summary.complete else 1)


@contextmanager
def _engine(args: argparse.Namespace) -> "Iterator[Engine]":
    if args.ray is None:
        from segrgbx_ros.drives.processes import Processes

        yield Processes(args.jobs or 1, args.retries)
        return
    from segrgbx_ros.drives.cluster import RayCluster

    with RayCluster(args.ray, args.jobs, args.gpu_share, args.retries).connected() as engine:
        yield engine


def _replayed(options: "SetOptions", engine: "Engine", stopping: "Stopping") -> "SetOutcome":
    from segrgbx_ros.drives.report import write_set_report
    from segrgbx_ros.drives.run import replay_set

    with _listening() as listener:
        outcome = replay_set(options, engine, listener, stopping)
    if outcome.summary is not None:
        write_set_report(options.out)
    return outcome


@contextmanager
def _listening() -> "Iterator[SetListener]":
    """One display of all replays: a bar of those that ended, and one each of those under way."""
    from segrgbx_core.commands.terminal import progress
    from segrgbx_ros.drives.run import SetListener

    with progress() as bar:
        whole = bar.add_task("replays", total=None)
        bars: dict[str, TaskID] = {}

        def begun(states: "SetStates", todo: int) -> None:
            bar.update(whole, total=len(states.tasks), completed=len(states.tasks) - todo)

        def heard(state: "TaskProgress") -> None:
            if state.name not in bars and len(bars) < MOST_BARS:
                bars[state.name] = bar.add_task(state.name, total=state.rgb_total)
            if state.name in bars:
                bar.update(bars[state.name], completed=state.rgb_seen, total=state.rgb_total)

        def ended(result: "TaskResult") -> None:
            bar.advance(whole)
            if result.name in bars:
                bar.remove_task(bars.pop(result.name))

        yield SetListener(begun, heard, ended)


def _say_troubles(outcome: "SetOutcome") -> None:
    """Prints why replays failed, and what of their recordings is lost, on stderr."""
    from segrgbx_core.commands.terminal import notices

    for task in outcome.states.tasks:
        if task.sentence and task.state in ("done", "failed"):
            notices().print(f"segrgbx: {task.name}: {task.sentence}")
        if task.attempts > 1 and task.state == "done":
            notices().print(f"segrgbx: {task.name}: done after {task.attempts} tries.")


def _say_limits(summary: "SetSummary") -> None:
    from segrgbx_core.commands.terminal import notices

    if summary.limits is not None:
        notices().print(f"segrgbx: Model {summary.run.model}: {summary.limits}")


def print_earlier_set(folder: Path, asked: "FailUnder | None") -> int | None:
    """Prints the table of a set's folder, for its status; None for another folder."""
    from segrgbx_core.commands.terminal import notices, output
    from segrgbx_ros.drives.plan import STATES_FILE
    from segrgbx_ros.drives.summary import read_set_summary

    if not (folder / STATES_FILE).is_file():
        return None
    summary = read_set_summary(folder)
    print_set(output(), summary, folder)
    _say_limits(summary)
    troubles = (f"{d.name}: {d.sentence}" for d in summary.drives if d.sentence)
    for sentence in filter(None, (*troubles, summary.interrupted)):
        notices().print(f"segrgbx: {sentence}")
    return _status(summary, folder, asked)


def print_set(console: "Console", summary: "SetSummary", folder: Path) -> None:
    """Prints a row of each recording, one of all together, and the path of the report."""
    console.print(set_table(summary))
    console.print()
    console.print(f"look at {folder / 'report.html'}", soft_wrap=True)


def set_table(summary: "SetSummary") -> "Table":
    """A row of each recording, and one of all together."""
    from rich.table import Table

    from segrgbx_ros.drives.report import COLUMNS, figure_cells, state_words

    table = Table("recording", "state")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for drive in summary.drives:
        table.add_row(drive.name, state_words(drive), *figure_cells(drive.figures))
    table.add_section()
    table.add_row("all together", "", *figure_cells(summary.all))
    return table
