# SPDX-License-Identifier: Apache-2.0
"""Depth images to planes, in three representations; nearer is higher in plane 0 of each.

z is depth along the optical axis in metres (REP-118), L = ln(far / near), H the image's height:

    log      c = 1 - ln(z / near) / L                     the same step for the same ratio
    inverse  c = (1/z - 1/far) / (1/near - 1/far)         linear in disparity, as noise is

Both then have the same three planes: c; the relief 0.5 + gain (c - mean of the valid
surroundings), which shows what stands before what, with gain 6 for log and 3 for inverse; and the
tilt 0.5 + 0.5 s / (1 + |s|) of s = H d ln(1/z) / dv, v the row: 0.5 for a wall that faces the
camera, towards 1 for a floor, towards 0 for a ceiling. The tilt needs no intrinsics, and does not
change with the scale of a scene.

    hha      inverse c; height above the lowest surface; angle of the normal with gravity

as in Gupta, Girshick, Arbelaez and Malik, "Learning Rich Features from RGB-D Images for Object
Detection and Segmentation", ECCV 2014; see encoding.hha.
"""

import numpy as np

from segrgbx_core.encoding.depth_metres import Metres, depth_in_metres
from segrgbx_core.encoding.depth_settings import DepthSettings
from segrgbx_core.encoding.depth_shape import relief_and_tilt
from segrgbx_core.encoding.hha import hha_planes
from segrgbx_core.encoding.planes import Planes
from segrgbx_core.encoding.surroundings import Mask, Plane
from segrgbx_core.readings import ImageReading

__all__ = ["DepthSettings", "encode_depth", "encode_metres"]

_CONTRAST = {"log": 6.0, "inverse": 3.0}


def encode_depth(reading: ImageReading, settings: DepthSettings | None = None) -> Planes:
    """One depth image to planes, by default of the log of depth.

    reading: (H, W) uint16 in mm or float32 in m, or as the settings say.
    Returns planes (3, H, W) float32 in 0..1, 0 where invalid; an image of holes alone is valid
    nowhere.
    Raises InputError for another shape or dtype, and for depths that tell another unit.
    """
    settings = settings or DepthSettings()
    return encode_metres(depth_in_metres(reading, settings), settings)


def encode_metres(metres: Metres, settings: DepthSettings) -> Planes:
    """(H, W) depth in metres, NaN where invalid, to planes as encode_depth; unit and scale of the
    settings are past."""
    valid = np.isfinite(metres)
    data = np.empty((3, *metres.shape), np.float32)
    _closeness(metres, valid, settings, out=data[0])
    if settings.representation == "hha":
        hha_planes(metres, valid, settings, out=data[1:])
    else:
        relief_and_tilt(data[0], valid, _CONTRAST[settings.representation], settings, data[1:])
    if not valid.all():
        data[1:] *= valid
    return Planes(data, valid)


def _closeness(metres: Metres, valid: Mask, settings: DepthSettings, out: Plane) -> None:
    """1 at near and nearer, 0 at far and farther, and where invalid."""
    near, far = settings.near_m, settings.far_m
    if settings.representation == "log":
        near_at, far_at = np.log(near), np.log(far)
        np.log(metres, out=out)
    else:
        near_at, far_at = 1 / near, 1 / far
        np.divide(1, metres, out=out)
    out -= np.float32(far_at)
    out *= np.float32(1 / (near_at - far_at))
    np.clip(out, 0, 1, out=out)
    np.copyto(out, 0, where=~valid)
