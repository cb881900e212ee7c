# SPDX-License-Identifier: Apache-2.0
"""Charts of an evaluation: curves, the confusion matrix, and grouped points."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import Scores
from segrgbx_core.evaluation.summary import ALL, CurveFacts
from segrgbx_core.evaluation.tsne import Floats
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.pictures.sheet import COLORS, GRID, QUIET, TEXT, Color, Sheet, length_of
from segrgbx_core.readings import RgbImage
from segrgbx_core.wording import spoken

_WIDTH, _HEIGHT = 1000, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 250, 84, 66
_STEPS, _MOST_TICKS = (0.01, 0.02, 0.05, 0.1), 6


@dataclass(frozen=True)
class Line:
    """values: one for each level, None where missing; bold: the main line; hollow: points drawn
    as rings, where colours repeat."""

    name: str
    values: tuple[float | None, ...]
    color: Color
    bold: bool = False
    hollow: bool = False


def curve_picture(curve: CurveFacts, title: str) -> RgbImage:
    """mIoU over the levels: all frames in bold, conditions thin, RGB alone as a dashed line."""
    lines = [Line(ALL, tuple(curve.miou[ALL]), TEXT, bold=True)]
    conditions = [name for name in curve.miou if name != ALL]
    lines += [
        Line(
            name,
            tuple(curve.miou[name]),
            COLORS[i % len(COLORS)],
            hollow=i >= len(COLORS),
        )
        for i, name in enumerate(conditions)
    ]
    axis = curve.axis if curve.unit is None else f"{curve.axis} (1 is {curve.unit})"
    return line_chart(title, axis, curve.levels, lines, curve.rgb_alone_miou)


def line_chart(
    title: str,
    axis: str,
    levels: Sequence[float],
    lines: Sequence[Line],
    level_line: float | None = None,
) -> RgbImage:
    """levels: ascending, two or more; level_line: RGB alone. Values are shares in 0..1; the
    vertical axis covers their range in the finest steps of which it has few."""
    known = [v for line in lines for v in line.values if v is not None]
    known += [] if level_line is None else [level_line]
    low, high, step = _range(known)
    sheet = Sheet(_WIDTH, _HEIGHT)
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(level: float, value: float) -> tuple[float, float]:
        right = (level - levels[0]) / (levels[-1] - levels[0])
        return _LEFT + right * across, _TOP + (high - value) / (high - low) * down

    sheet.text((_LEFT - 46, 30), title, 18)
    sheet.text((_LEFT - 46, 58), "mean IoU", 13, QUIET)
    sheet.text((_LEFT + across / 2, _HEIGHT - 20), axis, 13, QUIET, "mm")
    for i in range(round(low / step), round(high / step) + 1):
        start, end = place(levels[0], i * step), place(levels[-1], i * step)
        sheet.line((start, end), GRID)
        sheet.text((start[0] - 10, start[1]), _tick(i * step, step), 13, QUIET, "rm")
    for level in levels:
        x, y = place(level, low)
        sheet.line(((x, y), (x, y + 5)), QUIET)
        sheet.text((x, y + 18), f"{level:g}", 13, QUIET, "mm")
    if level_line is not None:
        sheet.dashes(place(levels[0], level_line), place(levels[-1], level_line), QUIET, 1.5)
    for line in reversed(lines):
        _draw(sheet, line, [place(x, y) for x, y in _points(levels, line)])
    _key(sheet, lines, level_line)
    return sheet.picture()


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    """The ends of the axis, and its step."""
    least, most = min(values, default=0.0), max(values, default=1.0)
    for step in _STEPS:
        low = math.floor(least / step + 1e-9) * step
        high = max(math.ceil(most / step - 1e-9) * step, low + 2 * step)
        if high - low < (_MOST_TICKS + 0.5) * step:
            break
    return low, high, step


def _tick(value: float, step: float) -> str:
    return f"{value:.1f}" if step >= _STEPS[-1] else f"{value:.2f}"


def _points(levels: Sequence[float], line: Line) -> list[tuple[float, float]]:
    pairs = zip(levels, line.values, strict=True)
    return [(level, value) for level, value in pairs if value is not None]


def _draw(sheet: Sheet, line: Line, points: list[tuple[float, float]]) -> None:
    if len(points) > 1:
        sheet.line(points, line.color, 3.0 if line.bold else 1.5)
    for point in points:
        sheet.dot(point, line.color, 4.5 if line.bold else 3.5, not line.hollow)


def _key(sheet: Sheet, lines: Sequence[Line], level_line: float | None) -> None:
    """The legend at the right: names, each with its first and last value."""
    x, y = _WIDTH - _RIGHT + 24, _TOP + 6
    sheet.text((_WIDTH - 14, y - 24), "first to last", 12, QUIET, "rm")
    for line in lines:
        ends = " to ".join("-" if v is None else f"{v:.3f}" for v in line.values[:: _last(line)])
        _draw(sheet, line, [(x, y), (x + 22, y)])
        sheet.text((x + 30, y), line.name, 13)
        sheet.text((_WIDTH - 14, y), ends, 13, TEXT, "rm")
        y += 24
    if level_line is not None:
        sheet.dashes((x, y), (x + 22, y), QUIET, 1.5)
        sheet.text((x + 30, y), "RGB alone", 13)
        sheet.text((_WIDTH - 14, y), f"{level_line:.3f}", 13, TEXT, "rm")


def _last(line: Line) -> int:
    return max(1, len(line.values) - 1)


_CORRECT, _MISTAKEN = (0, 92, 169), (190, 66, 20)
_MARGIN, _TITLE, _CHIP, _IOU_WIDTH = 24, 76, 14, 70
_LARGEST_CELL, _LEAST_CELL, _ROOM = 52, 30, 1100


def confusion_picture(scores: Scores, label_set: LabelSet, title: str) -> RgbImage:
    """Rows are the truth, columns the prediction; a cell is the share of its row in percent.

    The diagonal is blue, errors are red, and shares below half a percent have no number. Classes
    in neither truth nor prediction are left out; a class without truth has an empty row. Each row
    ends with the class's IoU. Raises InputError where nothing was scored.
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
    across = _MARGIN + label + cell * len(names) + _IOU_WIDTH + _MARGIN
    top = _TITLE + label
    width = max(across, 2 * _MARGIN + length_of(title, 18), 460)
    sheet = Sheet(width, top + cell * len(names) + _MARGIN)
    sheet.text((_MARGIN, 26), title, 18)
    words = "Rows: truth. Columns: what the model said. Numbers: percent of the row."
    sheet.text((_MARGIN, 50), words, 13, QUIET)
    left = _MARGIN + label
    for i, (name, color) in enumerate(zip(names, colors, strict=True)):
        middle = (i + 0.5) * cell
        _chip(sheet, (_MARGIN, top + middle - _CHIP / 2), color)
        sheet.text((_MARGIN + _CHIP + 8, top + middle), spoken(name), size)
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
        full = _CORRECT if j == own else _MISTAKEN
        # The square root makes a few percent of errors visible beside a diagonal near one.
        strength = share if j == own else share**0.5
        fill = [round(255 + (c - 255) * (0.04 + 0.96 * strength)) for c in full]
        sheet.box(at, (cell - 1, cell - 1), (fill[0], fill[1], fill[2]))
        if share >= 0.005:
            ink = (255, 255, 255) if strength > 0.55 else TEXT
            middle = (at[0] + cell / 2, at[1] + cell / 2)
            sheet.text(middle, f"{share * 100:.0f}", 13 if cell > 36 else 11, ink, "mm")


