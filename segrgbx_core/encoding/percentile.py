# SPDX-License-Identifier: Apache-2.0
"""Percentiles by numpy's linear rule, exact and several times faster on images."""

import numpy as np
import numpy.typing as npt

_FEW = 65536
_SAMPLE_STEP = 16
_BRACKET = 0.5


def percentile(values: npt.NDArray[np.float32], percent: float) -> float:
    """numpy.percentile of (N,) values, N at least 1.

    A sample brackets the percentile, and only what lies in the bracket is ordered (the idea of
    Floyd and Rivest's SELECT, 1975).
    """
    place = (len(values) - 1) * (percent / 100.0)
    if len(values) > _FEW:
        sample = values[::_SAMPLE_STEP]
        wanted = np.clip([percent - _BRACKET, percent + _BRACKET], 0, 100)
        low, high = np.percentile(sample, wanted, method="nearest")
        if percent < _BRACKET:
            low = np.float32(-np.inf)
        if percent > 100 - _BRACKET:
            high = np.float32(np.inf)
        below = int(np.count_nonzero(values < low))
        among = values[(values >= low) & (values <= high)]
        if below <= place and place + 1 <= below + len(among) - 1:
            return _at(among, place - below)
    return _at(values, place)


def counted_percentile(
    values: npt.NDArray[np.float32], counts: npt.NDArray[np.int64], percent: float
) -> float:
    """The same over ascending values that each occur `counts` times."""
    upto = np.cumsum(counts)
    place = (int(upto[-1]) - 1) * (percent / 100.0)
    below = int(place)
    above = min(below + 1, int(upto[-1]) - 1)
    low, high = values[np.searchsorted(upto, [below, above], side="right")]
    return _between(float(low), float(high), place - below)


def _at(values: npt.NDArray[np.float32], place: float) -> float:
    below = int(place)
    above = min(below + 1, len(values) - 1)
    ordered = np.partition(values, (below, above))
    return _between(float(ordered[below]), float(ordered[above]), place - below)


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
