# SPDX-License-Identifier: Apache-2.0
"""Scores over levels as lines, for the curves of degraded X."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segrgbx_core.evaluation.curves import Curve
from segrgbx_core.evaluation.dataset import DatasetScores
from segrgbx_core.evaluation.sheet import COLORS, GRID, QUIET, TEXT, Color, Sheet
from segrgbx_core.frame import RgbImage

_WIDTH, _HEIGHT = 1000, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 250, 84, 66
_STEP = 0.1


@dataclass(frozen=True)
class Line:
    """values: one for each level, None where there is none; bold: the one that matters; hollow:
    with rings for points, where colours have to be used again."""

    name: str
    values: tuple[float | None, ...]
    color: Color
    bold: bool = False
    hollow: bool = False


def curve_picture(curve: Curve, title: str) -> RgbImage:
    """mIoU over the levels: all frames in bold, conditions thin, RGB alone as a broken line."""
    lines = [Line("all", _miou(curve.scores, None), TEXT, bold=True)]
    conditions = list(curve.scores[0].by_condition)
    lines += [
        Line(
            name,
            _miou(curve.scores, name),
            COLORS[i % len(COLORS)],
            hollow=i >= len(COLORS),
        )
        for i, name in enumerate(conditions)
    ]
    axis = curve.axis if curve.unit is None else f"{curve.axis} (1 is {curve.unit})"
    return line_chart(title, axis, curve.levels, lines, curve.rgb_alone.overall.miou)


def _miou(scores: Sequence[DatasetScores], condition: str | None) -> tuple[float | None, ...]:
    return tuple(
        (s.overall if condition is None else s.by_condition[condition]).miou for s in scores
    )


def line_chart(
    title: str,
    axis: str,
    levels: Sequence[float],
    lines: Sequence[Line],
    level_line: float | None = None,
) -> RgbImage:
    """levels: rising, two or more; level_line: RGB alone. Values are shares in 0..1; the upright
    axis shows the part that they need, in steps of 0.1."""
    known = [v for line in lines for v in line.values if v is not None]
    known += [] if level_line is None else [level_line]
    low, high = _range(known)
    sheet = Sheet(_WIDTH, _HEIGHT)
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(level: float, value: float) -> tuple[float, float]:
        right = (level - levels[0]) / (levels[-1] - levels[0])
        return _LEFT + right * across, _TOP + (high - value) / (high - low) * down

    sheet.text((_LEFT - 46, 30), title, 18)
    sheet.text((_LEFT - 46, 58), "mean IoU", 13, QUIET)
    sheet.text((_LEFT + across / 2, _HEIGHT - 20), axis, 13, QUIET, "mm")
    for i in range(round(low / _STEP), round(high / _STEP) + 1):
        start, end = place(levels[0], i * _STEP), place(levels[-1], i * _STEP)
        sheet.line((start, end), GRID)
        sheet.text((start[0] - 10, start[1]), f"{i * _STEP:.1f}", 13, QUIET, "rm")
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


def _range(values: Sequence[float]) -> tuple[float, float]:
    low = math.floor(min(values, default=0.0) / _STEP + 1e-9) * _STEP
    high = math.ceil(max(values, default=1.0) / _STEP - 1e-9) * _STEP
    return low, max(high, low + 2 * _STEP)


def _points(levels: Sequence[float], line: Line) -> list[tuple[float, float]]:
    pairs = zip(levels, line.values, strict=True)
    return [(level, value) for level, value in pairs if value is not None]


def _draw(sheet: Sheet, line: Line, points: list[tuple[float, float]]) -> None:
    if len(points) > 1:
        sheet.line(points, line.color, 3.0 if line.bold else 1.5)
    for point in points:
        sheet.dot(point, line.color, 4.5 if line.bold else 3.5, not line.hollow)


def _key(sheet: Sheet, lines: Sequence[Line], level_line: float | None) -> None:
    """Names at the right, each with its first and last value."""
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
