# SPDX-License-Identifier: Apache-2.0
"""Noise on raw readings as each sensor has it, in steps of what its readings usually span.

thermal, polarization, light field: the same Gaussian noise on every pixel. depth: Gaussian noise
in proportion to the value, for depth errors grow with distance; holes stay holes. event: events
that nothing caused, spread evenly over the sensor and the window, as background activity is.
DoLP and AoLP: Gaussian noise on DoLP cos 2 AoLP and DoLP sin 2 AoLP. Sets that keep pictures
instead of readings: Gaussian noise on the planes of what is valid.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segrgbx_core.datasets.samples import LabelledPairs
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

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Spread:
    """What a noise level of 1 adds, as a standard deviation in the reading's numbers or a count
    of events; words: of what."""

    value: float
    words: str


def usual_spread(data: LabelledPairs) -> Spread:
    """What the dataset's readings span: the median over up to 16 samples, spread evenly.

    Images: from the 1st to the 99th percentile. Events: how many a window holds. Depth: 1, for
    its noise is a share of the depth.
    """
    if data.modality == "depth" and not isinstance(data[0].x, Planes):
        return Spread(1.0, "times the depth")
    count = min(len(data), _LOOKED_AT)
    places = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
    spans = [_span(data[place].x) for place in places]
    counted = isinstance(data[0].x, Events)
    words = "events a window" if counted else "in the reading's numbers"
    return Spread(float(np.median(spans)), words)


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
    """The reading with noise of that amount (`Spread.value` times the level); type and units
    stay."""
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
    if modality == "depth":
        return _noisy_depth(reading, amount, rng)
    return _noisy_image(reading, amount, rng)


def _noisy_image(image: ImageReading, amount: float, rng: np.random.Generator) -> ImageReading:
    return _as_before(image + amount * rng.standard_normal(image.shape), image, 0)


def _noisy_depth(image: ImageReading, amount: float, rng: np.random.Generator) -> ImageReading:
    """Holes are 0 or, of integers, the largest value; what was measured never becomes one."""
    values = image * (1 + amount * rng.standard_normal(image.shape))
    if image.dtype == np.float32:
        return np.where(image > 0, np.maximum(values, 1e-6), image).astype(np.float32)
    hole = (image == 0) | (image == _largest(image))
    return np.where(hole, image, _as_before(values, image, 1))


def _as_before(values: Array, image: ImageReading, least: int) -> ImageReading:
    """The values in the image's type; of integers, within `least` and as much below the top."""
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
