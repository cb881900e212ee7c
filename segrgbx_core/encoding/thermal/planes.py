# SPDX-License-Identifier: Apache-2.0
"""Thermal readings (AGC'd bytes, raw counts, kelvin or degrees C) to planes.

Plane 0 is the reading stretched linearly over its range; plane 1 the same after histogram
equalisation, so that a cold sky does not take the contrast of the street; plane 2 the difference
from the surroundings. All three depend on temperature differences alone: any scale and any offset
of the same scene (counts, centikelvin, degrees C) give equal planes.
"""

from typing import cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import Encoding, Floats, PlaneNames, PlaneNoise
from segrgbx_core.encoding.looks import INFERNO, color_mapped
from segrgbx_core.encoding.surroundings import contrast
from segrgbx_core.encoding.thermal.image import (
    Mask,
    Values,
    alive_pixels,
    thermal_image,
    usable_readings,
)
from segrgbx_core.encoding.thermal.settings import ThermalSettings
from segrgbx_core.encoding.thermal.tone import (
    ThermalRange,
    ThermalTone,
    colder_shares,
    equalised,
    frame_range,
    same_scene,
    smoothed,
)
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading, Planes, RgbImage

__all__ = ["ThermalSettings", "encode_thermal", "encode_thermal_after"]

_SURROUNDINGS = 1 / 16
_CONTRAST_GAIN = 2.0
_Levels = npt.NDArray[np.uint16]


def encode_thermal(reading: ImageReading, settings: ThermalSettings | None = None) -> Planes:
    """One thermal frame to planes: relative temperature, its rank, and local contrast.

    reading: (H, W) uint8, uint16 or float32, any unit; or (H, W, 3) uint8, red first, of a colour
    map that the settings name.
    Returns planes (3, H, W) float32 in 0..1: hotter is higher; 0.5 everywhere where the frame has
    no contrast at all; 0 where invalid. Telemetry rows are not among the H rows.
    Raises InputError for another shape or dtype, readings that the unit makes implausible, or
    where no pixel is valid.
    """
    return encode_thermal_after(reading, settings or ThermalSettings(), None)[0]


def encode_thermal_after(
    reading: ImageReading, settings: ThermalSettings, earlier: ThermalTone | None
) -> tuple[Planes, ThermalTone | None]:
    """As encode_thermal, with the tone drawn towards an earlier frame's.

    Returns also the tone that was used, None for a frame without contrast.
    """
    image = thermal_image(reading, settings)
    alive = alive_pixels(image.shape, settings)
    if image.dtype == np.float32:
        return _encode_pixels(np.asarray(image, np.float32), alive, settings, earlier)
    return _encode_levels(cast(_Levels, image), alive, settings, earlier)


def _encode_levels(
    image: _Levels, alive: Mask | None, settings: ThermalSettings, earlier: ThermalTone | None
) -> tuple[Planes, ThermalTone | None]:
    """Whole numbers: everything is worked out once a level, and looked up for each pixel."""
    known = image.ravel() if alive is None else image[alive]
    counts = np.bincount(known, minlength=int(image.max()) + 1)
    levels = np.arange(len(counts), dtype=np.float32)
    usable = usable_readings(levels, counts, image.dtype, settings)
    found = usable & (counts > 0)
    span, kept = _range(levels[found], counts[found], settings, earlier)
    valid = np.ones(image.shape, bool) if alive is None else alive
    if counts[~usable].any():
        valid = valid & usable.take(image)
    data = np.empty((3, *image.shape), np.float32)
    if span.flat:
        return _grey(data, valid), None
    table = span.stretched(levels)
    colder = colder_shares(table[found], counts[found], span, kept, settings.range_memory)
    table.take(image, out=data[0], mode="clip")
    equalised(table, colder).take(image, out=data[1], mode="clip")
    return _finished(data, valid), ThermalTone(span, colder)


def _encode_pixels(
    values: Values, alive: Mask | None, settings: ThermalSettings, earlier: ThermalTone | None
) -> tuple[Planes, ThermalTone | None]:
    valid = usable_readings(values, alive, values.dtype, settings)
    if alive is not None:
        valid &= alive
    whole = bool(valid.all())
    span, kept = _range(values.ravel() if whole else values[valid], None, settings, earlier)
    data = np.empty((3, *values.shape), np.float32)
    if span.flat:
        return _grey(data, valid), None
    span.stretched(values, out=data[0])
    if not whole:
        np.copyto(data[0], 0, where=~valid)
    unknown = valid.size - int(np.count_nonzero(valid))
    colder = colder_shares(data[0], None, span, kept, settings.range_memory, unknown)
    equalised(data[0], colder, out=data[1])
    return _finished(data, valid), ThermalTone(span, colder)


def _range(
    values: Values,
    counts: npt.NDArray[np.int64] | None,
    settings: ThermalSettings,
    earlier: ThermalTone | None,
) -> tuple[ThermalRange, ThermalTone | None]:
    if not len(values):
        raise InputError(
            "The thermal image has no valid pixel: all are NaN, saturated, dead, or what the "
            "settings mark as invalid; check the camera's lens and shutter, and those settings."
        )
    if not settings.range_memory or (earlier and not same_scene(values, counts, earlier)):
        earlier = None
    if settings.limits is not None:
        return ThermalRange(*settings.limits), earlier
    now = frame_range(values, counts, settings.ends)
    return smoothed(now, earlier, settings.range_memory), earlier


def _grey(data: Values, valid: Mask) -> Planes:
    data[:] = np.where(valid, np.float32(0.5), np.float32(0))
    return Planes(data, valid)


def _finished(data: Values, valid: Mask) -> Planes:
    """With plane 2, made from plane 0, and without what is invalid."""
    whole = bool(valid.all())
    if not whole:
        np.copyto(data[0], 0, where=~valid)
    contrast(data[0], valid, _SURROUNDINGS, _CONTRAST_GAIN, out=data[2])
    if not whole:
        data[1:] *= valid
    return Planes(data, valid)


def _plane_names(settings: ThermalSettings) -> PlaneNames:
    del settings
    return "temperature in range", "share that is colder", "against the surroundings"


def _picture(planes: Floats) -> RgbImage:
    """Hot is bright."""
    return color_mapped(planes[0], INFERNO)


# The range that the encoding stretches over changes with what is in view, which is a gain about
# the middle; all three planes come from one image, so they share its noise.
ENCODING = Encoding(
    encode_thermal,
    ThermalSettings,
    (np.ndarray,),
    _plane_names,
    picture=_picture,
    noise=PlaneNoise(common=True),
    after=encode_thermal_after,
)
