# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix as a picture: what the pixels of each class were taken for."""

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import Scores
from segrgbx_core.evaluation.pictures import spoken
from segrgbx_core.evaluation.sheet import GRID, QUIET, TEXT, Color, Sheet, length_of
from segrgbx_core.frame import RgbImage
from segrgbx_core.labels import LabelSet

_RIGHT, _WRONG = (0, 92, 169), (190, 66, 20)
_PAD, _TITLE, _CHIP, _IOU_WIDTH = 24, 76, 14, 70
_LARGEST_CELL, _LEAST_CELL, _ROOM = 52, 30, 1100


def confusion_picture(scores: Scores, label_set: LabelSet, title: str) -> RgbImage:
    """Rows are the truth, columns the answers; a cell is the share of its row in percent.

    The diagonal is blue, what was mistaken is red, nothing below half a percent has a number.
    Classes in neither truth nor prediction are left out; one without a truth has an empty row.
    Each row ends with the class's IoU. Raises InputError where nothing was scored.
    """
    counts = scores.confusion
    there = np.flatnonzero(counts.sum(0) + counts.sum(1))
    if not there.size:
        raise InputError("There is no labelled pixel, so there is no confusion to draw.")
    shares = _shares(counts)[np.ix_(there, there)]
    names = [label_set.names[i] for i in there]
    colors = [label_set.classes[i].color for i in there]
    cell = int(np.clip(_ROOM // len(names), _LEAST_CELL, _LARGEST_CELL))
    size = 14 if cell > 36 else 12
    label = max(length_of(spoken(n), size) for n in names) + _CHIP + 16
    across = _PAD + label + cell * len(names) + _IOU_WIDTH + _PAD
    top = _TITLE + label
    width = max(across, 2 * _PAD + length_of(title, 18), 460)
    sheet = Sheet(width, top + cell * len(names) + _PAD)
    sheet.text((_PAD, 26), title, 18)
    words = "Rows: truth. Columns: what the model said. Numbers: percent of the row."
    sheet.text((_PAD, 50), words, 13, QUIET)
    left = _PAD + label
    for i, (name, color) in enumerate(zip(names, colors, strict=True)):
        middle = (i + 0.5) * cell
        _chip(sheet, (_PAD, top + middle - _CHIP / 2), color)
        sheet.text((_PAD + _CHIP + 8, top + middle), spoken(name), size)
        _chip(sheet, (left + middle - _CHIP / 2, top - _CHIP - 4), color)
        sheet.text_upwards((left + middle, top - _CHIP - 10), spoken(name), size)
        _row(sheet, shares[i], i, (left, top + i * cell), cell)
        iou = scores.per_class_iou[name]
        at = (left + cell * len(names) + _IOU_WIDTH, top + middle)
        sheet.text(at, "-" if iou is None else f"{iou:.3f}", size, TEXT, "rm")
    sheet.text((left + cell * len(names) + _IOU_WIDTH, top - 12), "IoU", size, QUIET, "rm")
    return sheet.picture()


def _shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    rows = counts.sum(axis=1, keepdims=True)
    return np.where(rows > 0, counts / np.maximum(rows, 1), np.nan)


def _chip(sheet: Sheet, at: tuple[float, float], color: Color) -> None:
    sheet.box((at[0] - 1, at[1] - 1), (_CHIP + 2, _CHIP + 2), QUIET)
    sheet.box(at, (_CHIP, _CHIP), color)


def _row(
    sheet: Sheet,
    shares: npt.NDArray[np.float64],
    own: int,
    corner: tuple[float, float],
    cell: int,
) -> None:
    for j, share in enumerate(shares.tolist()):
        at = (corner[0] + j * cell, corner[1])
        if np.isnan(share):
            sheet.box(at, (cell - 1, cell - 1), GRID)
            continue
        full = _RIGHT if j == own else _WRONG
        # The root, so that a few percent of mistakes can be seen beside a diagonal near one.
        strength = share if j == own else share**0.5
        fill = [round(255 + (c - 255) * (0.04 + 0.96 * strength)) for c in full]
        sheet.box(at, (cell - 1, cell - 1), (fill[0], fill[1], fill[2]))
        if share >= 0.005:
            ink = (255, 255, 255) if strength > 0.55 else TEXT
            middle = (at[0] + cell / 2, at[1] + cell / 2)
            sheet.text(middle, f"{share * 100:.0f}", 13 if cell > 36 else 11, ink, "mm")
