# SPDX-License-Identifier: Apache-2.0
"""What stands out from its surroundings, and which way surfaces tilt, from depth planes.

Both are means over neighbourhoods, so they are worked out on a coarser grid. Invalid pixels have
no weight in any of them.
"""

import cv2
import numpy as np

from segrgbx_core.encoding.depth_settings import DepthSettings
from segrgbx_core.encoding.surroundings import Mask, Plane

_SURROUNDINGS = 1 / 16
_TILT_REACH = 1 / 80
_COARSE_REACH = 3
_LEAST_WEIGHT = 1e-4


def relief_and_tilt(
    closeness: Plane, valid: Mask, gain: float, settings: DepthSettings, out: Plane
) -> None:
    """Writes both, each (H, W) in 0..1, to out (2, H, W); what is invalid is left to the caller.

    closeness: (H, W), 0 where invalid. The formulas are in encoding.depth.
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
    """From the means of the valid pixels above and below, each at its own mean row.

    Where either is missing there is no tilt: 0.5.
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
