# SPDX-License-Identifier: Apache-2.0
"""From what a thermal camera publishes to one channel, and which of its pixels measure."""

from typing import cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.thermal.colors import levels_of
from segrgbx_core.encoding.thermal.settings import (
    COLDEST_CELSIUS,
    RAW,
    UNITS,
    ThermalSettings,
    check_limits,
    check_plausible_thermal,
)
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32]

_MEDIAN_STEP = 4


def thermal_image(reading: ImageReading, settings: ThermalSettings) -> ImageReading:
    """(H, W) without telemetry rows; float32 levels, NaN where unknown, of a coloured picture.

    Raises InputError for another shape or dtype, or a coloured picture without its map.
    """
    if reading.ndim == 3 and reading.shape[2] == 3 and reading.dtype == np.uint8:
        if settings.color_map is None:
            raise InputError(_why_not_colored(reading))
        picture = cast(npt.NDArray[np.uint8], _cut(reading, settings))
        return levels_of(picture, settings.color_map)
    if reading.ndim != 2 or 0 in reading.shape:
        raise InputError(f"The thermal image has shape {reading.shape}; expected (height, width).")
    if settings.color_map is not None:
        raise InputError(
            f"The thermal image has one channel, shape {reading.shape}, yet the settings name the "
            f"colour map '{settings.color_map}'; leave it out."
        )
    if reading.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"The thermal image has values of type {reading.dtype}; expected uint8, uint16 or "
            "float32."
        )
    return _cut(reading, settings)


def _why_not_colored(reading: ImageReading) -> str:
    if (reading == reading[..., :1]).all():
        return (
            f"The thermal image is grey in three equal channels, shape {reading.shape}; set "
            "color_map to 'gray', or record the mono8 topic."
        )
    return (
        f"The thermal image has three channels {reading.shape}, so it is already colour-mapped "
        "and its temperatures are lost; record the mono8, mono16 or 32FC1 topic instead, or set "
        "color_map to the camera's map."
    )


def _cut(reading: ImageReading, settings: ThermalSettings) -> ImageReading:
    rows = settings.telemetry_rows
    if rows >= len(reading):
        raise InputError(
            f"The thermal image has {len(reading)} rows, and telemetry_rows is {rows}; expected "
            "fewer, those that the camera adds to its image."
        )
    kept = reading[rows:] if settings.telemetry_at == "top" else reading[: len(reading) - rows]
    return cast(ImageReading, np.ascontiguousarray(kept))


def alive_pixels(shape: tuple[int, ...], settings: ThermalSettings) -> Mask | None:
    """False at the settings' dead pixels; None without any. InputError for one outside."""
    if not settings.dead_pixels:
        return None
    alive = np.ones(shape, bool)
    for row, column in settings.dead_pixels:
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise InputError(
                f"The thermal settings name a dead pixel at row {row}, column {column}, outside "
                f"the image of {shape[0]} rows and {shape[1]} columns."
            )
        alive[row, column] = False
    return alive


def usable_readings(
    values: Values,
    weights: npt.NDArray[np.int64] | Mask | None,
    dtype: np.dtype[np.generic],
    settings: ThermalSettings,
) -> Mask:
    """Which readings hold a measurement: neither marked, nor saturated, nor below what is.

    values: (N,) levels or (H, W) pixels of an image of that dtype; weights: of the same shape,
    how many pixels have each, or whether a pixel is alive; None where all are.
    Raises InputError where the median, or the fixed limits, make the unit implausible.
    """
    usable = np.isfinite(values)
    if settings.invalid is not None:
        usable &= values != settings.invalid
    saturation = settings.saturation
    if saturation is None and dtype == np.uint16:
        saturation = float(np.iinfo(np.uint16).max)
    if saturation is not None:
        usable &= values < saturation
    if settings.unit != RAW or settings.limits is not None:
        _check_median(values, usable if weights is None else usable * weights, settings)
    if settings.unit != RAW:
        coldest = UNITS[settings.unit].value(COLDEST_CELSIUS)
        usable &= values * np.float32(settings.scale) + np.float32(settings.offset) > coldest
    return usable


def _check_median(
    values: Values, weights: npt.NDArray[np.int64] | Mask, settings: ThermalSettings
) -> None:
    if values.ndim == 2 and weights[::_MEDIAN_STEP, ::_MEDIAN_STEP].any():
        values = values[::_MEDIAN_STEP, ::_MEDIAN_STEP]
        weights = weights[::_MEDIAN_STEP, ::_MEDIAN_STEP]
    if not weights.any():
        return
    if values.ndim == 2:
        median = float(np.median(values[weights.astype(bool)]))
    else:
        upto = np.cumsum(weights)
        median = float(values[np.searchsorted(upto, upto[-1] / 2)])
    check_plausible_thermal(settings.unit, settings.scale * median + settings.offset)
    if settings.limits is not None:
        check_limits(settings.limits, median)
