# SPDX-License-Identifier: Apache-2.0
"""The page's pictures: seeds as dots in rows, and curves of degraded X."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.report.figures import BySeed, Findings, figure
from segrgbx_core.evaluation.charts import Line, line_chart
from segrgbx_core.pictures.sheet import COLORS, GRID, QUIET, TEXT, Color, Sheet, length_of
from segrgbx_core.readings import RgbImage

_WIDTH, _ROW, _TOP, _BOTTOM = 1000, 30, 78, 44
_RIGHT = 150


@dataclass(frozen=True)
class Row:
    """One row of dots; color: of its group. gap: extra space above it."""

    name: str
    values: BySeed
    color: Color
    gap: bool = False


def dot_chart(
    title: str, rows: Sequence[Row], line: tuple[str, BySeed] | None = None
) -> RgbImage | None:
    """A dot per seed, a stroke at their mean, and the mean as a number at the right.

    line: a name and figure drawn as a line through all rows. Returns None where no row has a
    value.
    """
    shown = [row for row in rows if row.values]
    values = [v for row in shown for v in row.values.values()]
    if not values:
        return None
    level = None if line is None else figure(line[1])
    values += [] if level is None else [level.mean]
    low, high, step = _axis(values)
    left = 40 + max(length_of(row.name) for row in shown)
    height = _TOP + _ROW * len(shown) + 12 * sum(r.gap for r in shown) + _BOTTOM
    sheet = Sheet(_WIDTH, height)
    bottom = height - _BOTTOM

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (_WIDTH - left - _RIGHT)

    sheet.text((20, 26), title, 18)
    sheet.text((20, 52), "mean IoU; one dot a seed, a stroke at the mean", 13, QUIET)
    for i in range(round((high - low) / step) + 1):
        x = across(low + i * step)
        sheet.line(((x, _TOP - 8), (x, bottom)), GRID)
        sheet.text((x, bottom + 16), f"{low + i * step:.2f}", 13, QUIET, "mm")
    if line is not None and level is not None:
        x = across(level.mean)
        sheet.dashes((x, _TOP - 8), (x, bottom), QUIET, 1.5)
        sheet.text((x, bottom + 32), f"{line[0]} {level.mean:.3f}", 12, QUIET, "mm")
    y = _TOP + _ROW / 2
    for row in shown:
        y += 12 if row.gap else 0
        _draw(sheet, row, y, left, across)
        y += _ROW
    return sheet.picture()


def _draw(sheet: Sheet, row: Row, y: float, left: float, across: Callable[[float], float]) -> None:
    over_seeds = figure(row.values)
    assert over_seeds is not None
    sheet.text((left - 16, y), row.name, 14, TEXT, "rm")
    ends = [across(value) for value in (min(row.values.values()), max(row.values.values()))]
    sheet.line(((ends[0], y), (ends[1], y)), row.color, 1.5)
    for value in row.values.values():
        sheet.dot((across(value), y), row.color, 4.5)
    mean = across(over_seeds.mean)
    sheet.line(((mean, y - 9), (mean, y + 9)), row.color, 3.0)
    sheet.text((_WIDTH - 20, y), over_seeds.text, 13, TEXT, "rm")


def _axis(values: Sequence[float]) -> tuple[float, float, float]:
    """Lowest and highest value of an axis, and its step; 4 to 10 steps."""
    width = max(max(values) - min(values), 0.02)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if width / s <= 8 or s == 0.2)
    low = math.floor(min(values) / step - 0.2) * step
    high = math.ceil(max(values) / step + 0.2) * step
    return low, high, step


def degrade_chart(
    findings: Findings, kind: str, title: str, axis: str, runs: Sequence[tuple[str, str]]
) -> RgbImage | None:
    """Means over the sensors and seeds at each level, one line for each (run, name). Dashed: the
    first run's model without X. Returns None where any run is missing."""
    levels = [float(level) for level in findings.results.plan["degrade"][kind]]
    lines = []
    for i, (run, name) in enumerate(runs):
        figures = [figure(findings.level_over_sensors(run, kind, level)) for level in levels]
        if any(f is None for f in figures):
            return None
        values = tuple(None if f is None else f.mean for f in figures)
        lines.append(Line(name, values, COLORS[i], bold=i == 0))
    alone = figure(findings.rgb_alone(runs[0][0], kind))
    return line_chart(title, axis, levels, lines, None if alone is None else alone.mean)
