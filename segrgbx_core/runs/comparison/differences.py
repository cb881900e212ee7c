# SPDX-License-Identifier: Apache-2.0
"""Differences between runs on the same frames, each with its interval and a verdict in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segrgbx_core.runs.comparison.bootstrap import (
    Resampling,
    block_length,
    block_weights,
    blocks_with,
    influence,
    interval,
)
from segrgbx_core.runs.comparison.content import Difference, Group, ScoreLine, Verdict
from segrgbx_core.runs.scores import IouParts, Pixels, ious, mean_iou

_DIGITS = 6


@dataclass(frozen=True, eq=False)
class _Figures:
    """One figure of a run: of the frames themselves, and of each resample (B,)."""

    value: float
    drawn: Pixels


def compare_ious(
    name: str,
    classes: Sequence[str],
    sides: Sequence[IouParts],
    rate_hz: float | None,
    how: Resampling,
) -> Group:
    """Mean IoU and IoU by class of each run over the same frames, in their order of time.

    name: of the group. sides: the runs' parts, (N, C) each. rate_hz: frames in a second.
    """
    frames = len(sides[0].right)
    base = influence(sides[0])
    block = how.block or block_length(frames, rate_hz, [influence(s) - base for s in sides[1:]])
    block = min(block, frames)
    weights = block_weights(frames, block, how.resamples, how.seed)
    mass = np.sum([side.union for side in sides], axis=0)
    by_class, means = [], []
    for side in sides:
        whole = ious(side.right.sum(axis=0), side.union.sum(axis=0))
        drawn = ious(weights @ side.right, weights @ side.union)
        by_class.append([_Figures(float(w), d) for w, d in zip(whole, drawn.T, strict=True)])
        means.append(_Figures(float(mean_iou(whole)), mean_iou(drawn)))
    return Group(
        name,
        frames,
        block,
        _line("mean IoU", means, blocks_with(mass.sum(axis=1), block), how.level),
        tuple(
            _line(of, [c[i] for c in by_class], blocks_with(mass[:, i], block), how.level)
            for i, of in enumerate(classes)
        ),
    )


def compare_shares(
    classes: Sequence[str], sides: Sequence[Pixels], rate_hz: float | None, how: Resampling
) -> tuple[tuple[ScoreLine, ...], int]:
    """Mean share of the masks' pixels by class, and the frames in a block.

    sides: (N, C) shares of each frame.
    """
    frames = len(sides[0])
    apart = [side - sides[0] for side in sides[1:]]
    series = [column for d in apart for column in d.T]
    block = min(how.block or block_length(frames, rate_hz, series), frames)
    weights = block_weights(frames, block, how.resamples, how.seed) / frames
    blocks = frames / block
    lines = []
    for i, name in enumerate(classes):
        figures = [_Figures(float(s[:, i].mean()), weights @ s[:, i]) for s in sides]
        lines.append(_line(name, figures, blocks, how.level, ("more", "less")))
    return tuple(lines), block


def _line(
    name: str,
    figures: Sequence[_Figures],
    blocks: float,
    level: float,
    words: tuple[Verdict, Verdict] = ("better", "worse"),
) -> ScoreLine:
    first = figures[0]
    return ScoreLine(
        name,
        tuple(rounded(f.value) for f in figures),
        tuple(_difference(first, other, blocks, level, words) for other in figures[1:]),
    )


def _difference(
    first: _Figures,
    other: _Figures,
    blocks: float,
    level: float,
    words: tuple[Verdict, Verdict],
) -> Difference:
    value = other.value - first.value
    if np.isnan(value):
        return Difference(None, None, None, "-")
    drawn = other.drawn - first.drawn
    if value == 0 and not np.nan_to_num(drawn).any():
        return Difference(0.0, 0.0, 0.0, "equal")
    ends = interval(value, drawn, blocks, level)
    if ends is None:
        return Difference(rounded(value), None, None, "too few frames")
    verdict: Verdict = "not distinguishable"
    if ends[0] > 0:
        verdict = words[0]
    elif ends[1] < 0:
        verdict = words[1]
    return Difference(rounded(value), rounded(ends[0]), rounded(ends[1]), verdict)


def rounded(value: float) -> float | None:
    """To six digits; None for NaN."""
    return None if np.isnan(value) else round(float(value), _DIGITS)
