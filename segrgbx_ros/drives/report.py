# SPDX-License-Identifier: Apache-2.0
"""The page of a set: its recordings beside each other, and all of them together."""

from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.evaluation.summary import ALL, GroupScores
from segrgbx_core.files.disk import write_whole
from segrgbx_core.modality import NO_X, data_of
from segrgbx_core.report.page import REPORT_FILE, Figure, Row, css, render_page
from segrgbx_core.wording import counted, milliseconds, reason_in_words, share, spoken
from segrgbx_ros.drives.summary import DriveEntry, DriveFigures, SetSummary, read_set_summary

TEMPLATE = Path(__file__).with_name("drives.html.j2")
COLUMNS = ("masks", "images", "mIoU", "RGB alone", "pixel accuracy", "ms a frame")


@dataclass(frozen=True)
class Link:
    """The page of a run, relative to this one."""

    words: str
    target: str


@dataclass(frozen=True)
class DriveRow:
    """A recording's row. percent: 0..100, length of its mIoU's bar."""

    name: str
    state: str
    links: tuple[Link, ...]
    cells: tuple[str, ...]
    percent: float


@dataclass(frozen=True)
class DriveClassRow:
    """A class, its colour in CSS syntax, and its IoUs."""

    name: str
    color: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class SetView:
    """Everything the template shows."""

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    figures: tuple[Figure, ...]
    columns: tuple[str, ...]
    drives: tuple[DriveRow, ...]
    total: tuple[str, ...]
    groups: tuple[str, ...]
    classes: tuple[DriveClassRow, ...]
    conditions: tuple[Row, ...]
    dropped: tuple[Row, ...]


def write_set_report(folder: Path) -> Path:
    """Makes `report.html` of a set's folder from its `summary.json`.

    Raises InputError if that is missing or of another version, OutputError if writing fails.
    """
    path = folder / REPORT_FILE
    write_whole(path, render_page(TEMPLATE, report=set_view(read_set_summary(folder))))
    return path


def figure_cells(figures: DriveFigures | None) -> tuple[str, ...]:
    """The figures under COLUMNS, as text."""
    if figures is None:
        return ("-",) * len(COLUMNS)
    accuracy = None if figures.scores is None else figures.scores[ALL].pixel_accuracy
    times = figures.frame_ms
    return (
        str(figures.segmented),
        str(figures.images),
        share(figures.miou),
        share(figures.miou_alone),
        share(accuracy),
        "-" if times is None else milliseconds(times.p50),
    )


def state_words(drive: DriveEntry) -> str:
    """A recording's state; "done in part" where it was not read to its end."""
    return "done in part" if drive.state == "done" and not drive.complete else drive.state


def set_view(summary: SetSummary) -> SetView:
    """The summary as text."""
    number = counted(len(summary.drives), "recording")
    modality = summary.run.modality
    x_name = "RGB alone" if modality == NO_X else f"RGB with {data_of(modality)}"
    return SetView(
        title=number,
        subtitle=f"{x_name}, segmented by model {summary.run.model}",
        warnings=_warnings(summary),
        figures=_headlines(summary),
        columns=COLUMNS,
        drives=tuple(map(_drive_row, summary.drives)),
        total=figure_cells(summary.all),
        groups=_groups(summary.all),
        classes=_classes(summary),
        conditions=_conditions(summary.all),
        dropped=tuple(
            Row(reason_in_words(reason), (str(n),)) for reason, n in summary.all.dropped.items()
        ),
    )


def _warnings(summary: SetSummary) -> tuple[str, ...]:
    said = [] if summary.interrupted is None else [summary.interrupted]
    if summary.limits is not None:
        said.append(f"Model {summary.run.model}: {summary.limits}")
    said += [
        f"{d.name}: {d.sentence}" for d in summary.drives if d.sentence and d.state != "empty"
    ]
    retried = sum(drive.retries for drive in summary.drives)
    if retried:
        what = counted(retried, "process", "processes")
        said.append(f"{what} died and the replay was tried again.")
    return tuple(said)


def _headlines(summary: SetSummary) -> tuple[Figure, ...]:
    of_all = summary.all
    done = sum(drive.state == "done" for drive in summary.drives)
    found = [Figure("Recordings done", str(done), f"of {len(summary.drives)}")]
    if of_all.miou is not None:
        over = counted(of_all.scored, "frame")
        found.insert(0, Figure("Mean IoU", share(of_all.miou), note=f"over {over} together"))
    if of_all.miou is not None and of_all.miou_alone is not None:
        gain = of_all.miou - of_all.miou_alone
        note = f"RGB alone {share(of_all.miou_alone)}"
        found.insert(1, Figure("Gain by X", f"{gain:+.3f}", note=note))
    masks = Figure("Frames segmented", str(of_all.segmented), f"of {of_all.images}", "RGB images")
    found.append(masks)
    if of_all.frame_ms is not None:
        times = of_all.frame_ms
        p95 = f"95 % within {milliseconds(times.p95)} ms"
        found.append(Figure("Time a frame", milliseconds(times.p50), "ms", p95))
    return tuple(found)


def _drive_row(drive: DriveEntry) -> DriveRow:
    parts = enumerate(drive.parts, 1)
    links = tuple(Link(str(i), f"{part}/{REPORT_FILE}") for i, part in parts)
    miou = None if drive.figures is None else drive.figures.miou
    return DriveRow(
        drive.name,
        state_words(drive),
        links,
        figure_cells(drive.figures),
        round(100 * (miou or 0.0), 1),
    )


def _groups(figures: DriveFigures) -> tuple[str, ...]:
    """The columns of the classes' table."""
    if figures.scores is None:
        return ()
    return ("RGB + X", "RGB alone") if figures.rgb_alone is not None else ("IoU",)


def _classes(summary: SetSummary) -> tuple[DriveClassRow, ...]:
    groups = [g[ALL] for g in (summary.all.scores, summary.all.rgb_alone) if g is not None]
    if not groups:
        return ()
    return tuple(
        DriveClassRow(spoken(name), css(rgb), tuple(share(g.per_class_iou[name]) for g in groups))
        for name, rgb in summary.class_colors.items()
    )


def _conditions(figures: DriveFigures) -> tuple[Row, ...]:
    """Mean IoU by condition; none where there is none."""
    scores, alone = figures.scores or {}, figures.rgb_alone or {}

    def cells(group: GroupScores, name: str) -> tuple[str, ...]:
        of_alone = alone.get(name)
        miou_alone = None if of_alone is None else of_alone.miou
        return str(group.frames), share(group.miou), share(miou_alone)

    return tuple(Row(spoken(n), cells(group, n)) for n, group in scores.items() if n != ALL)
