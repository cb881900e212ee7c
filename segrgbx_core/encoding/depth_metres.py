# SPDX-License-Identifier: Apache-2.0
"""Whatever a depth camera publishes to metres, with its holes marked."""

from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.depth_settings import DepthSettings
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading

Metres = npt.NDArray[np.float32]

PLAUSIBLE_M = (0.05, 200.0)
_SAMPLE_ROWS = 60
_UNIT_NAMES = {"m": "metres", "mm": "millimetres"}
_METRES = {"m": 1.0, "mm": 1e-3}


def depth_in_metres(reading: ImageReading, settings: DepthSettings) -> Metres:
    """(H, W) uint8, uint16 or float32 in the settings' unit to (H, W) metres, NaN where invalid.

    Raises InputError for another shape or dtype, and for depths no camera measures, which tell
    another unit.
    """
    unit = _unit(reading, settings)
    if reading.dtype == np.float32:
        metres = _metres(np.asarray(reading, np.float32), unit, settings)
    else:
        levels = cast(npt.NDArray[np.uint16], reading)
        metres = _table(levels.dtype.char, unit, settings).take(levels)
    check_plausible(metres, reading, unit)
    return metres


@lru_cache(maxsize=8)
def _table(kind: str, unit: str, settings: DepthSettings) -> Metres:
    """Metres of every number that an image of unsigned integers can hold."""
    largest = np.iinfo(np.dtype(kind)).max
    metres = _metres(np.arange(largest + 1, dtype=np.float32), unit, settings)
    if largest > np.iinfo(np.uint8).max:
        metres[largest] = np.nan
    return metres


def _metres(values: Metres, unit: str, settings: DepthSettings) -> Metres:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if unit == "disparity":
            metres = np.float32(settings.focal_times_baseline / settings.scale) / values
        else:
            metres = values * np.float32(settings.scale * _METRES[unit])
        known = np.isfinite(metres) & (metres > 0)
    if settings.invalid is not None:
        known &= values != settings.invalid
    np.copyto(metres, np.nan, where=~known)
    return np.asarray(metres, np.float32)


def _unit(reading: ImageReading, settings: DepthSettings) -> str:
    if reading.ndim == 3 and reading.shape[2] == 3:
        raise InputError(
            f"The depth image has three channels {reading.shape}, so it is a picture for people "
            "and its distances are lost; record the 16UC1 or 32FC1 topic instead."
        )
    if reading.ndim != 2 or 0 in reading.shape:
        raise InputError(f"The depth image has shape {reading.shape}; expected (height, width).")
    if reading.dtype == np.uint8 and settings.unit == "auto":
        raise InputError(
            "The depth image has values of type uint8, too coarse for a depth in mm or m; record "
            "the 16UC1 or 32FC1 topic, or set the unit and scale of these bytes."
        )
    if reading.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"The depth image has values of type {reading.dtype}; expected uint16 (mm) or float32 "
            "(m)."
        )
    if settings.unit != "auto":
        return settings.unit
    return "m" if reading.dtype == np.float32 else "mm"


def check_plausible(metres: Metres, reading: ImageReading, unit: str) -> None:
    """InputError where three quarters of the pixels are farther, or nearer, than cameras see."""
    step = max(1, min(metres.shape) // _SAMPLE_ROWS)
    sample, read = metres[::step, ::step], reading[::step, ::step]
    known = np.isfinite(sample)
    if not known.any():
        return
    quarter, three = np.percentile(sample[known], (25, 75))
    low, high = PLAUSIBLE_M
    if quarter <= high and three >= low:
        return
    median, value = float(np.median(sample[known])), float(np.median(read[known]))
    if unit == "disparity":
        way_out = "check focal_px (pixels), baseline_m (metres) and the disparity's scale"
    else:
        likely = "mm" if quarter > high else "m"
        true = value * _METRES[likely]
        fits = low <= true <= high and likely != unit
        way_out = (
            f"it looks like {_UNIT_NAMES[likely]} ({true:.3g} m): set unit '{likely}'"
            if fits
            else "set the scale that takes it to its unit"
        )
    meant = _UNIT_NAMES.get(unit, unit)
    raise InputError(
        f"The depth image has a median of {value:.6g}, which as {meant} is {median:.4g} m, while "
        f"depth cameras measure {low:g} to {high:g} m; {way_out}."
    )
