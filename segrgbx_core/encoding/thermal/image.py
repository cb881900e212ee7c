# SPDX-License-Identifier: Apache-2.0
"""Reduce the image of a thermal camera to one channel, and find its valid pixels."""

from typing import cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.surroundings import Mask
from segrgbx_core.encoding.thermal.colors import GREY, levels_of
from segrgbx_core.encoding.thermal.settings import (
    COLDEST_CELSIUS,
    RAW,
    UNITS,
    ThermalSettings,
    check_limits,
    check_plausible_thermal,
)
from segrgbx_core.encoding.thermal.tone import Values
from segrgbx_core.errors import InputError
from segrgbx_core.plausible import in_order
from segrgbx_core.readings import ImageReading

_MEDIAN_STEP = 4


def thermal_image(reading: ImageReading, settings: ThermalSettings) -> ImageReading:
    """The image (H, W) without telemetry rows.

    A coloured picture becomes float32 levels, NaN where the colour is not in the map. Raises
    InputError for another shape or dtype, or a coloured picture without its colour map.
    """
    if reading.ndim == 3 and reading.shape[2] == 3 and reading.dtype == np.uint8:
        if settings.color_map is None:
            raise InputError(_why_not_colored(reading))
        picture = cast(npt.NDArray[np.uint8], _cut(reading, settings))
        return levels_of(picture, settings.color_map)
    if reading.ndim != 2 or 0 in reading.shape:
        raise InputError(f"The thermal image has shape {reading.shape}; expected (height, width).")
    if settings.color_map not in (None, GREY):
        raise InputError(
            f"The thermal image has one channel, shape {reading.shape}, but the settings name the "
            f"colour map '{settings.color_map}'; leave it out."
        )
    if reading.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"The thermal image has values of type {reading.dtype}; expected uint8, uint16 or "
            "float32."
        )
    return in_order(_cut(reading, settings), settings.byte_order)


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
            "fewer: give the number of rows that the camera adds to its image."
        )
    kept = reading[rows:] if settings.telemetry_at == "top" else reading[: len(reading) - rows]
    return cast(ImageReading, np.ascontiguousarray(kept))


def alive_pixels(shape: tuple[int, ...], settings: ThermalSettings) -> Mask | None:
    """A mask that is False at the dead pixels of the settings; None without dead pixels.

    Raises InputError for a dead pixel outside the image.
    """
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
    """A mask of the readings that are not marked as invalid, saturated or impossibly cold.

    values: (N,) levels or (H, W) pixels of an image of that dtype. weights: of the same shape, the
    number of pixels of each level, or whether each pixel is alive; None if all are alive.
    Raises InputError if the unit is implausible for the median or the fixed limits.
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
