# SPDX-License-Identifier: Apache-2.0
"""Rates and percentiles of the last moments, for the node's diagnostics."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RATE_WINDOW_S = 5.0
KEPT_MARKS = 2048
KEPT_VALUES = 300


@dataclass(frozen=True)
class Spread:
    """Median, 95th percentile and largest of some values, in their own unit."""

    p50: float
    p95: float
    max: float


class Rate:
    """Events a second over the last five seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: deque[float] = deque(maxlen=KEPT_MARKS)
        self._lock = threading.Lock()

    def mark(self) -> None:
        """One more, now."""
        with self._lock:
            self._marks.append(self._clock())

    def hz(self) -> float:
        """0 where the last one is older than the window."""
        now = self._clock()
        with self._lock:
            recent = [t for t in self._marks if now - t <= RATE_WINDOW_S]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], 1e-9)

    def since_last_s(self) -> float | None:
        """Seconds since the last one; None before the first."""
        with self._lock:
            return self._clock() - self._marks[-1] if self._marks else None


class Recent:
    """The last 300 values of one quantity."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT_VALUES)
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        """One more; values that are not finite are left out."""
        if np.isfinite(value):
            with self._lock:
                self._values.append(value)

    def clear(self) -> None:
        """Forgets all of them."""
        with self._lock:
            self._values.clear()

    def spread(self) -> Spread | None:
        """None before the first value."""
        with self._lock:
            values = list(self._values)
        if not values:
            return None
        p50, p95 = (float(v) for v in np.percentile(values, (50, 95)))
        return Spread(p50, p95, max(values))
