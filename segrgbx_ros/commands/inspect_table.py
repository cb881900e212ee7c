# SPDX-License-Identifier: Apache-2.0
"""Console output of `segrgbx inspect`: topics, events, pairings and problems."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from segrgbx_core.console import lines, styled
from segrgbx_core.wording import counted, milliseconds, spoken
from segrgbx_ros.inspection.inspect import Inspection
from segrgbx_ros.inspection.timing import Timing
from segrgbx_ros.inspection.topic import TopicReport


def print_inspection(console: Console, inspection: Inspection) -> None:
    """Prints the whole inspection, laid out for 100 columns."""
    total = sum(topic.count for topic in inspection.topics)
    said = (
        f": {inspection.duration_s:.1f} s, {counted(len(inspection.topics), 'topic')}, "
        f"{counted(total, 'message')}"
    )
    console.print(styled(inspection.path, "bold").append(said), soft_wrap=True)
    console.print()
    console.print(_topics(inspection.topics))
    with_events = [topic for topic in inspection.topics if topic.events is not None]
    if with_events:
        console.print()
        console.print(_events(with_events))
    if inspection.pairs:
        console.print()
        console.print(_pairs(inspection))
    console.print()
    _print_problems(console, inspection.problems)


def _topics(topics: tuple[TopicReport, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("topic, type", overflow="fold", min_width=30)
    for name in ("messages", "Hz", "jitter ms", "lag ms"):
        table.add_column(name, justify="right")
    table.add_column("content", overflow="fold", max_width=16)
    table.add_column("serves as", overflow="fold", max_width=16)
    for topic in topics:
        timing = topic.timing
        table.add_row(
            lines(topic.name, styled(topic.msgtype.replace("/msg/", "/"), "dim")),
            str(topic.count),
            _number(timing.rate_hz, "{:.1f}"),
            _ms(timing.jitter_ms),
            _lag(timing),
            _content(topic),
            _serves(topic),
        )
    return table


def _content(topic: TopicReport) -> Text:
    roles = topic.roles
    size = [] if roles.width is None else [f"{roles.width}x{roles.height}"]
    return lines(roles.content or "-", *size)


def _serves(topic: TopicReport) -> Text:
    """The likely role in bold; without one, all possible roles dimmed."""
    roles = topic.roles
    names = [spoken(role) for role in roles.can]
    if not names:
        return styled("-", "dim")
    if roles.likely is None:
        return styled("could be " + ", ".join(names), "dim")
    return styled(names[0], "bold")


def _events(topics: list[TopicReport]) -> Table:
    """One column per topic, so that long sums have room."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("events")
    for topic in topics:
        table.add_column(topic.name, justify="right", overflow="fold")
    rows = zip(*(_event_cells(topic) for topic in topics), strict=True)
    for cells in rows:
        table.add_row(f"  {cells[0][0]}", *(value for _, value in cells))
    return table


def _event_cells(topic: TopicReport) -> list[tuple[str, str]]:
    report = topic.events
    if report is None:
        return []
    totals, counts = report.totals, report.counts
    span = (
        None
        if totals.first_ns is None or totals.last_ns is None
        else (totals.last_ns - totals.first_ns) / 1e9
    )
    events = totals.on + totals.off
    return [
        ("on", f"{totals.on:,}"),
        ("off", f"{totals.off:,}"),
        ("a second", "-" if not span else f"{events / span:,.0f}"),
        ("triggers rising, falling", f"{totals.rising:,}, {totals.falling:,}"),
        ("first sensor time", _sensor_time(totals.first_ns)),
        ("last sensor time", _sensor_time(totals.last_ns)),
        ("sum of times", f"{totals.sum_t_ns:,} ns"),
        ("sum of x", f"{totals.sum_x:,}"),
        ("sum of y", f"{totals.sum_y:,}"),
        ("sum of polarities", f"{totals.sum_polarity:,}"),
        ("sum of trigger times", f"{totals.sum_trigger_t_ns:,} ns"),
        ("lost packets", f"{counts.lost_packets:,}"),
        ("left out events", f"{counts.unplaced_events + counts.outside_events:,}"),
    ]


def _sensor_time(ns: int | None) -> str:
    return "-" if ns is None else f"{ns / 1e9:,.6f} s"


def _pairs(inspection: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("RGB", overflow="fold")
    table.add_column("with X", overflow="fold")
    table.add_column("as")
    table.add_column("near enough", justify="right")
    table.add_column("median ms", justify="right")
    for pair in inspection.pairs:
        table.add_row(
            pair.rgb,
            pair.x,
            spoken(pair.modality),
            f"{pair.with_x} of {pair.rgb_images} ({pair.slop_s * 1e3:.0f} ms)",
            _ms(pair.skew_ms),
        )
    return table


def _print_problems(console: Console, problems: tuple[str, ...]) -> None:
    if not problems:
        console.print(styled("Nothing wrong was found.", "green"))
        return
    console.print(styled(f"{counted(len(problems), 'thing')} to look at", "bold yellow"))
    table = Table.grid(padding=(0, 1))
    for problem in problems:
        table.add_row("  -", problem)
    console.print(table)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return milliseconds(value) if value < 10_000 else f"{value / 1e3:.4g} s"


def _lag(timing: Timing) -> str:
    """Log time minus stamp; a word instead of a number if it is not a transport delay."""
    lag = timing.lag_ms
    if lag is None:
        return "-" if not timing.zero else "no stamp"
    return milliseconds(lag) if abs(lag) < 10_000 else "clocks"
