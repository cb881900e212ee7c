# SPDX-License-Identifier: Apache-2.0
"""Texture that does not move with the camera: smooth noise looked up by position."""

from functools import cache

import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array

_SIZE = 512


@cache
def _tile() -> Array:
    """(512, 512) float32 tileable fractal noise, uniform in 0..1."""
    rng = np.random.Generator(np.random.PCG64(20240919))
    fy = np.fft.fftfreq(_SIZE)[:, None]
    fx = np.fft.rfftfreq(_SIZE)[None, :]
    radius = np.hypot(fx, fy)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((_SIZE, _SIZE))) / radius**0.9
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, (_SIZE, _SIZE))
    ranks = np.empty(field.size, np.float32)
    ranks[np.argsort(field, axis=None, kind="stable")] = np.linspace(0, 1, field.size)
    return ranks.reshape(field.shape)


def noise_at(u: Array, v: Array, size: float) -> Array:
    """Noise 0..1 at positions u, v; size is the length over which it varies, in their unit."""
    tile = _tile()
    x, y = u * (16.0 / size), v * (16.0 / size)
    left, top = np.floor(x), np.floor(y)
    right_share, low_share = x - left, y - top
    i = left.astype(np.int32) & (_SIZE - 1)
    j = top.astype(np.int32) & (_SIZE - 1)
    k, m = (i + 1) & (_SIZE - 1), (j + 1) & (_SIZE - 1)
    upper = tile[j, i] + right_share * (tile[j, k] - tile[j, i])
    lower = tile[m, i] + right_share * (tile[m, k] - tile[m, i])
    return np.asarray(upper + low_share * (lower - upper), np.float32)


def hashed(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], salt: int) -> Array:
    """A number in 0..1 for each pair of cell indices, the same for the same pair and salt."""
    mixed = (a * 73856093) ^ (b * 19349663) ^ (salt * 83492791)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    low = (mixed ^ (mixed >> 16)) & 0xFFFF
    return np.asarray(low / 0xFFFF, np.float32)
