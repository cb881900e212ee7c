# SPDX-License-Identifier: Apache-2.0
"""Encode depth images as planes, in three representations; in plane 0 nearer is higher.

z is depth along the optical axis in metres (REP-118), L = ln(far / near), H the image's height:

    log      c = 1 - ln(z / near) / L                     the same step for the same ratio
    inverse  c = (1/z - 1/far) / (1/near - 1/far)         linear in disparity, as noise is

Both have three planes: c; the relief 0.5 + gain (c - mean of the valid surroundings), which
separates objects from their background, with gain 6 for log and 3 for inverse; and the tilt
0.5 + 0.5 s / (1 + |s|) of s = H d ln(1/z) / dv, v the row: 0.5 for a wall that faces the camera,
towards 1 for a floor, towards 0 for a ceiling. The tilt needs no intrinsics and does not depend on
the scale of the scene.

    hha      inverse c; height above the lowest surface; angle of the normal with gravity

as in Gupta, Girshick, Arbelaez and Malik, "Learning Rich Features from RGB-D Images for Object
Detection and Segmentation", ECCV 2014; see encoding.depth.hha.
"""

from dataclasses import replace

import cv2
import numpy as np

from segrgbx_core.encoding.contract import (
    TURBO,
    Encoding,
    PlaneNames,
    PlaneNoise,
    PlaneValues,
    color_mapped,
)
from segrgbx_core.encoding.depth.faults import worn
from segrgbx_core.encoding.depth.hha import hha_planes
from segrgbx_core.encoding.depth.metres import DepthSettings, depth_image, depth_in_metres
from segrgbx_core.encoding.surroundings import Mask, Plane
from segrgbx_core.geometry.reprojection import Metres, Reprojection, reproject
from segrgbx_core.readings import ImageReading, Planes, RgbImage

_SURROUNDINGS = 1 / 16
_TILT_REACH = 1 / 80
_COARSE_REACH = 3
_LEAST_WEIGHT = 1e-4


