# SPDX-License-Identifier: Apache-2.0
"""The HTML page of a comparison: verdicts, intervals, and the frames that got worse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.files.disk import write_whole
from segrgbx_core.pictures.frames import captioned, resized, row_of
from segrgbx_core.readings import RgbImage
from segrgbx_core.report.page import Chip, Panel, Row, css, panel_from, render_page
from segrgbx_core.runs.comparison.agreement import mask_file, read_mask
from segrgbx_core.runs.comparison.content import (
    COMPARISON_PAGE,
    Difference,
    FrameChange,
    Group,
    RunComparison,
    ScoreLine,
)
from segrgbx_core.runs.comparison.wording import (
    change,
    how_words,
    interval_words,
    latency_words,
    verdict_words,
)
from segrgbx_core.runs.folder import Run
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.segmentation import color_mask
from segrgbx_core.wording import counted, share, spoken

TEMPLATE = Path(__file__).with_name("compare.html.j2")
_DRAWN, _WIDTH = 6, 540
_JPEG_QUALITY = 88
_TONES = {"better": "good", "worse": "bad"}


@dataclass(frozen=True)
class Interval:
    """A drawn difference: places on the axis in percent; None for too few frames."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class CompareRow:
    """A figure of both runs. tone: "good", "bad" or ""."""

    name: str
    note: str
    color: str
    before: str
    after: str
    change: str
    interval_words: str
    verdict: str
    tone: str
    drawn: Interval | None


@dataclass(frozen=True)
class CompareTable:
    """Rows on one axis, of plus and minus `reach`."""

    title: str
    reach: str
    rows: tuple[CompareRow, ...]


@dataclass(frozen=True)
class ComparedRunView:
    """A run against the first: its verdict, figures, and frames that got worse."""

    name: str
    verdict: str
    tone: str
    whole: CompareTable | None
    classes: tuple[CompareTable, ...]
    worst: tuple[Row, ...]
    panels: tuple[Panel, ...]
    agreement: str


@dataclass(frozen=True)
class CompareView:
    """Everything that the template shows."""

    title: str
    subtitle: str
    how: str
    notes: tuple[str, ...]
    names: tuple[str, ...]
    runs: tuple[ComparedRunView, ...]
    figures: tuple[Row, ...]
    settings: tuple[Row, ...]
    chips: tuple[Chip, ...]


def write_comparison(folder: Path, comparison: RunComparison, runs: Sequence[Run]) -> Path:
    """Writes `compare.html` to the folder and returns its path.

    runs: those that were compared, for the colours and pictures of their masks. Raises
    OutputError if it cannot be written, InputError for masks that cannot be read.
    """
    page = render_page(TEMPLATE, report=compare_view(comparison, runs))
    write_whole(folder / COMPARISON_PAGE, page)
    return folder / COMPARISON_PAGE


def compare_view(comparison: RunComparison, runs: Sequence[Run]) -> CompareView:
    """The comparison as text, and the masks of the frames that got worse, for the template."""
    verdicts = verdict_words(comparison)
    views = [
        _run_view(comparison, runs, number, verdicts[number - 1] if verdicts else "")
        for number in range(1, len(comparison.runs))
    ]
    drawn = any(view.panels for view in views)
    return CompareView(
        title=comparison.title,
        subtitle=f"{counted(comparison.frames, 'frame')} in common, "
        f"{comparison.scored} of them scored",
        how=how_words(comparison),
        notes=tuple(comparison.notes),
        names=tuple(run.name for run in comparison.runs),
        runs=tuple(views),
        figures=_figures(comparison),
        settings=tuple(Row(s.name, tuple(s.values)) for s in comparison.settings),
        chips=tuple(Chip(spoken(c.name), css(c.color)) for c in runs[0].label_set.classes)
        if drawn
        else (),
    )


def _run_view(
    comparison: RunComparison, runs: Sequence[Run], number: int, verdict: str
) -> ComparedRunView:
    run = comparison.runs[number]
    groups = comparison.groups
    colors = {c.name: css(c.color) for c in runs[0].label_set.classes}
    whole = [(g.name, counted(g.frames, "frame"), "", g.miou) for g in groups]
    classes = tuple(
        _table(_group_title(group), number, _class_lines(group.classes, colors))
        for group in groups
    )
    if comparison.shares:
        lines = _class_lines(comparison.shares, colors)
        classes = (_table("Share of the masks' pixels", number, lines),)
    return ComparedRunView(
        name=run.name,
        verdict=verdict,
        tone=_TONES.get(groups[0].miou.differences[number - 1].verdict, "") if groups else "",
        whole=_table("Mean IoU", number, whole) if groups else None,
        classes=classes,
        worst=tuple(_worst_row(frame) for frame in run.worst),
        panels=tuple(_panels(comparison, runs, number)),
        agreement=_agreement_words(comparison, number),
    )


