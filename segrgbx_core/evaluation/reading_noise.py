# SPDX-License-Identifier: Apache-2.0
"""Noise on raw readings, specific to each sensor, in units of the readings' usual range.

thermal, polarization, light field: the same Gaussian noise on every pixel. depth: Gaussian noise
proportional to the value, because depth errors grow with distance; holes stay holes. event:
spurious events, spread evenly over the sensor and the window, like background activity. DoLP and
AoLP: Gaussian noise on DoLP cos 2 AoLP and DoLP sin 2 AoLP. Datasets with pictures instead of
readings: Gaussian noise on the valid pixels of the planes.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segrgbx_core.datasets.samples import LabelledPairs
from segrgbx_core.encoding import encoding_of
from segrgbx_core.readings import (
    Events,
    ImageReading,
    LightFieldViews,
    Planes,
    PolarizationState,
    PolarizerImages,
    Reading,
)

_LOOKED_AT = 16
_LOW, _HIGH = 1.0, 99.0

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class NoiseUnit:
    """The noise at level 1. value: a standard deviation in the reading's numbers, a share of the
    depth, or a count of events; words: which of them."""

    value: float
    words: str


class NoiseMeter:
    """Finds the noise unit of one sensor's readings: the median of their ranges.

    Images: from the 1st to the 99th percentile. Events: the number in a window. Depth: 1, because
    its noise is a share of the depth.
    """

    def __init__(self, modality: str) -> None:
        self._relative = encoding_of(modality).relative_noise
        self._spans: list[float] = []
        self._words = "in the reading's numbers"

    def add(self, reading: Reading | Planes) -> None:
        """Looks at one reading."""
        if self._relative and not isinstance(reading, Planes):
            self._spans.append(1.0)
            self._words = "times the depth"
            return
        if isinstance(reading, Events):
            self._words = "events a window"
        self._spans.append(_span(reading))

    @property
    def unit(self) -> NoiseUnit:
        """The unit of the readings so far, of which there must be one."""
        return NoiseUnit(float(np.median(self._spans)), self._words)


def noise_unit(data: LabelledPairs) -> NoiseUnit:
    """The unit of the dataset's readings, from up to 16 evenly spaced samples."""
    count = min(len(data), _LOOKED_AT)
    meter = NoiseMeter(data.modality)
    for place in np.linspace(0, len(data) - 1, count).round().astype(int).tolist():
        meter.add(data[place].x)
    return meter.unit


def _span(reading: Reading | Planes) -> float:
    if isinstance(reading, Events):
        return float(len(reading))
    values = _values(reading)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0
    low, high = np.percentile(finite, (_LOW, _HIGH))
    return float(high - low)


def _values(reading: Reading | Planes) -> npt.NDArray[np.float64]:
    if isinstance(reading, Planes):
        return reading.data[:, reading.valid].astype(np.float64)
    if isinstance(reading, PolarizerImages):
        return reading.intensity.astype(np.float64)
    if isinstance(reading, PolarizationState):
        return reading.dolp.astype(np.float64)
    if isinstance(reading, LightFieldViews):
        return reading.views.astype(np.float64)
    assert isinstance(reading, np.ndarray)
    return reading.astype(np.float64)


def noisy(
    reading: Reading | Planes, modality: str, amount: float, rng: np.random.Generator
) -> Reading | Planes:
    """The reading with noise of that amount (`NoiseUnit.value` times the level), of the same type
    and units."""
    if isinstance(reading, Planes):
        values = reading.data + amount * rng.standard_normal(reading.data.shape)
        kept = np.where(reading.valid, np.clip(values, 0, 1), 0)
        return Planes(kept.astype(np.float32), reading.valid)
    if isinstance(reading, Events):
        return _with_stray_events(reading, round(amount), rng)
    if isinstance(reading, PolarizerImages):
        return PolarizerImages(_noisy_image(reading.intensity, amount, rng))
    if isinstance(reading, PolarizationState):
        return _noisy_state(reading, amount, rng)
    if isinstance(reading, LightFieldViews):
        views = _noisy_image(reading.views, amount, rng)
        return replace(reading, views=views.astype(np.uint8, copy=False))
    if encoding_of(modality).relative_noise:
        return _noisy_depth(reading, amount, rng)
    return _noisy_image(reading, amount, rng)


def _noisy_image(image: ImageReading, amount: float, rng: np.random.Generator) -> ImageReading:
    return _as_before(image + amount * rng.standard_normal(image.shape), image, 0)


def _noisy_depth(image: ImageReading, amount: float, rng: np.random.Generator) -> ImageReading:
    """Holes are 0 or, for integers, the largest value; a measured value never becomes a hole."""
    values = image * (1 + amount * rng.standard_normal(image.shape))
    if image.dtype == np.float32:
        return np.where(image > 0, np.maximum(values, 1e-6), image).astype(np.float32)
    hole = (image == 0) | (image == _largest(image))
    return np.where(hole, image, _as_before(values, image, 1))


def _as_before(values: AnyArray, image: ImageReading, least: int) -> ImageReading:
    """The values in the image's dtype; integers are clipped to `least` above 0 and `least` below
    the largest value."""
    if image.dtype == np.float32:
        return values.astype(np.float32)
    kept = np.clip(np.rint(values), least, _largest(image) - least)
    return kept.astype(np.uint8) if image.dtype == np.uint8 else kept.astype(np.uint16)


def _largest(image: ImageReading) -> int:
    return 255 if image.dtype == np.uint8 else 65535


def _noisy_state(
    state: PolarizationState, amount: float, rng: np.random.Generator
) -> PolarizationState:
    twice = 2 * state.aolp
    along = state.dolp * np.cos(twice) + amount * rng.standard_normal(state.dolp.shape)
    across = state.dolp * np.sin(twice) + amount * rng.standard_normal(state.dolp.shape)
    dolp = np.minimum(np.hypot(along, across), 1.0)
    return PolarizationState(
        dolp.astype(np.float32), (0.5 * np.arctan2(across, along)).astype(np.float32)
    )


def _with_stray_events(events: Events, count: int, rng: np.random.Generator) -> Events:
    return replace(
        events,
        x=np.append(events.x, rng.integers(0, events.width, count, np.uint16)),
        y=np.append(events.y, rng.integers(0, events.height, count, np.uint16)),
        polarity=np.append(events.polarity, rng.integers(0, 2, count).astype(np.bool_)),
        t_ns=np.append(events.t_ns, rng.integers(events.start_ns, events.end_ns, count)),
    )
