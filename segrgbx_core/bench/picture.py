# SPDX-License-Identifier: Apache-2.0
"""The figures of a run of `segrgbx bench` as one picture of bars."""

from collections.abc import Mapping, Sequence

from segrgbx_core.bench.measuring import CaseTimes
from segrgbx_core.pictures.sheet import COLORS, QUIET, Sheet
from segrgbx_core.readings import RgbImage

_WIDTH, _LEFT, _RIGHT, _LINE, _TITLE, _MARGIN = 900, 220, 190, 26, 46, 20


def bars(timings: Mapping[str, Sequence[CaseTimes]]) -> RgbImage:
    """CPU milliseconds of each case, section by section; a section's longest bar fills the width.

    timings: by the section's title. Beside each bar are the milliseconds and the ratio to the
    section's first case, whose bar has another colour.
    """
    height = 3 * _MARGIN + sum(_TITLE + _LINE * len(cases) for cases in timings.values())
    sheet, y = Sheet(_WIDTH, height), 2.0 * _MARGIN
    sheet.text((_MARGIN, 1.2 * _MARGIN), "CPU time of one core, and its ratio to grey", 13, QUIET)
    for title, cases in timings.items():
        sheet.text((_MARGIN, y + _TITLE / 2), title, 16)
        y += _TITLE
        longest = max(case.cpu_ms for case in cases)
        for i, case in enumerate(cases):
            length = max(1.0, (_WIDTH - _LEFT - _RIGHT) * case.cpu_ms / longest)
            middle = y + _LINE / 2
            sheet.text((_LEFT - 10, middle), case.name, 13, anchor="rm")
            color = COLORS[0] if i else QUIET
            sheet.box((_LEFT, y + 4), (length, _LINE - 8), color)
            sheet.text((_LEFT + length + 8, middle), _figures(case), 13)
            y += _LINE
    return sheet.picture()


def _figures(case: CaseTimes) -> str:
    milliseconds = f"{case.cpu_ms:.1f}" if case.cpu_ms < 10 else f"{case.cpu_ms:.0f}"
    return f"{milliseconds} ms, {case.ratio:.2f}"
