# SPDX-License-Identifier: Apache-2.0
"""Encode thermal readings (bytes after AGC, raw counts, kelvin or degrees C) as planes.

Plane 0 is the reading stretched linearly over its range. Plane 1 is plane 0 after histogram
equalisation, so a cold sky does not use up the contrast of the street. Plane 2 is the difference
from the surroundings. All three depend only on temperature differences: any scale and offset of
the same scene (counts, centikelvin, degrees C) give equal planes.
"""

from typing import cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import (
    INFERNO,
    Encoding,
    PlaneNames,
    PlaneNoise,
    PlaneValues,
    color_mapped,
)
from segrgbx_core.encoding.surroundings import Mask, contrast
from segrgbx_core.encoding.thermal.image import alive_pixels, thermal_image, usable_readings
from segrgbx_core.encoding.thermal.settings import ThermalSettings
from segrgbx_core.encoding.thermal.tone import (
    ThermalRange,
    ThermalTone,
    Values,
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
    """Encodes one thermal frame as planes: relative temperature, its rank, and local contrast.

    reading: (H, W) uint8, uint16 or float32, any unit; or (H, W, 3) uint8, red first, of a colour
    map that the settings name.
    Returns planes (3, H, W) float32 in 0..1: hotter is higher; 0.5 everywhere if the frame has no
    contrast; 0 where invalid. H does not include telemetry rows.
    Raises InputError for another shape or dtype, readings that are implausible in the unit, or
    if no pixel is valid.
    """
    return encode_thermal_after(reading, settings or ThermalSettings(), None)[0]


def encode_thermal_after(
    reading: ImageReading, settings: ThermalSettings, earlier: ThermalTone | None
) -> tuple[Planes, ThermalTone | None]:
    """Like encode_thermal, but with the tone smoothed towards the tone of an earlier frame.

    Also returns the tone that was used; None for a frame without contrast.
    """
    image = thermal_image(reading, settings)
    alive = alive_pixels(image.shape, settings)
    if image.dtype == np.float32:
        return _encode_pixels(np.asarray(image, np.float32), alive, settings, earlier)
    return _encode_levels(cast(_Levels, image), alive, settings, earlier)


def _encode_levels(
    image: _Levels, alive: Mask | None, settings: ThermalSettings, earlier: ThermalTone | None
) -> tuple[Planes, ThermalTone | None]:
    """Encodes integer images: computes each level once and looks up the pixels."""
    known = image.ravel() if alive is None else image[alive]
    counts = np.bincount(known, minlength=int(image.max()) + 1)
    levels = np.arange(len(counts), dtype=np.float32)
    usable = usable_readings(levels, counts, image.dtype, settings)
    present = usable & (counts > 0)
    span, kept = _range(levels[present], counts[present], settings, earlier)
    valid = np.ones(image.shape, bool) if alive is None else alive
    if counts[~usable].any():
        valid = valid & usable.take(image)
    data = np.empty((3, *image.shape), np.float32)
    if span.flat:
        return _grey(data, valid), None
    table = span.stretched(levels)
    colder = colder_shares(table[present], counts[present], span, kept, settings.range_memory)
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
            "The thermal image has no valid pixel: all are NaN, saturated, dead, or marked as "
            "invalid by the settings; check the camera's lens and shutter, and those settings."
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
    """Computes plane 2 from plane 0, and sets invalid pixels to 0."""
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


def _picture(planes: PlaneValues) -> RgbImage:
    """Hot is bright."""
    return color_mapped(planes[0], INFERNO)


# The range that the encoding stretches over depends on the scene, which is a gain about the
# middle. All three planes come from one image, so they share its noise.
ENCODING = Encoding(
    encode_thermal,
    ThermalSettings,
    (np.ndarray,),
    _plane_names,
    picture=_picture,
    noise=PlaneNoise(common=True),
    after=encode_thermal_after,
    single_shots=("range_memory=0",),
)
