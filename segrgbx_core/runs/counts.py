# SPDX-License-Identifier: Apache-2.0
"""Confusion counts of each frame of a run: to merge runs exactly and to compare them by frame."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import Counts
from segrgbx_core.evaluation.reliability import LEVELS, Levels
from segrgbx_core.files.arrays import arrays_from
from segrgbx_core.files.disk import input_bytes, write_whole

COUNTS_FILE = "scores.npz"


@dataclass(frozen=True, eq=False)
class FrameCounts:
    """Counts of N scored frames, of the matrix cells that occur in any of them.

    classes: number C of classes; a matrix is (C + 1, C + 1) as `confusion_of` gives it. index:
    (N,) int64, each frame's number in `frames.csv`. cells: (U,) int64 flat places in a matrix,
    ascending. table: (N, U) int64. alone: the same with RGB alone, None where that was not scored.
    """

    classes: int
    index: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]
    table: npt.NDArray[np.int64]
    levels: Levels
    alone: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def total(self, weights: npt.NDArray[np.int64] | None = None, alone: bool = False) -> Counts:
        """The sum over frames as a matrix (C + 1, C + 1).

        weights: (N,) how often each frame counts, None for once. alone: of RGB alone.
        """
        table = self.side(alone)
        return self._matrix(table.sum(axis=0) if weights is None else weights @ table)

    def side(self, alone: bool) -> npt.NDArray[np.int64]:
        """The table with X, or of RGB alone. Raises InputError where that was not scored."""
        table = self.alone if alone else self.table
        if table is None:
            raise InputError(
                "This run has no scores of RGB alone; replay it without --no-rgb-alone."
            )
        return table

    def of(self, row: int) -> Counts:
        """The matrix of one frame; row: its place in `index`."""
        return self._matrix(self.table[row])

    def alone_of(self, row: int) -> Counts:
        """The matrix of one frame with RGB alone, which must have been scored."""
        assert self.alone is not None
        return self._matrix(self.alone[row])

    def _matrix(self, values: npt.NDArray[np.int64]) -> Counts:
        matrix = np.zeros((self.classes + 1) ** 2, np.int64)
        matrix[self.cells] = values
        return matrix.reshape(self.classes + 1, self.classes + 1)


class CountsCollector:
    """Gathers the matrices of frames in little memory: only what is not zero."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._index: list[int] = []
        self._with: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._alone: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []

    def add(self, index: int, with_x: Counts, alone: Counts | None) -> None:
        """Adds a frame's matrices (C + 1, C + 1); alone: for each frame or for none."""
        self._index.append(index)
        self._with.append(_sparse(with_x))
        if alone is not None:
            self._alone.append(_sparse(alone))

    def counts(self, levels: Levels) -> FrameCounts:
        """Everything added so far; levels: the confidence's counts of the same frames."""
        both = [*self._with, *self._alone]
        places = [cells for cells, _ in both]
        cells = np.unique(np.concatenate(places)) if places else np.zeros(0, np.int64)
        whole = bool(self._alone) and len(self._alone) == len(self._with)
        return FrameCounts(
            self._classes,
            np.array(self._index, np.int64),
            cells,
            _dense(self._with, cells),
            levels,
            _dense(self._alone, cells) if whole else None,
        )


def _sparse(matrix: Counts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    flat = matrix.ravel()
    cells = np.flatnonzero(flat).astype(np.int64)
    return cells, flat[cells]


def _dense(
    rows: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    cells: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    table = np.zeros((len(rows), len(cells)), np.int64)
    for row, (places, values) in zip(table, rows, strict=True):
        row[np.searchsorted(cells, places)] = values
    return table


def write_counts(path: Path, counts: FrameCounts) -> None:
    """Writes the file whole. Raises OutputError as `write_whole` does."""
    data = io.BytesIO()
    alone = {} if counts.alone is None else {"alone": counts.alone}
    np.savez_compressed(
        data,
        classes=np.int64(counts.classes),
        index=counts.index,
        cells=counts.cells,
        table=counts.table,
        levels=counts.levels,
        **cast(dict[str, Any], alone),
    )
    write_whole(path, data.getvalue())


def read_counts(path: Path) -> FrameCounts:
    """Reads what `write_counts` wrote. Raises InputError for anything else."""
    names = ("classes", "index", "cells", "table", "levels")
    data = input_bytes(path, "a run's scores.npz")
    arrays = arrays_from(data, (*names, "alone"), str(path), InputError)
    if not all(name in arrays for name in names):
        raise _not_ours(path)
    classes, index, cells, table, levels = (arrays[name].astype(np.int64) for name in names)
    alone = arrays["alone"].astype(np.int64) if "alone" in arrays else None
    size = (int(classes) + 1) ** 2 if classes.shape == () else 0
    fits = size > 0 and table.shape == (len(index), len(cells)) and bool((table >= 0).all())
    fits = fits and (alone is None or (alone.shape == table.shape and bool((alone >= 0).all())))
    if cells.size:
        ascending = bool((np.diff(cells) > 0).all())
        fits = fits and ascending and 0 <= int(cells[0]) <= int(cells[-1]) < size
    if not fits or levels.shape != (2, LEVELS) or (levels < 0).any():
        raise _not_ours(path)
    return FrameCounts(int(classes), index, cells, table, levels, alone)


def _not_ours(path: Path) -> InputError:
    return InputError(f"{path} holds other arrays than a run's scores; run the command again.")
