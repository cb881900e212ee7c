# SPDX-License-Identifier: Apache-2.0
"""When the samples of a dataset were taken: made-up stamps of two cameras, with their faults."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.scenes.street.world import stamp_of

_RGB_STREAM, _X_STREAM, _DROP_STREAM = 1, 2, 3
_LONGEST_OFFSET_S = 10.0
_RATES_HZ = (0.1, 1000.0)
_SIGMAS = 3.0


@dataclass(frozen=True)
class TimingSettings:
    """The clock of a recording.

    rate_hz: samples a second. jitter_s: standard deviation of each stamp, which is cut off at
    three times that; an event camera has none. x_offset_s: added to every X stamp. drop: share of
    the samples without X. seed: of jitter and drops. Raises InputError for values out of range.
    """

    rate_hz: float = 10.0
    jitter_s: float = 0.0
    x_offset_s: float = 0.0
    drop: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = _RATES_HZ
        if not low <= self.rate_hz <= high:
            raise InputError(f"The rate is {self.rate_hz:g} Hz; expected {low:g} to {high:g}.")
        most = 1 / self.rate_hz / (2 * _SIGMAS)
        if not 0 <= self.jitter_s < most:
            raise InputError(
                f"The jitter is {self.jitter_s:g} s; expected 0 to below {most:.4g} s at "
                f"{self.rate_hz:g} Hz, so that the images keep their order."
            )
        if not abs(self.x_offset_s) <= _LONGEST_OFFSET_S:
            raise InputError(
                f"The offset of X is {self.x_offset_s:g} s; expected at most "
                f"{_LONGEST_OFFSET_S:g} s either way."
            )
        if not 0 <= self.drop < 1:
            raise InputError(f"The share of X dropped is {self.drop:g}; expected 0 to below 1.")
        if self.seed < 0:
            raise InputError(f"The seed is {self.seed}; expected 0 or more.")

    @property
    def shortest_period_ns(self) -> int:
        """The least time between two samples' stamps."""
        return round((1 / self.rate_hz - 2 * _SIGMAS * self.jitter_s) * 1e9)


class SampleTimes:
    """The stamps of so many samples, in nanoseconds.

    windowed: X is a window that ends at the RGB stamp, so that it moves with it. lost: the samples
    whose X is dropped; those of a smaller share are among those of a larger one.
    """

    def __init__(self, settings: TimingSettings, count: int, windowed: bool = False) -> None:
        self._settings = settings
        self._rgb_s = self._taken(_RGB_STREAM, count)
        self._x_s = self._rgb_s if windowed else self._taken(_X_STREAM, count)
        order = np.random.default_rng([settings.seed, _DROP_STREAM]).permutation(count)
        self.lost = frozenset(order[: round(settings.drop * count)].tolist())

    def _taken(self, stream: int, count: int) -> npt.NDArray[np.float64]:
        rng = np.random.default_rng([self._settings.seed, stream])
        off = np.clip(rng.standard_normal(count), -_SIGMAS, _SIGMAS) * self._settings.jitter_s
        return np.asarray(np.arange(count) / self._settings.rate_hz + off)

    def rgb_ns(self, index: int) -> int:
        """Stamp of that sample's RGB image."""
        return stamp_of(float(self._rgb_s[index]))

    def x_ns(self, index: int) -> int:
        """Stamp of that sample's X; for a window, its end."""
        return stamp_of(float(self._x_s[index]) + self._settings.x_offset_s)

    def earliest_ns(self, index: int, before_s: float) -> int:
        """No message of that sample, or of one after it, has an earlier stamp.

        before_s: how long before its stamp X begins.
        """
        early = _SIGMAS * self._settings.jitter_s + max(0.0, -self._settings.x_offset_s)
        return stamp_of(index / self._settings.rate_hz - early - before_s)
