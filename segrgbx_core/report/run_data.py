# SPDX-License-Identifier: Apache-2.0
"""The numbers of a run's page, as its scripts read them: columns over the frames, and scores."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from segrgbx_core.evaluation.summary import GroupScores
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.report.run_view import RunScores, RunView
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.wording import printable, reason_in_words, spoken

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | float | bool | None"
_UNLABELLED = "unlabelled"
_JUMP_NS, _FAR_NS = 1_000_000_000, 3_600_000_000_000

_COLUMNS: Mapping[str, Callable[[FrameRow], float | None]] = {
    "miou": lambda row: row.miou,
    "accuracy": lambda row: row.pixel_accuracy,
    "aloneMiou": lambda row: row.rgb_alone_miou,
    "aloneAccuracy": lambda row: row.rgb_alone_pixel_accuracy,
    "confidence": lambda row: row.confidence,
    "xValid": lambda row: row.x_valid,
    "skew": lambda row: row.skew_ms,
    "decode": lambda row: row.decode_ms,
    "encode": lambda row: row.encode_ms,
    "model": lambda row: row.model_ms,
    "output": lambda row: row.output_ms,
    "total": lambda row: row.total_ms,
}


def page_data(view: RunView, label_set: LabelSet, rows: Sequence[FrameRow]) -> dict[str, Json]:
    """Everything that the scripts show, apart from pictures; names are printable text."""
    return {
        "x": None if view.x_name is None else printable(view.x_name),
        "classes": [
            {"name": printable(spoken(c.name)), "color": list(c.color)} for c in label_set.classes
        ],
        "frames": _frames(label_set, rows),
        "scores": None if view.scores is None else _scores(view.scores, label_set),
    }


def _frames(label_set: LabelSet, rows: Sequence[FrameRow]) -> dict[str, Json]:
    rows, seconds = _in_time(rows)
    numbers: dict[str, Json] = {
        name: [_short(of(row)) for row in rows] for name, of in _COLUMNS.items()
    }
    return {
        "index": [row.index for row in rows],
        "stem": [printable(row.stem) for row in rows],
        "seconds": seconds,
        "dropped": [_why_dropped(row) for row in rows],
        "condition": [printable(spoken(row.condition)) for row in rows],
        "xUsed": [row.x_used for row in rows],
        "xNote": [_x_note(row) for row in rows],
        **numbers,
        "shares": [
            [_short(row.shares.get(name)) for row in rows]
            for name in (*label_set.names, _UNLABELLED)
        ],
        "ious": [[_short(row.ious.get(name)) for row in rows] for name in label_set.names],
        "aloneIous": [
            [_short(row.rgb_alone_ious.get(name)) for row in rows] for name in label_set.names
        ],
    }


def _in_time(
    rows: Sequence[FrameRow],
) -> tuple[Sequence[FrameRow], list[float | None]]:
    """The rows by their stamps, and seconds since the first.

    A row whose stamp is unknown or cannot be stays with the one before. None for all seconds where
    the stamps of masks are missing or jump back.
    """
    masks = [row.stamp_ns for row in rows if row.index is not None]
    known = [stamp for stamp in masks if stamp is not None]
    back = any(later < stamp - _JUMP_NS for stamp, later in pairwise(known))
    if not known or len(known) < len(masks) or back:
        return rows, [None for _ in rows]
    low, high = min(known) - _FAR_NS, max(known) + _FAR_NS
    last, stamps = min(known), list[int]()
    for row in rows:
        if row.stamp_ns is not None and low <= row.stamp_ns <= high:
            last = row.stamp_ns
        stamps.append(last)
    order = sorted(range(len(rows)), key=lambda at: stamps[at])
    first = stamps[order[0]]
    return [rows[at] for at in order], [round((stamps[at] - first) / 1e9, 6) for at in order]


def _why_dropped(row: FrameRow) -> str:
    return "" if row.index is not None else printable(reason_in_words(row.status))


def _x_note(row: FrameRow) -> str:
    if row.index is None or row.x_used:
        return "X of an earlier image" if row.x_held else ""
    return printable(row.x_reason)


def _scores(scores: RunScores, label_set: LabelSet) -> dict[str, Json]:
    found = scores.reliability
    return {
        "withX": _groups(scores.with_x, label_set),
        "alone": None if scores.alone is None else _groups(scores.alone, label_set),
        "confusion": _matrix(scores.confusion),
        "aloneConfusion": _matrix(scores.alone_confusion),
        "reliability": None
        if found is None
        else {
            "pixels": list(found.pixels),
            "confidence": [_short(value) for value in found.confidence],
            "accuracy": [_short(value) for value in found.accuracy],
            "ece": _short(found.ece),
        },
    }


def _groups(groups: Mapping[str, GroupScores], label_set: LabelSet) -> list[Json]:
    return [
        {
            "name": printable(spoken(name)),
            "miou": _short(group.miou),
            "accuracy": _short(group.pixel_accuracy),
            "frames": group.frames,
            "ious": [_short(group.per_class_iou.get(n)) for n in label_set.names],
        }
        for name, group in groups.items()
    ]


def _matrix(counts: Sequence[Sequence[int]] | None) -> Json:
    return None if counts is None else [list(row) for row in counts]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
