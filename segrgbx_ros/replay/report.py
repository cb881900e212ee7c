# SPDX-License-Identifier: Apache-2.0
"""The page of a replay: its summary in words, for the page that every run leaves."""

from pathlib import Path

from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.modality import data_of, readings_of
from segrgbx_core.report.page import Figure, Row
from segrgbx_core.report.run_page import write_run_page
from segrgbx_core.report.run_view import RunScores, RunView, Table, model_rows
from segrgbx_core.runs.figures import Spread
from segrgbx_core.runs.rows import FRAMES_FILE, read_rows
from segrgbx_core.wording import (
    HARMLESS,
    UNPAIRED,
    counted,
    milliseconds,
    reason_in_words,
    share,
)
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.replay.summary import ReplaySummary, read_summary

SPREAD = ("stage", "median", "95 % below", "largest")


def write_report(folder: Path) -> Path:
    """Makes `report.html` from a replay's output folder and the layers its frames left there.

    Raises InputError if the summary is missing or was not written by this version, OutputError if
    writing fails.
    """
    summary = read_summary(folder)
    classes = tuple(LabelClass(name, color) for name, color in summary.class_colors.items())
    label_set = LabelSet(summary.run.label_set if summary.run else "", classes)
    path = folder / FRAMES_FILE
    rows = read_rows(path) if path.is_file() else ()
    return write_run_page(folder, replay_view(summary), label_set, rows)


def replay_view(summary: ReplaySummary) -> RunView:
    """The summary as text and tables."""
    recording = summary.recording
    with_x = summary.topics.x is not None
    live = summary.run is not None and summary.run.kind == "live"
    x_name = f"RGB with {data_of(summary.modality)}" if with_x else "RGB alone"
    return RunView(
        kicker="SegRGB-X live node" if live else "SegRGB-X replay",
        title=Path(recording.path).name or recording.path,
        subtitle=f"{recording.duration_s:.1f} s of {x_name}, segmented by model {summary.model}",
        warnings=_warnings(summary),
        notices=_notices(summary),
        figures=_figures(summary),
        tables=_tables(summary),
        x_name=data_of(summary.modality) if with_x else None,
        scores=_scores(summary),
        unscored=_why_unscored(summary),
        limits=summary.card.limits,
    )


def _scores(summary: ReplaySummary) -> RunScores | None:
    if summary.scores is None:
        return None
    return RunScores(
        summary.scores,
        summary.rgb_alone,
        summary.confusion,
        summary.rgb_alone_confusion,
        summary.reliability,
    )


def _why_unscored(summary: ReplaySummary) -> str:
    if summary.frames_scored:
        return ""
    source = None if summary.run is None else summary.run.scored_by
    if source is None:
        return "The recording has no ground truth, so there is nothing to measure against."
    return f"No mask could be compared with the ground truth of {source}; the notes say why."


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
    elif unpaired and summary.frames.x_in < summary.frames.rgb_in:
        said.append(
            f"{whole} had no X reading of their own and got no mask, since X comes less often "
            f"({summary.frames.x_in} readings); --missing-x rgb_only gives each a mask."
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


def _tables(summary: ReplaySummary) -> tuple[Table, ...]:
    stages = Table("Milliseconds a frame, by stage", _stages(summary), SPREAD)
    tables = [
        stages,
        Table("Where the frames went", _frames(summary), ("", "messages")),
        Table("Topics taken", _topics(summary), ("role", "topic", "messages")),
        Table("Settings", _settings(summary)),
        Table("Model", _model(summary)),
        Table("Run on", _versions(summary)),
    ]
    return tuple(table for table in tables if table.rows)


def _stages(summary: ReplaySummary) -> tuple[Row, ...]:
    rows = [
        Row(stage, (milliseconds(times.p50), milliseconds(times.p95), ""))
        for stage, times in summary.stage_ms.items()
    ]
    alone, skew = summary.rgb_alone_ms, _distances(summary)
    if alone is not None:
        cells = milliseconds(alone.p50), milliseconds(alone.p95), ""
        rows.append(Row("RGB alone, for the score", cells))
    if skew is not None:
        rows.append(
            Row("RGB to X", tuple(milliseconds(v) for v in (skew.p50, skew.p95, skew.max)))
        )
    return tuple(rows)


def _settings(summary: ReplaySummary) -> tuple[Row, ...]:
    """What was asked for besides the defaults."""
    if summary.run is None:
        return ()
    return tuple(Row(name, (str(value),)) for name, value in summary.run.settings.items())


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
    return model_rows(
        summary.model, card.description, card.modalities, card.training, card.license
    )


def _versions(summary: ReplaySummary) -> tuple[Row, ...]:
    placed = Row("device", (f"{summary.device} in {summary.precision}, {summary.backend}",))
    return (placed, *(Row(name, (number,)) for name, number in summary.versions.items()))