_SIDE, _KEY, _HEADING, _EDGE = 640, 260, 84, 24


def scatter_picture(
    places: Floats, groups: Sequence[str], values: Mapping[str, float], title: str, note: str
) -> RgbImage:
    """places: (N, 2). groups: the group of each point. values: a figure for each group, shown in
    the legend, in the legend's order. The axes of t-SNE have no meaning and no numbers."""
    sheet = Sheet(_EDGE + _SIDE + _KEY, _HEADING + _SIDE + _EDGE)
    sheet.text((_EDGE, 30), title, 18)
    sheet.text((_EDGE, 58), note, 13, QUIET)
    sheet.box((_EDGE, _HEADING), (_SIDE, _SIDE), GRID)
    sheet.box((_EDGE + 1, _HEADING + 1), (_SIDE - 2, _SIDE - 2), (250, 251, 252))
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    reach = max(float(np.ptp(places, axis=0).max()) / 2, 1e-9)
    shown = (places - middle) / reach * (_SIDE / 2 - 16) + _SIDE / 2
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(values)}
    filled = {name: i < len(COLORS) for i, name in enumerate(values)}
    # Points of the groups are drawn in turn, so that the last group does not cover the others.
    for index in _in_turns(groups):
        x, y = shown[index]
        name = groups[index]
        sheet.dot((_EDGE + x, _HEADING + y), colors[name], 3.4, filled[name])
    left = _EDGE + _SIDE + 22
    sheet.text((_EDGE + _SIDE + _KEY - 16, _HEADING - 12), "points, silhouette", 12, QUIET, "rm")
    for row, (name, value) in enumerate(values.items()):
        y = _HEADING + 14 + 26 * row
        sheet.dot((left, y), colors[name], 5.0, filled[name])
        sheet.text((left + 14, y), "RGB" if name == "rgb" else spoken(name), 14)
        counted = f"{list(groups).count(name)}, {value:.2f}"
        sheet.text((_EDGE + _SIDE + _KEY - 16, y), counted, 14, TEXT, "rm")
    return sheet.picture()


def _in_turns(groups: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    turns = []
    for index, name in enumerate(groups):
        seen[name] = seen.get(name, 0) + 1
        turns.append((seen[name], index))
    return [index for _, index in sorted(turns)]
