# SPDX-License-Identifier: Apache-2.0
"""Thermal readings (AGC'd bytes, raw counts, kelvin or degrees C) to planes.

Plane 0 is the reading stretched linearly over its range; plane 1 the same after histogram
equalisation, so that a cold sky does not take the contrast of the street; plane 2 the difference
from the surroundings. All three depend on temperature differences alone: any positive scale and
any offset of the same scene (counts, centikelvin, degrees C) give equal planes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.planes import Planes
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading

_BINS = 1024
_SURROUNDINGS = 1 / 16
_CONTRAST_GAIN = 2.0
_Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ThermalSettings:
    """How the reading's values become 0..1.

    clip_min, clip_max: fixed range in the reading's own unit; both None takes the frame's
    percentiles. low_percentile, high_percentile: 0..100. invalid: a value that marks pixels
    without a measurement (NaN and infinity always do).
    """

    clip_min: float | None = None
    clip_max: float | None = None
    low_percentile: float = 1.0
    high_percentile: float = 99.0
    invalid: float | None = None

    def __post_init__(self) -> None:
        if (self.clip_min is None) != (self.clip_max is None):
            raise InputError("Thermal settings give only one of clip_min and clip_max; give both.")
        if (
            self.clip_min is not None
            and self.clip_max is not None
            and not self.clip_min < self.clip_max
        ):
            raise InputError(
                f"Thermal clip_min {self.clip_min} is not below clip_max {self.clip_max}."
            )
        if not 0.0 <= self.low_percentile < self.high_percentile <= 100.0:
            raise InputError(
                f"Thermal percentiles {self.low_percentile} and {self.high_percentile} are not "
                "in order within 0..100."
            )


def _checked(reading: ImageReading) -> None:
    if reading.ndim == 3 and reading.shape[2] == 3:
        raise InputError(
            f"The thermal image has three channels {reading.shape}, so it is already "
            "colour-mapped and its temperatures are lost; record the mono8, mono16 or 32FC1 "
            "topic instead."
        )
    if reading.ndim != 2:
        raise InputError(f"The thermal image has shape {reading.shape}; expected (height, width).")
    if reading.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"The thermal image has values of type {reading.dtype}; expected uint8, uint16 or "
            "float32."
        )


def _stretched(
    values: _Plane, valid: npt.NDArray[np.bool_], settings: ThermalSettings
) -> _Plane | None:
    """0 at the cold end, 1 at the hot end, 0 where invalid; None without any contrast."""
    if settings.clip_min is not None and settings.clip_max is not None:
        low, high = settings.clip_min, settings.clip_max
    else:
        bounds = (settings.low_percentile, settings.high_percentile)
        low, high = (float(v) for v in np.percentile(values[valid], bounds))
    if high <= low:
        return None
    scaled = np.clip((np.where(valid, values, low) - low) / (high - low), 0.0, 1.0)
    return np.asarray(scaled, np.float32)


def _equalised(plane: _Plane, valid: npt.NDArray[np.bool_]) -> _Plane:
    """Share of the valid pixels that are colder."""
    bins = (plane[valid] * (_BINS - 1)).astype(np.int64)
    colder = np.concatenate([[0], np.cumsum(np.bincount(bins, minlength=_BINS))])
    edges = np.linspace(0, _BINS / (_BINS - 1), _BINS + 1)
    return np.asarray(np.interp(plane, edges, colder / colder[-1]), np.float32)


def _contrast(plane: _Plane, valid: npt.NDArray[np.bool_]) -> _Plane:
    """0.5 plus the difference from the mean of the valid surroundings."""
    reach = max(1, round(_SURROUNDINGS * plane.shape[0]))
    size = (2 * reach + 1, 2 * reach + 1)
    weight = cv2.boxFilter(valid.astype(np.float32), -1, size)
    around = cv2.boxFilter(plane * valid, -1, size)
    mean = around / np.maximum(weight, 1e-6)
    return np.asarray(np.clip(0.5 + _CONTRAST_GAIN * (plane - mean), 0, 1), np.float32)


def encode_thermal(reading: ImageReading, settings: ThermalSettings | None = None) -> Planes:
    """One thermal frame to planes: relative temperature, its rank, and local contrast.

    reading: (H, W) uint8, uint16 or float32, any unit that grows with temperature.
    Returns planes (3, H, W) float32 in 0..1: hotter is higher; 0.5 everywhere where the frame has
    no contrast at all; 0 where invalid.
    Raises InputError for another shape or dtype, or where no pixel is valid.
    """
    settings = settings or ThermalSettings()
    _checked(reading)
    values = reading.astype(np.float32)
    valid = np.isfinite(values)
    if settings.invalid is not None:
        valid &= values != settings.invalid
    if not valid.any():
        raise InputError("The thermal image has no valid pixel.")
    plane = _stretched(values, valid, settings)
    if plane is None:
        planes = np.full((3, *values.shape), 0.5, np.float32)
    else:
        planes = np.stack([plane, _equalised(plane, valid), _contrast(plane, valid)])
    return Planes(np.where(valid, planes, 0.0).astype(np.float32), valid)
