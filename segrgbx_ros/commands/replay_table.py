# SPDX-License-Identifier: Apache-2.0
"""Console table with the figures of a replay."""

from pathlib import Path

from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segrgbx_core.console import styled
from segrgbx_core.evaluation.summary import ALL, GroupScores
from segrgbx_core.modality import readings_of
from segrgbx_core.wording import (
    counted,
    milliseconds,
    printable,
    reason_in_words,
    share,
    spoken,
)
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.replay.summary import ReplaySummary


def topic_lines(topics: TopicsTaken) -> list[tuple[str, str]]:
    """Role and name of each topic in use."""
    taken = (
        ("RGB", topics.rgb),
        ("X", topics.x),
        ("ground truth", topics.ground_truth),
        ("calibration", topics.camera_info),
    )
    return [(role, name) for role, name in taken if name is not None]


def print_summary(console: Console, summary: ReplaySummary, folder: Path) -> None:
    """Prints frames, drops, scores, times, skew, and the path of the report."""
    table = Table.grid(padding=(0, 2))
    for name, value in _lines(summary):
        table.add_row(styled(name, "dim"), value)
    console.print(table)
    if summary.per_class_iou is not None:
        console.print()
        console.print(Columns(_per_class(summary), padding=(0, 4)))
    console.print()
    console.print(f"look at {folder / 'report.html'}", soft_wrap=True)


def _lines(summary: ReplaySummary) -> list[tuple[str, str]]:
    frames, skew = summary.frames, summary.skew_ms
    what = readings_of(summary.modality)
    x_in = "" if summary.topics.x is None else f" and {frames.x_in} {what}"
    lines = [
        ("model", f"{summary.model} on {summary.device}"),
        ("frames in", f"{frames.rgb_in} RGB{x_in}"),
        ("paired", str(frames.paired)),
        ("segmented", str(frames.segmented)),
    ]
    dropped = [f"{n} {reason_in_words(reason)}" for reason, n in frames.dropped.items()]
    lines += [("dropped" if i == 0 else "", text) for i, text in enumerate(dropped or ["none"])]
    lines += _scores(summary)
    times = [
        f"{stage} {milliseconds(t.p50)} / {milliseconds(t.p95)}"
        for stage, t in summary.stage_ms.items()
    ]
    lines.append(("ms p50 / p95", ", ".join(times)))
    if skew is not None and not is_windowed(summary.modality):
        p50, p95, largest = (milliseconds(v) for v in (skew.p50, skew.p95, skew.max))
        lines.append(("skew ms", f"{p50} / {p95}, largest {largest}"))
    return lines


def _scores(summary: ReplaySummary) -> list[tuple[str, str]]:
    """With X and from RGB alone, and both by condition."""
    if summary.miou is None:
        return [("mIoU", "not measured: no ground truth")]
    over = counted(summary.frames_scored, "frame")
    accuracy = f"pixel accuracy {share(summary.pixel_accuracy)}"
    lines = [("mIoU", f"{share(summary.miou)} over {over}, {accuracy}")]
    alone = summary.rgb_alone or {}
    for name, group in (summary.scores or {}).items():
        if name != ALL:
            said = f"{share(group.miou)} over {counted(group.frames, 'frame')}"
            lines.append((printable(f"  {spoken(name)}"), said + _beside(group, alone.get(name))))
    if ALL in alone and summary.scores is not None:
        text = f"{share(alone[ALL].miou)}{_beside(summary.scores[ALL], alone[ALL], 'X brings')}"
        lines.insert(1, ("RGB alone", text))
    return lines


def _beside(with_x: GroupScores, alone: GroupScores | None, what: str = "X brings") -> str:
    if alone is None or alone.miou is None or with_x.miou is None:
        return ""
    return f", {what} {with_x.miou - alone.miou:+.3f}"


def _per_class(summary: ReplaySummary) -> list[Text]:
    """Cells "name value" of equal width; a dash if the class does not occur."""
    scores = {printable(spoken(n)): value for n, value in (summary.per_class_iou or {}).items()}
    width = max(len(name) for name in scores)
    return [
        styled(f"{name:<{width}}", "dim").append(f" {share(value):>5}", "default")
        for name, value in scores.items()
    ]
