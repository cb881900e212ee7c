# SPDX-License-Identifier: Apache-2.0
"""Several runs as one: their frames in a row, and their confusion counts side by side.

Nothing is averaged: the sums over the joined frames are those of a run over all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.runs.counts import FrameCounts
from segrgbx_core.runs.folder import Run
from segrgbx_core.runs.rows import FrameRow


def need_alike(runs: Sequence[Run]) -> None:
    """Raises InputError where two runs are of different models, sensors or classes."""
    for run in runs[1:]:
        for what, one, other in (
            ("model", runs[0].facts.model, run.facts.model),
            ("sensor", runs[0].facts.modality, run.facts.modality),
            ("label set", runs[0].label_set, run.label_set),
        ):
            if one != other:
                shown = f" {one} and {other}" if isinstance(one, str) else "s that differ"
                raise InputError(
                    f"{runs[0].folder} and {run.folder} have {what}{shown}, so their frames "
                    "cannot be counted together; replay both alike."
                )


def joined_rows(runs: Sequence[tuple[str, Run]]) -> Iterator[FrameRow]:
    """The rows of all runs, given with a name each, their masks numbered on.

    A stem becomes NAME/STEM: the mask is NAME/masks/STEM.png.
    """
    for before, (name, run) in zip(_masks_before(runs), runs, strict=True):
        for row in run.rows:
            index = None if row.index is None else row.index + before
            yield replace(row, index=index, stem=f"{name}/{row.stem}")


def joined_counts(runs: Sequence[tuple[str, Run]]) -> FrameCounts | None:
    """The counts of all runs that were scored, by the numbers of `joined_rows`; None without any.

    Those of RGB alone are there where each of them has them.
    """
    scored = [
        (before, run.counts)
        for before, (_, run) in zip(_masks_before(runs), runs, strict=True)
        if run.counts is not None
    ]
    if not scored:
        return None
    cells = np.unique(np.concatenate([counts.cells for _, counts in scored]))
    tables = [_spread(counts.table, counts.cells, cells) for _, counts in scored]
    alone = [_spread(c.alone, c.cells, cells) for _, c in scored if c.alone is not None]
    return FrameCounts(
        scored[0][1].classes,
        np.concatenate([counts.index + before for before, counts in scored]),
        cells,
        np.concatenate(tables),
        sum((counts.levels for _, counts in scored), np.zeros_like(scored[0][1].levels)),
        np.concatenate(alone) if len(alone) == len(scored) else None,
    )


def _masks_before(runs: Sequence[tuple[str, Run]]) -> list[int]:
    """For each run the number of masks in the runs before it."""
    numbers = [
        1 + max((row.index for row in run.rows if row.index is not None), default=-1)
        for _, run in runs
    ]
    return [sum(numbers[:i]) for i in range(len(numbers))]


def _spread(
    table: npt.NDArray[np.int64], cells: npt.NDArray[np.int64], all_cells: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The columns of a table at their places among more cells, the others 0."""
    wide = np.zeros((len(table), len(all_cells)), np.int64)
    wide[:, np.searchsorted(all_cells, cells)] = table
    return wide
