# SPDX-License-Identifier: Apache-2.0
"""The slop that fits an X topic: the nearest X lies within half of its interval."""

import numpy as np
import numpy.typing as npt

LEAST_S, MOST_S = 0.03, 0.1
_JITTER = 1.2


def fitting_slop(x_interval_ns: float | None) -> float:
    """The slop in seconds for X of this interval: its half, with a margin for jitter.

    At least 0.03, the live node's default, and at most 0.1, since a vehicle moves in between.
    """
    if x_interval_ns is None:
        return LEAST_S
    return round(min(max(_JITTER * x_interval_ns / 2e9, LEAST_S), MOST_S), 4)


def usual_interval_ns(times: npt.NDArray[np.int64]) -> float | None:
    """The median step between times (N,) in nanoseconds; None without two that ascend."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else None
