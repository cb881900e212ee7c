# SPDX-License-Identifier: Apache-2.0
"""Which frames of several runs are the same: by RGB's stamp, or by the name of the file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.runs.folder import Run
from segrgbx_core.runs.rows import SEGMENTED, FrameRow
from segrgbx_core.runs.scores import Places

Key = int | str


@dataclass(frozen=True, eq=False)
class Matched:
    """The F frames that all runs segmented, in the order of their stamps or of the first run.

    rows: for each run its F rows. only: for each run the rows it segmented and another did not.
    scored: (M,) positions among the F frames of those that all runs scored. places: for each run
    these frames' (M,) positions in its counts; empty where a run has no ground truth.
    """

    by: Literal["stamp", "stem"]
    rows: tuple[tuple[FrameRow, ...], ...]
    only: tuple[tuple[FrameRow, ...], ...]
    scored: Places
    places: tuple[Places, ...]

    @property
    def frames(self) -> tuple[FrameRow, ...]:
        """The first run's rows."""
        return self.rows[0]

    def conditions(self) -> tuple[str, ...]:
        """Each of the F frames' condition, of the first run that states one."""
        return tuple(
            next((row.condition for row in rows if row.condition), "")
            for rows in zip(*self.rows, strict=True)
        )


def matched(runs: Sequence[Run]) -> Matched:
    """Matches the segmented frames.

    Raises InputError where no frame is in all runs, and for two frames of one name in a run.
    """
    segmented = [[row for row in run.rows if row.status == SEGMENTED] for run in runs]
    by: Literal["stamp", "stem"] = (
        "stamp" if all(r.stamp_ns is not None for rows in segmented for r in rows) else "stem"
    )
    tables = [_by_key(run, rows, by) for run, rows in zip(runs, segmented, strict=True)]
    shared = set(tables[0]).intersection(*tables[1:])
    if not shared:
        raise InputError(_no_frame(runs, tables, by))
    keys = [key for key in tables[0] if key in shared]
    if by == "stamp":
        keys.sort()
    rows = tuple(tuple(table[key] for key in keys) for table in tables)
    only = tuple(tuple(row for key, row in table.items() if key not in shared) for table in tables)
    scored, places = _scored(runs, rows)
    return Matched(by, rows, only, scored, places)


def _by_key(run: Run, rows: Sequence[FrameRow], by: str) -> dict[Key, FrameRow]:
    keys: list[Key] = [
        row.stamp_ns if by == "stamp" and row.stamp_ns is not None else row.stem for row in rows
    ]
    if len(set(keys)) != len(keys):
        twice, times = Counter(keys).most_common(1)[0]
        raise InputError(
            f"{run.folder} has {times} frames of {by} {twice}, so it is not known which is which; "
            "compare runs of one drive at a time."
        )
    return dict(zip(keys, rows, strict=True))


def _no_frame(runs: Sequence[Run], tables: Sequence[dict[Key, FrameRow]], by: str) -> str:
    names = " and ".join(str(run.folder) for run in runs)
    empty = next((run for run, table in zip(runs, tables, strict=True) if not table), None)
    if empty is not None:
        return f"{empty.folder} has no segmented frame; run it on a recording that gives some."
    if by == "stem":
        return f"{names} have no file of one name in common; compare runs over the same images."
    return (
        f"{names} have no frame of one stamp in common (the nearest are {_nearest(tables):.3f} s "
        "apart); compare runs of the same recording, with the same --stamps."
    )


def _nearest(tables: Sequence[dict[Key, FrameRow]]) -> float:
    first = np.array(sorted(tables[0]), np.int64)
    best = min(_distance(first, np.array(list(t), np.int64)) for t in tables[1:])
    return best / 1e9


def _distance(ordered: Places, others: Places) -> float:
    after = np.clip(np.searchsorted(ordered, others), 0, len(ordered) - 1)
    before = np.maximum(after - 1, 0)
    return float(
        np.minimum(np.abs(ordered[after] - others), np.abs(ordered[before] - others)).min()
    )


def _scored(
    runs: Sequence[Run], rows: Sequence[Sequence[FrameRow]]
) -> tuple[Places, tuple[Places, ...]]:
    """Frames that every run scored, and where; none where a run has no ground truth."""
    if any(run.counts is None for run in runs):
        return np.zeros(0, np.int64), ()
    where = [
        {index: place for place, index in enumerate(run.counts.index.tolist())}
        for run in runs
        if run.counts is not None
    ]
    places = np.array(
        [
            [table.get(row.index, -1) if row.index is not None else -1 for row in of_run]
            for table, of_run in zip(where, rows, strict=True)
        ],
        np.int64,
    )
    scored = np.flatnonzero((places >= 0).all(axis=0)).astype(np.int64)
    return scored, tuple(of_run[scored] for of_run in places)
