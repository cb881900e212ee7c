# SPDX-License-Identifier: Apache-2.0
"""Points on a plane in the colours of their groups, as t-SNE figures are drawn."""

from collections.abc import Mapping, Sequence

import numpy as np

from segrgbx_core.evaluation.pictures import spoken
from segrgbx_core.evaluation.sheet import COLORS, GRID, QUIET, TEXT, Sheet
from segrgbx_core.evaluation.tsne import Floats
from segrgbx_core.frame import RgbImage

_SIDE, _KEY, _TOP, _PAD = 640, 260, 84, 24


def scatter_picture(
    places: Floats, groups: Sequence[str], values: Mapping[str, float], title: str, note: str
) -> RgbImage:
    """places: (N, 2). groups: each point's. values: a figure for each group, shown in the key,
    whose order is the drawing's. The axes of t-SNE mean nothing and have no numbers."""
    sheet = Sheet(_PAD + _SIDE + _KEY, _TOP + _SIDE + _PAD)
    sheet.text((_PAD, 30), title, 18)
    sheet.text((_PAD, 58), note, 13, QUIET)
    sheet.box((_PAD, _TOP), (_SIDE, _SIDE), GRID)
    sheet.box((_PAD + 1, _TOP + 1), (_SIDE - 2, _SIDE - 2), (250, 251, 252))
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    reach = max(float(np.ptp(places, axis=0).max()) / 2, 1e-9)
    shown = (places - middle) / reach * (_SIDE / 2 - 16) + _SIDE / 2
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(values)}
    filled = {name: i < len(COLORS) for i, name in enumerate(values)}
    # Groups take turns, so that the last one does not cover the others.
    for index in _in_turns(groups):
        x, y = shown[index]
        name = groups[index]
        sheet.dot((_PAD + x, _TOP + y), colors[name], 3.4, filled[name])
    left = _PAD + _SIDE + 22
    sheet.text((_PAD + _SIDE + _KEY - 16, _TOP - 12), "points, silhouette", 12, QUIET, "rm")
    for row, (name, value) in enumerate(values.items()):
        y = _TOP + 14 + 26 * row
        sheet.dot((left, y), colors[name], 5.0, filled[name])
        sheet.text((left + 14, y), "RGB" if name == "rgb" else spoken(name), 14)
        counted = f"{list(groups).count(name)}, {value:.2f}"
        sheet.text((_PAD + _SIDE + _KEY - 16, y), counted, 14, TEXT, "rm")
    return sheet.picture()


def _in_turns(groups: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    turns = []
    for index, name in enumerate(groups):
        seen[name] = seen.get(name, 0) + 1
        turns.append((seen[name], index))
    return [index for _, index in sorted(turns)]