def _group_title(group: Group) -> str:
    where = "all frames" if group.name == ALL else spoken(group.name)
    return f"IoU by class, {where}"


def _class_lines(
    lines: Sequence[ScoreLine], colors: dict[str, str]
) -> list[tuple[str, str, str, ScoreLine]]:
    there = [line for line in lines if any(value is not None for value in line.values)]
    return [(line.name, "", colors.get(line.name, ""), line) for line in there]


def _table(
    title: str, number: int, lines: Sequence[tuple[str, str, str, ScoreLine]]
) -> CompareTable:
    differences = [line.differences[number - 1] for *_, line in lines]
    ends = [abs(e) for d in differences for e in (d.low, d.high, d.value) if e is not None]
    reach = max([*ends, 1e-3]) * 1.05
    rows = [
        CompareRow(
            name=spoken(name),
            note=note,
            color=color,
            before=share(line.values[0]),
            after=share(line.values[number]),
            change=change(difference),
            interval_words=interval_words(difference),
            verdict=difference.verdict,
            tone=_TONES.get(difference.verdict, ""),
            drawn=_drawn(difference, reach),
        )
        for (name, note, color, line), difference in zip(lines, differences, strict=True)
    ]
    return CompareTable(title, f"{reach:.3f}", tuple(rows))


def _drawn(difference: Difference, reach: float) -> Interval | None:
    if difference.value is None or difference.low is None or difference.high is None:
        return None
    low, value, high = (
        round(50 + 50 * place / reach, 2)
        for place in (difference.low, difference.value, difference.high)
    )
    return Interval(low, value, high)


def _worst_row(frame: FrameChange) -> Row:
    stamp = "-" if frame.stamp_ns is None else f"{frame.stamp_ns / 1e9:.3f}"
    lost = "-" if frame.before is None else f"{frame.after - frame.before:+.3f}"
    cells = (stamp, spoken(frame.condition), share(frame.before), share(frame.after), lost)
    return Row(frame.stem, cells)


def _figures(comparison: RunComparison) -> tuple[Row, ...]:
    rows = []
    for number, run in enumerate(comparison.runs):
        moved = (str(run.better), str(run.worse)) if number and comparison.scored else ("", "")
        counts = (str(run.segmented), str(len(run.only_here)))
        rows.append(
            Row(run.name, (*counts, latency_words(run), share(run.confidence), *moved, run.folder))
        )
    return tuple(rows)


def _agreement_words(comparison: RunComparison, number: int) -> str:
    if not comparison.agreement:
        return ""
    agreed, first = comparison.agreement[number - 1], comparison.runs[0].name
    least = ", ".join(f"{frame.stem} ({frame.after:.1%})" for frame in agreed.apart[:5])
    return (
        f"{agreed.pixels:.1%} of the pixels are of the class that {first} gives them; the frames "
        f"that agree least: {least}."
    )


def _panels(comparison: RunComparison, runs: Sequence[Run], number: int) -> Iterator[Panel]:
    """The masks of both runs, side by side, for the frames that got worse or agree least."""
    if len(runs) < 2:
        return
    pair = runs[0], runs[number]
    frames = list(comparison.runs[number].worst)
    if comparison.agreement:
        frames = list(comparison.agreement[number - 1].apart)
    tables = [_by_frame(run, comparison.matched_by) for run in pair]
    for frame in frames[:_DRAWN]:
        key = frame.stamp_ns if comparison.matched_by == "stamp" else frame.stem
        rows = [table[key] for table in tables]
        if all(mask_file(run, row).is_file() for run, row in zip(pair, rows, strict=True)):
            tiles = [_tile(run, row) for run, row in zip(pair, rows, strict=True)]
            yield panel_from(row_of(tiles), _caption(frame), _JPEG_QUALITY)


def _by_frame(run: Run, by: str) -> dict[int | str | None, FrameRow]:
    rows = [row for row in run.rows if row.index is not None]
    return {row.stamp_ns if by == "stamp" else row.stem: row for row in rows}


def _tile(run: Run, row: FrameRow) -> RgbImage:
    picture = color_mask(read_mask(run, row), run.label_set)
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    return captioned(resized(picture, (_WIDTH, height), exact=True), run.name)


def _caption(frame: FrameChange) -> str:
    about = f" ({spoken(frame.condition)})" if frame.condition else ""
    if frame.before is None:
        return f"{frame.stem}{about}: {frame.after:.1%} of the pixels agree"
    return f"{frame.stem}{about}: mean IoU {share(frame.before)} to {share(frame.after)}"
