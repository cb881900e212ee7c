# SPDX-License-Identifier: Apache-2.0
"""At most so many frames a second, judged by their stamps."""

NS_PER_S = 1_000_000_000


class RateLimit:
    """Lets frames through so that their mean rate stays at or under the limit.

    A frame due within a tenth of the period is let through early, so that a limit that divides
    the camera's rate takes every n-th frame in spite of jitter.
    """

    def __init__(self) -> None:
        self._due: int | None = None
        self._last = 0

    def admits(self, stamp_ns: int, max_rate_hz: float) -> bool:
        """Whether the frame goes on; max_rate_hz 0 lets every frame through."""
        if max_rate_hz <= 0.0:
            self._due = None
            return True
        period = round(NS_PER_S / max_rate_hz)
        if self._due is None or stamp_ns < self._last - NS_PER_S:
            self._due = stamp_ns
        if stamp_ns < self._due - period // 10:
            return False
        self._last = stamp_ns
        self._due = max(self._due + period, stamp_ns)
        return True
