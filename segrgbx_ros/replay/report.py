# SPDX-License-Identifier: Apache-2.0
"""The report of a replay: figures in text, and pictures, on one page."""

from dataclasses import dataclass
from pathlib import Path

from segrgbx_core.files.disk import write_whole
from segrgbx_core.modality import data_of, readings_of
from segrgbx_core.report.page import (
    REPORT_FILE,
    Bar,
    Chip,
    Figure,
    Panel,
    Row,
    css,
    panel_of,
    render_page,
)
from segrgbx_core.wording import (
    HARMLESS,
    UNPAIRED,
    counted,
    milliseconds,
    reason_in_words,
    share,
    spoken,
)
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.pipeline import Spread
from segrgbx_ros.replay.summary import ReplaySummary, read_summary

TEMPLATE = Path(__file__).with_name("report.html.j2")
PANELS_SHOWN = 9
FIRST_WIDTH, OTHER_WIDTH = 1284, 960


def write_report(folder: Path) -> Path:
    """Makes `report.html` from `summary.json` and `panels/*.png` of a replay's output folder.

    Raises InputError if the summary is missing or was not written by this version, OutputError if
    writing fails.
    """
    view = replay_view(read_summary(folder))
    page = render_page(TEMPLATE, report=view, panels=_panels(folder / "panels"))
    path = folder / REPORT_FILE
    write_whole(path, page)
    return path