def relief_and_tilt(
    closeness: Plane, valid: Mask, gain: float, settings: DepthSettings, out: Plane
) -> None:
    """Writes relief and tilt, each (H, W) in 0..1, to out (2, H, W).

    closeness: (H, W), 0 where invalid. The caller masks invalid pixels. The formulas are in the
    module's docstring.
    """
    height, width = closeness.shape
    step = max(1, round(_TILT_REACH * height / _COARSE_REACH))
    size = (-(-width // step), -(-height // step))
    out[1] = valid
    total, weight = _shrunk(closeness, size), _shrunk(out[1], size)
    far_reach = max(1, round(_SURROUNDINGS * size[1]))
    around = _box(total, far_reach) / np.maximum(_box(weight, far_reach), _LEAST_WEIGHT)
    cv2.resize(around, (width, height), dst=out[0], interpolation=cv2.INTER_LINEAR)
    np.subtract(closeness, out[0], out=out[0])
    out[0] *= np.float32(gain)
    out[0] += np.float32(0.5)
    np.clip(out[0], 0, 1, out=out[0])
    tilt = _tilt(total, weight, settings)
    cv2.resize(tilt, (width, height), dst=out[1], interpolation=cv2.INTER_LINEAR)


def _tilt(total: Plane, weight: Plane, settings: DepthSettings) -> Plane:
    """The tilt from the means of the valid pixels above and below, each at its own mean row.

    0.5 (no tilt) if there are no valid pixels on one side.
    """
    height = len(total)
    reach = max(1, round(_TILT_REACH * height))
    share = _box(weight, reach)
    known = np.maximum(share, _LEAST_WEIGHT)
    mean: Plane = np.divide(_box(total, reach), known)
    row = _box(weight * np.arange(height, dtype=np.float32)[:, None], reach) / known
    at = np.arange(height)
    above, below = np.maximum(at - reach, 0), np.minimum(at + reach, height - 1)
    rise, apart = mean[below] - mean[above], row[below] - row[above]
    both = (share[below] > _LEAST_WEIGHT) & (share[above] > _LEAST_WEIGHT) & (apart > reach / 2)
    slope = np.where(both, rise, 0) / np.where(both, apart, 1) * _per_closeness(mean, settings)
    slope *= height
    return np.asarray(0.5 + 0.5 * slope / (1 + np.abs(slope)), np.float32)


def _per_closeness(mean: Plane, settings: DepthSettings) -> Plane:
    """d ln(1/z) / d closeness."""
    near, far = settings.near_m, settings.far_m
    if settings.representation == "log":
        return np.full_like(mean, np.log(far / near))
    span = 1 / near - 1 / far
    return np.asarray(span / (mean * np.float32(span) + np.float32(1 / far)), np.float32)


def _shrunk(plane: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _box(values: Plane, reach: int) -> Plane:
    size = (2 * reach + 1, 2 * reach + 1)
    return np.asarray(cv2.boxFilter(values, -1, size), np.float32)


_CONTRAST = {"log": 6.0, "inverse": 3.0}


def encode_depth(reading: ImageReading, settings: DepthSettings | None = None) -> Planes:
    """Encodes one depth image as planes, by default of the log of depth.

    reading: (H, W) uint16 in mm or float32 in m, unless the settings give another unit.
    Returns planes (3, H, W) float32 in 0..1, 0 where invalid. An image that consists of holes has
    no valid pixel.
    Raises InputError for another shape or dtype, and for depths that indicate a wrong unit.
    """
    settings = settings or DepthSettings()
    return encode_metres(depth_in_metres(reading, settings), settings)


def encode_metres(metres: Metres, settings: DepthSettings) -> Planes:
    """Encodes depth (H, W) in metres, NaN where invalid, as encode_depth does.

    Unit and scale of the settings are not applied again.
    """
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
    """Writes closeness to out: 1 at near or nearer; 0 at far, farther and where invalid."""
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


def encode_worn(reading: ImageReading, settings: DepthSettings | None, seed: int) -> Planes:
    """Encodes one depth image with the faults of an RGB-D camera; see encode_depth and `worn`."""
    settings = settings or DepthSettings()
    return encode_metres(worn(depth_in_metres(reading, settings), seed), settings)


def encode_reprojected(
    reading: ImageReading, settings: DepthSettings, reprojection: Reprojection
) -> Planes:
    """Encodes one depth image as seen by a depth camera at the RGB camera's position.

    The gravity setting stays in the depth camera's axes. Raises the errors of encode_depth.
    """
    turned = settings.gravity
    if turned is not None:
        x, y, z = (float(v) for v in reprojection.rgb_from_x[:3, :3] @ turned)
        turned = (x, y, z)
    seen = replace(settings, camera=reprojection.rgb_camera, gravity=turned)
    return encode_metres(reproject(depth_in_metres(reading, settings), reprojection), seen)


_PLANE_NAMES: dict[str, PlaneNames] = {
    "log": ("closeness, log", "relief", "tilt"),
    "inverse": ("closeness, inverse", "relief", "tilt"),
    "hha": ("closeness, inverse", "height above ground", "angle with gravity"),
}


def _plane_names(settings: DepthSettings) -> PlaneNames:
    return _PLANE_NAMES[settings.representation]


def _picture(planes: PlaneValues) -> RgbImage:
    """Near is red, far is blue."""
    return color_mapped(planes[0], TURBO)


# Noise in disparity changes closeness by the same amount everywhere. Relief and tilt are
# differences, so it affects them more. Stereo matching fails in patches, which become holes.
ENCODING = Encoding(
    encode_depth,
    DepthSettings,
    (np.ndarray,),
    _plane_names,
    picture=_picture,
    noise=PlaneNoise(gain=0.1, centre=(0.0, 0.5, 0.5), planes=(0.5, 1.5, 1.5), holes=0.1),
    relative_noise=True,
    reprojected=encode_reprojected,
    worn=encode_worn,
    imaged=depth_image,
)
