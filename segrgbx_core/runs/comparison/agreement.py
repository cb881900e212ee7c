# SPDX-License-Identifier: Apache-2.0
"""How alike the masks of two runs are, pixel by pixel, where there is no truth to hold them to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.labels.images import LabelImage, numbers_in
from segrgbx_core.runs.comparison.content import Agreement, FrameChange
from segrgbx_core.runs.folder import MASK_FOLDER, Run
from segrgbx_core.runs.rows import FrameRow
from segrgbx_core.runs.scores import ious


def mask_file(run: Run, row: FrameRow) -> Path:
    """Where a frame's mask lies."""
    return run.folder / MASK_FOLDER / f"{row.stem}.png"


def read_mask(run: Run, row: FrameRow) -> LabelImage:
    """The class ids (H, W) uint8, 255 unlabelled. Raises InputError for what is no mask."""
    path = mask_file(run, row)
    numbers = numbers_in(path)
    wrong = (numbers >= len(run.label_set)) & (numbers != 255)
    if numbers.min() < 0 or wrong.any():
        raise InputError(
            f"{path} holds a number that is no class of {run.facts.label_set}; it was changed "
            "after the run: run the command again."
        )
    return numbers.astype(np.uint8)


def have_masks(run: Run, rows: Sequence[FrameRow]) -> bool:
    """Whether the run has kept a mask of every row."""
    return all(mask_file(run, row).is_file() for row in rows)


def agreement(
    runs: tuple[Run, Run],
    rows: tuple[Sequence[FrameRow], Sequence[FrameRow]],
    worst: int,
    on_frame: Callable[[], None] = lambda: None,
) -> Agreement:
    """Compares the masks of the second run with the first's; rows: the same frames of each.

    worst: how many of the frames that agree least to name. Raises InputError for masks that
    cannot be read, and for two sizes.
    """
    places = 256
    counts = np.zeros(places * places, np.int64)
    frames = []
    for first, second in zip(*rows, strict=True):
        one, other = read_mask(runs[0], first), read_mask(runs[1], second)
        _need_one_size(runs, (first, second), (one, other))
        counts += np.bincount(
            (one.astype(np.int64) * places + other).ravel(), minlength=places * places
        )
        same = round(float((one == other).mean()), 6)
        frames.append(FrameChange(first.stem, first.stamp_ns, first.condition, None, same))
        on_frame()
    frames.sort(key=lambda frame: frame.after)
    matrix = counts.reshape(places, places)
    return Agreement(
        round(float(np.trace(matrix) / max(matrix.sum(), 1)), 6),
        _ious(matrix, runs[0].label_set.names),
        tuple(frames[:worst]),
    )


def _ious(matrix: np.ndarray, names: Sequence[str]) -> dict[str, float | None]:
    same = np.diag(matrix).astype(np.float64)
    values = ious(same, matrix.sum(axis=0) + matrix.sum(axis=1) - same)
    pairs = zip(names, values.tolist(), strict=False)
    return {name: None if np.isnan(value) else round(value, 6) for name, value in pairs}


def _need_one_size(
    runs: tuple[Run, Run], rows: tuple[FrameRow, FrameRow], masks: tuple[LabelImage, LabelImage]
) -> None:
    if masks[0].shape != masks[1].shape:
        sizes = [f"{mask.shape[1]}x{mask.shape[0]}" for mask in masks]
        raise InputError(
            f"{mask_file(runs[0], rows[0])} is {sizes[0]} and {mask_file(runs[1], rows[1])} "
            f"{sizes[1]}; compare masks of one size."
        )