def _panels(folder: Path) -> list[Panel]:
    """At most nine, evenly spread over the recording; the first is the largest."""
    files = sorted(folder.glob("*.png"))
    count = min(len(files), PANELS_SHOWN)
    chosen = [files[i * (len(files) - 1) // max(1, count - 1)] for i in range(count)]
    return [_panel(file, OTHER_WIDTH if i else FIRST_WIDTH) for i, file in enumerate(chosen)]


def _panel(file: Path, width: int) -> Panel:
    number = int(file.stem) + 1 if file.stem.isdecimal() else 0
    return panel_of(file, width, f"Frame {number}" if number else file.stem)


@dataclass(frozen=True)
class ReportView:
    """Everything the template shows except the pictures."""

    title: str
    subtitle: str
    tiles: str
    legend: tuple[Chip, ...]
    warnings: tuple[str, ...]
    notices: tuple[str, ...]
    figures: tuple[Figure, ...]
    bars: tuple[Bar, ...]
    iou_note: str
    stages: tuple[Row, ...]
    skew: Row | None
    frames: tuple[Row, ...]
    topics: tuple[Row, ...]
    model: tuple[Row, ...]
    versions: tuple[Row, ...]


def replay_view(summary: ReplaySummary) -> ReportView:
    """The summary as text."""
    recording = summary.recording
    x_name = "RGB alone" if summary.topics.x is None else f"RGB with {data_of(summary.modality)}"
    return ReportView(
        title=Path(recording.path).name or recording.path,
        subtitle=f"{recording.duration_s:.1f} s of {x_name}, segmented by model {summary.model}",
        tiles=_tiles(summary),
        legend=_legend(summary),
        warnings=_warnings(summary),
        notices=_notices(summary),
        figures=_figures(summary),
        bars=_bars(summary),
        iou_note=_iou_note(summary),
        stages=_stages(summary),
        skew=_skew(summary),
        frames=_frames(summary),
        topics=_topics(summary),
        model=_model(summary),
        versions=_versions(summary),
    )


def _tiles(summary: ReplaySummary) -> str:
    """Names of the four pictures in a panel."""
    x = "no X" if summary.topics.x is None else data_of(summary.modality)
    below = "segmentation" if summary.topics.ground_truth is None else "ground truth"
    return f"RGB, {x}, {below}, segmentation over RGB"


def _warnings(summary: ReplaySummary) -> tuple[str, ...]:
    """Problems: an interruption, lost parts of the recording, refused frames."""
    lost = [said for said in (summary.interrupted, summary.recording.lost) if said is not None]
    dropped = [
        f"Dropped {n}: {reason_in_words(reason)}."
        for reason, n in summary.frames.dropped.items()
        if reason not in (*HARMLESS, *UNPAIRED)
    ]
    return (*lost, *dropped, *summary.problems.values())


def _notices(summary: ReplaySummary) -> tuple[str, ...]:
    """Information for readers of the figures if nothing went wrong."""
    unpaired = sum(summary.frames.dropped.get(reason, 0) for reason in UNPAIRED)
    said = []
    whole = f"{unpaired} of {counted(summary.frames.rgb_in, 'RGB image')}"
    if unpaired and is_windowed(summary.modality):
        said.append(f"{whole} had no event in the window before them and got no mask.")
    elif unpaired and summary.sync_policy == "exact":
        said.append(
            f"{whole} had no X reading of the same stamp and got no mask; without --sync-policy "
            "exact, the nearest within --slop is taken."
        )
    elif unpaired:
        said.append(
            f"{whole} had no X reading near enough in time and got no mask; a larger --slop pairs "
            "more of them, with more motion between the two."
        )
    return (*said, *summary.notes)


def _figures(summary: ReplaySummary) -> tuple[Figure, ...]:
    frames, skew = summary.frames, _distances(summary)
    figures = []
    if summary.miou is not None:
        note = f"pixel accuracy {share(summary.pixel_accuracy)}, "
        note += counted(summary.frames_scored, "frame")
        figures.append(Figure("Mean IoU", share(summary.miou), note=note))
    figures.append(
        Figure("Frames segmented", str(frames.segmented), f"of {frames.rgb_in}", "RGB images")
    )
    if summary.stage_ms:
        total = sum(times.p50 for times in summary.stage_ms.values())
        figures.append(
            Figure("Time a frame", milliseconds(total), "ms", "medians of all stages, added")
        )
    if skew is not None:
        figures.append(
            Figure(
                "RGB to X", milliseconds(skew.p50), "ms", f"at most {milliseconds(skew.max)} ms"
            )
        )
    if summary.mean_confidence is not None:
        figures.append(Figure("Mean confidence", f"{summary.mean_confidence:.2f}", note="0 to 1"))
    return tuple(figures)


def _distances(summary: ReplaySummary) -> Spread | None:
    """None for events, because their windows end at the RGB stamp."""
    return None if is_windowed(summary.modality) else summary.skew_ms


def _bars(summary: ReplaySummary) -> tuple[Bar, ...]:
    """One per class that occurs, best first."""
    scores = (summary.per_class_iou or {}).items()
    measured = sorted(((n, v) for n, v in scores if v is not None), key=lambda item: -item[1])
    return tuple(
        Bar(spoken(name), css(summary.class_colors[name]), round(value * 100, 1), share(value))
        for name, value in measured
    )


def _legend(summary: ReplaySummary) -> tuple[Chip, ...]:
    return tuple(Chip(spoken(name), css(rgb)) for name, rgb in summary.class_colors.items())


def _iou_note(summary: ReplaySummary) -> str:
    absent = [spoken(n) for n, v in (summary.per_class_iou or {}).items() if v is None]
    said = "Over all scored frames together, against the recording's ground truth."
    if absent:
        said += f" Neither in the truth nor in a mask, so left out: {', '.join(absent)}."
    return said


def _stages(summary: ReplaySummary) -> tuple[Row, ...]:
    return tuple(
        Row(stage, (milliseconds(times.p50), milliseconds(times.p95)))
        for stage, times in summary.stage_ms.items()
    )


def _skew(summary: ReplaySummary) -> Row | None:
    skew = _distances(summary)
    if skew is None:
        return None
    return Row("RGB to X", tuple(milliseconds(v) for v in (skew.p50, skew.p95, skew.max)))


def _frames(summary: ReplaySummary) -> tuple[Row, ...]:
    frames = summary.frames
    rows = [Row("RGB images in", (str(frames.rgb_in),))]
    if summary.topics.x is not None:
        rows.append(Row(f"{readings_of(summary.modality).capitalize()} in", (str(frames.x_in),)))
        rows.append(Row("Pairs", (str(frames.paired),)))
    rows.append(Row("Segmented", (str(frames.segmented),)))
    rows += [
        Row(f"Dropped: {reason_in_words(reason)}", (str(n),))
        for reason, n in frames.dropped.items()
    ]
    return tuple(rows)


def _topics(summary: ReplaySummary) -> tuple[Row, ...]:
    topics = summary.topics
    roles = (
        ("RGB", topics.rgb),
        (data_of(summary.modality).capitalize(), topics.x),
        ("Ground truth", topics.ground_truth),
        ("Classes", topics.ground_truth_labels),
        ("Calibration", topics.camera_info),
    )
    counts = summary.topic_messages
    return tuple(
        Row(role, (name, str(counts.get(name, "-")))) for role, name in roles if name is not None
    )


def _model(summary: ReplaySummary) -> tuple[Row, ...]:
    card = summary.card
    rows = [
        Row("Name", (summary.model,)),
        Row("What", (card.description,)),
        Row("X sensors", (", ".join(map(spoken, card.modalities)) or "none (RGB alone)",)),
    ]
    rows += [
        Row(f"Training: {spoken(name)}", (str(value),)) for name, value in card.training.items()
    ]
    return (*rows, Row("Licence", (card.license,)))


def _versions(summary: ReplaySummary) -> tuple[Row, ...]:
    placed = Row("device", (f"{summary.device} in {summary.precision}, {summary.backend}",))
    return (placed, *(Row(name, (number,)) for name, number in summary.versions.items()))
