# SPDX-License-Identifier: Apache-2.0
"""Show a comparison of runs as tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from segrgbx_core.console import styled
from segrgbx_core.runs.comparison.content import Difference, RunComparison, ScoreLine
from segrgbx_core.runs.comparison.wording import (
    change,
    how_words,
    interval_words,
    latency_words,
    verdict_words,
)
from segrgbx_core.wording import share, spoken

STYLES = {"better": "green", "worse": "red", "equal": "dim", "not distinguishable": "dim"}


def print_comparison(console: Console, comparison: RunComparison) -> None:
    """Prints the verdict, the figures of each run, the settings, and the frames that got worse."""
    console.print(comparison.title)
    for sentence in verdict_words(comparison):
        console.print(sentence)
    console.print(run_table(comparison))
    for number in range(1, len(comparison.runs)):
        _print_lines(console, comparison, number)
    _print_agreement(console, comparison)
    if comparison.settings:
        console.print(setting_table(comparison))
    for run in comparison.runs[1:]:
        if run.worst:
            console.print(worst_table(comparison, run.name))
    console.print(how_words(comparison), style="dim")


def run_table(comparison: RunComparison) -> Table:
    """Frames, latency and confidence of each run; rose, fell: frames by their mean IoU."""
    table = Table()
    for column in ("run", "frames", "only here", "ms p50 / p95", "confidence", "rose", "fell"):
        table.add_column(column)
    for number, run in enumerate(comparison.runs):
        moved = [str(run.better), str(run.worse)] if number and comparison.scored else ["", ""]
        only = str(len(run.only_here))
        table.add_row(
            run.name, str(run.segmented), only, latency_words(run), share(run.confidence), *moved
        )
    return table


def _print_lines(console: Console, comparison: RunComparison, number: int) -> None:
    if comparison.groups:
        miou = [(f"{group.name} ({group.frames})", group.miou) for group in comparison.groups]
        classes = [(line.name, line) for line in comparison.groups[0].classes]
        console.print(line_table(comparison, number, "mean IoU (frames)", miou))
        console.print(line_table(comparison, number, "IoU by class, all frames", classes))
    if comparison.shares:
        shares = [(line.name, line) for line in comparison.shares]
        console.print(line_table(comparison, number, "share of the masks' pixels", shares))


def line_table(
    comparison: RunComparison, number: int, title: str, lines: Sequence[tuple[str, ScoreLine]]
) -> Table:
    """A run against the first: a row for each figure that one of them has."""
    table = Table("", title=title, title_justify="left")
    interval = f"{comparison.level:.0%} interval"
    names = (comparison.runs[0].name, comparison.runs[number].name)
    for name in (*names, "difference", interval):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for name, line in lines:
        before, after = line.values[0], line.values[number]
        if before is None and after is None:
            continue
        difference = line.differences[number - 1]
        table.add_row(
            spoken(name),
            share(before),
            share(after),
            change(difference),
            interval_words(difference),
            _verdict(difference),
        )
    return table


def _verdict(difference: Difference) -> Text:
    return styled(difference.verdict, STYLES.get(difference.verdict, "default"))


def setting_table(comparison: RunComparison) -> Table:
    """What the runs differ in."""
    table = Table(
        "setting", *(r.name for r in comparison.runs), title="they differ in", title_justify="left"
    )
    for setting in comparison.settings:
        table.add_row(setting.name, *setting.values)
    return table


def worst_table(comparison: RunComparison, name: str) -> Table:
    """The frames of a run whose mean IoU fell most."""
    run = next(run for run in comparison.runs if run.name == name)
    title = f"frames that got worse most in {run.name}"
    table = Table("frame", "stamp s", "condition", "before", "after", title=title)
    table.title_justify = "left"
    for frame in run.worst:
        stamp = "-" if frame.stamp_ns is None else f"{frame.stamp_ns / 1e9:.3f}"
        condition = spoken(frame.condition)
        table.add_row(frame.stem, stamp, condition, share(frame.before), share(frame.after))
    return table


def _print_agreement(console: Console, comparison: RunComparison) -> None:
    for run, agreed in zip(comparison.runs[1:], comparison.agreement, strict=False):
        frames = ", ".join(f"{f.stem} ({share(f.after)})" for f in agreed.apart[:5])
        console.print(
            f"{agreed.pixels:.1%} of the pixels of {run.name} are of the class that "
            f"{comparison.runs[0].name} has; least in {frames}."
        )
        table = Table("class", "IoU of one with the other")
        for name, value in agreed.per_class_iou.items():
            if value is not None:
                table.add_row(spoken(name), share(value))
        console.print(table)
