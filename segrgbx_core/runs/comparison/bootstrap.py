# SPDX-License-Identifier: Apache-2.0
"""How sure a difference of two runs is: a paired bootstrap over blocks of consecutive frames.

Frames of a drive are no independent draws: neighbours show the same street. So not frames but
blocks of consecutive frames are drawn, the same for all runs (circular block bootstrap, Politis
and Romano 1992). How long the differences stay correlated is asked of the data (Politis and White
2004, corrected by Patton, Politis and White 2009); their length suits a variance, and an interval
needs longer blocks to hold what it promises.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.runs.scores import IouParts, Pixels, ious

FEWEST_BLOCKS = 4.0
"""With fewer blocks of like weight, no interval is given: it would be a guess."""
LONGER = 3
"""Times the length that suits a variance: coverage in the simulation rises from 0.79 to 0.90."""
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Resampling:
    """resamples: how many drives are drawn. level: share of intervals that hold the truth. seed:
    of the draws. block: consecutive frames in a block, None for as many as the data ask for."""

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0
    block: int | None = None

    def __post_init__(self) -> None:
        for what, value, least in (
            ("resamples", self.resamples, 100),
            ("seed", self.seed, 0),
            ("block", 1 if self.block is None else self.block, 1),
        ):
            if value < least:
                raise InputError(f"{what} is {value}; expected {least} or more.")


def block_weights(frames: int, block: int, resamples: int, seed: int) -> Pixels:
    """How often each frame counts in each resample, (resamples, frames) float64.

    Each row sums to `frames`; the drive is taken as a ring, so that every frame counts alike.
    """
    random = np.random.default_rng(seed)
    blocks = -(-frames // block)
    weights = np.empty((resamples, frames), np.float64)
    step = max(1, _CHUNK // frames)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        starts = random.integers(0, frames, (rows, blocks, 1))
        drawn = ((starts + np.arange(block)) % frames).reshape(rows, -1)[:, :frames]
        flat = (drawn + np.arange(rows)[:, None] * frames).ravel()
        counted = np.bincount(flat, minlength=rows * frames)
        weights[first : first + rows] = counted.reshape(rows, frames)
    return weights


def influence(parts: IouParts) -> Pixels:
    """How much each frame moves the mean IoU of all of them, to first order: (N,)."""
    right, union = parts.right.sum(axis=0), parts.union.sum(axis=0)
    there = union > 0
    if not there.any():
        return np.zeros(len(parts.right))
    iou = ious(right, union)[there]
    moved: Pixels = ((parts.right[:, there] - iou * parts.union[:, there]) / union[there]).mean(1)
    return moved


def correlated_length(series: Pixels) -> float:
    """Block length for a series (N,) by Politis and White; 1 for one without correlation."""
    n = len(series)
    centred = series - series.mean()
    spread = float(centred @ centred) / n
    if n < 8 or spread <= 0:
        return 1.0
    most = min(n - 1, math.ceil(math.sqrt(n)) + max(5, math.ceil(math.log10(n))))
    covariance = np.array([float(centred[k:] @ centred[: n - k]) / n for k in range(most + 1)])
    small = np.abs(covariance[1:] / spread) < 2 * math.sqrt(math.log10(n) / n)
    reach = min(most, 2 * _last_correlated(small, max(5, math.ceil(math.sqrt(math.log10(n))))))
    lags = np.arange(1, reach + 1)
    taper = np.clip(2 * (1 - lags / max(reach, 1)), 0, 1) * covariance[1 : reach + 1]
    at_zero = spread + 2 * float(taper.sum())
    slope = 2 * float((lags * taper).sum())
    if at_zero <= 0:
        return 1.0
    length = (1.5 * slope**2 / at_zero**2 * n) ** (1 / 3)
    return float(min(max(length, 1.0), math.ceil(min(3 * math.sqrt(n), n / 3))))


def _last_correlated(small: npt.NDArray[np.bool_], run: int) -> int:
    """The lag after which `run` lags in a row are no longer correlated; small: from lag 1 on."""
    for lag in range(len(small) - run + 1):
        if small[lag : lag + run].all():
            return max(lag, 1)
    large = np.flatnonzero(~small)
    return int(large[-1]) + 1 if large.size else 1


def block_length(frames: int, rate_hz: float | None, series: Sequence[Pixels]) -> int:
    """Consecutive frames in a block for so many frames.

    The longest of a second, the cube root of the number of frames, and LONGER times what the
    series' (N,) correlation asks for; at most a fifth of the frames. rate_hz: frames in a second,
    None for files without stamps.
    """
    correlated = (LONGER * correlated_length(s) for s in series)
    wanted = [float(frames) ** (1 / 3), rate_hz or 1.0, *correlated]
    longest: int = math.ceil(max(wanted) - 1e-9)
    return max(1, min(longest, frames // 5))


def blocks_with(mass: Pixels, block: int) -> float:
    """How many blocks of like weight the mass (N,) is spread over, by Kish's formula.

    A class that one frame alone shows has one block, whatever the drive's length.
    """
    sums = np.add.reduceat(mass, np.arange(0, len(mass), block)) if len(mass) else mass
    squares = float(sums @ sums)
    return float(sums.sum()) ** 2 / squares if squares > 0 else 0.0


def interval(
    value: float, drawn: Pixels, blocks: float, level: float
) -> tuple[float, float] | None:
    """The percentile interval of the drawn values (B,), None where too little was drawn from.

    value: of the frames themselves. blocks: as `blocks_with` gives them: as for a mean of so many
    values, the distances to both ends are widened by Student's factor over the normal one.
    """
    there = drawn[~np.isnan(drawn)]
    if blocks < FEWEST_BLOCKS or len(there) < 0.95 * len(drawn):
        return None
    outside = (1 - level) / 2
    low, high = (float(v) for v in np.quantile(there, (outside, 1 - outside)))
    wider = widening(blocks, level)
    return value - max(value - low, 0.0) * wider, value + max(high - value, 0.0) * wider


def widening(blocks: float, level: float) -> float:
    """Student's quantile for a mean of so many values over the normal quantile, above 1.

    By Abramowitz and Stegun 26.7.5, within 4 % from three degrees of freedom on; times
    sqrt(k / (k - 1)), by which a bootstrap's spread of k values is too small.
    """
    z, free = NormalDist().inv_cdf((1 + level) / 2), blocks - 1
    student = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    student += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    return student / z * math.sqrt(blocks / free)
