# SPDX-License-Identifier: Apache-2.0
"""Sets runs side by side on the frames that all of them have, against the first."""

from collections.abc import Callable, Sequence

import numpy as np

from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.runs.comparison.agreement import agreement, have_masks
from segrgbx_core.runs.comparison.bootstrap import Resampling
from segrgbx_core.runs.comparison.content import (
    COMPARISON_FORMAT,
    Agreement,
    ComparedRun,
    FrameChange,
    Group,
    RunComparison,
    ScoreLine,
)
from segrgbx_core.runs.comparison.differences import compare_ious, compare_shares, rounded
from segrgbx_core.runs.comparison.matching import Matched, matched
from segrgbx_core.runs.comparison.remarks import remarks, settings_apart
from segrgbx_core.runs.comparison.sides import Side, need_one_label_set, sides_of, title_of
from segrgbx_core.runs.figures import latency_ms, read_notes
from segrgbx_core.runs.folder import Run
from segrgbx_core.runs.scores import IouParts, Pixels, Places, iou_parts, ious, mean_iou


def compare_runs(
    runs: Sequence[Run],
    how: Resampling | None = None,
    worst: int = 10,
    on_mask: Callable[[], None] = lambda: None,
) -> RunComparison:
    """Compares each run with the first; one run alone: RGB + X with RGB alone.

    worst: how many of the frames that got worse to name. on_mask: called after each pair of masks
    that was read, where there is no truth. Raises InputError for runs of different classes or
    without a frame in common, and for one run alone without scores of RGB alone.
    """
    how = how or Resampling()
    need_one_label_set(runs)
    sides = sides_of(runs)
    same = matched([side.run for side in sides])
    rate_hz = _rate_hz(same)
    parts = [
        iou_parts(side.run.counts, side.alone).of(places)
        for side, places in zip(sides, same.places, strict=False)
        if side.run.counts is not None
    ]
    scored = len(same.scored)
    notes = [read_notes(side.run) for side in sides]
    groups = _groups(runs[0].label_set.names, same, parts, rate_hz, how) if scored else ()
    shares, share_block = ((), 0) if scored else _shares(runs, same, rate_hz, how)
    return RunComparison(
        format=COMPARISON_FORMAT,
        title=title_of(sides),
        runs=tuple(_compared(sides, i, same, parts, worst) for i in range(len(sides))),
        matched_by=same.by,
        frames=len(same.frames),
        scored=scored,
        rate_hz=None if rate_hz is None else round(rate_hz, 3),
        resamples=how.resamples,
        level=how.level,
        seed=how.seed,
        groups=groups,
        shares=shares,
        share_block=share_block,
        agreement=() if scored else _agreements(runs, same, worst, on_mask),
        settings=settings_apart([side.run for side in sides], notes),
        notes=remarks(sides, same, notes, groups, how),
    )


def _rate_hz(same: Matched) -> float | None:
    """By the median distance of the stamps; None for files, or a single frame."""
    stamps = np.array([row.stamp_ns or 0 for row in same.frames], np.int64)
    if same.by != "stamp" or len(stamps) < 2:
        return None
    return 1e9 / max(float(np.median(np.diff(stamps))), 1.0)


def _groups(
    names: Sequence[str],
    same: Matched,
    parts: Sequence[IouParts],
    rate_hz: float | None,
    how: Resampling,
) -> tuple[Group, ...]:
    conditions = np.array(same.conditions(), dtype=object)[same.scored]
    of: dict[str, Places] = {ALL: np.arange(len(same.scored), dtype=np.int64)}
    for name in dict.fromkeys(conditions.tolist()):
        if name:
            of[name] = np.flatnonzero(conditions == name).astype(np.int64)
    return tuple(
        compare_ious(name, names, [part.of(frames) for part in parts], rate_hz, how)
        for name, frames in of.items()
    )


def _compared(
    sides: Sequence[Side], number: int, same: Matched, parts: Sequence[IouParts], worst: int
) -> ComparedRun:
    side, rows = sides[number], same.rows[number]
    changes = _changes(same, parts, number) if number and len(same.scored) else []
    sure = [row.confidence for row in rows if row.confidence is not None]
    return ComparedRun(
        name=side.name,
        folder=str(side.run.folder),
        masks_of="none" if side.alone else "run",
        segmented=len(rows) + len(same.only[number]),
        only_here=tuple(row.stem for row in same.only[number]),
        latency_ms=None if side.alone else latency_ms(rows),
        confidence=None if side.alone or not sure else rounded(float(np.mean(sure))),
        better=sum(after > before for _, before, after in changes),
        worse=sum(after < before for _, before, after in changes),
        worst=tuple(
            FrameChange(row.stem, row.stamp_ns, row.condition, rounded(before), round(after, 6))
            for row, before, after in (
                (same.frames[place], before, after) for place, before, after in changes[:worst]
            )
            if after < before
        ),
    )


def _changes(
    same: Matched, parts: Sequence[IouParts], number: int
) -> list[tuple[int, float, float]]:
    """Frame, mean IoU in the first run and in this one; the one that fell most first."""
    before, after = (frame_miou(parts[i]) for i in (0, number))
    change = after - before
    order = np.argsort(change, kind="stable")
    return [
        (int(same.scored[i]), float(before[i]), float(after[i]))
        for i in order.tolist()
        if not np.isnan(change[i])
    ]


def frame_miou(parts: IouParts) -> Pixels:
    """Mean IoU of each frame over the classes of its own truth or mask, (N,), NaN without any."""
    return mean_iou(ious(parts.right, parts.union))


def _shares(
    runs: Sequence[Run], same: Matched, rate_hz: float | None, how: Resampling
) -> tuple[tuple[ScoreLine, ...], int]:
    names = (*runs[0].label_set.names, "unlabelled")
    tables = [
        np.array([[row.shares.get(name, 0.0) for name in names] for row in rows])
        for rows in same.rows
    ]
    if not all(row.shares for rows in same.rows for row in rows):
        return (), 0
    there = [i for i in range(len(names)) if any(table[:, i].any() for table in tables)]
    kept = [table[:, there] for table in tables]
    return compare_shares([names[i] for i in there], kept, rate_hz, how)


def _agreements(
    runs: Sequence[Run], same: Matched, worst: int, on_mask: Callable[[], None]
) -> tuple[Agreement, ...]:
    if not all(have_masks(run, rows) for run, rows in zip(runs, same.rows, strict=True)):
        return ()
    return tuple(
        agreement((runs[0], run), (same.rows[0], rows), worst, on_mask)
        for run, rows in zip(runs[1:], same.rows[1:], strict=True)
    )
