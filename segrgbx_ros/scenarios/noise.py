# SPDX-License-Identifier: Apache-2.0
"""Noise on X's readings, before the encoder of a replay."""

from itertools import count

import numpy as np

from segrgbx_core.evaluation.reading_noise import NoiseMeter, noisy
from segrgbx_core.readings import Planes, Reading
from segrgbx_ros.pipeline import XEncoder

_NOISE_STREAM = 2


class _Passing:
    """An encoder behind something that looks at each reading or changes it."""

    def __init__(self, encoder: XEncoder) -> None:
        self._encoder = encoder

    def reset(self) -> None:
        """See XEncoder."""
        self._encoder.reset()


class MeteredReadings(_Passing):
    """Adds each reading to the meter."""

    def __init__(self, encoder: XEncoder, meter: NoiseMeter) -> None:
        super().__init__(encoder)
        self._meter = meter

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        """See XEncoder."""
        self._meter.add(reading)
        return self._encoder(reading, rgb_size)


class Noisy(_Passing):
    """Adds noise to each reading; that of a frame is the same at every level, but for its size.

    amount: a level times the readings' unit, see `noisy`.
    """

    def __init__(self, encoder: XEncoder, modality: str, amount: float, seed: int) -> None:
        super().__init__(encoder)
        self._modality, self._amount, self._seed = modality, amount, seed
        self._frames = count()

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        """See XEncoder."""
        rng = np.random.default_rng([self._seed, _NOISE_STREAM, next(self._frames)])
        spoiled = noisy(reading, self._modality, self._amount, rng)
        assert not isinstance(spoiled, Planes)
        return self._encoder(spoiled, rgb_size)
