# SPDX-License-Identifier: Apache-2.0
"""Linear polarization from four intensities: Stokes vector, degree and angle, with noise removed.

With I0, I45, I90, I135 behind polarizers, and the sums over all four angles:

    S0 = (I0 + I45 + I90 + I135) / 2    S1 = I0 - I90    S2 = I45 - I135
    DoLP = sqrt(S1^2 + S2^2) / S0       AoLP = atan2(S2, S1) / 2

(Collett, Field Guide to Polarization, 2005.) DoLP cannot be negative, so noise does not average
out but appears as polarization, mostly in dark areas. The four angles are redundant:
r = (I0 + I90 - I45 - I135) / S0 is 0 without noise, and noise gives r^2 the same mean as
S1^2 + S2^2 over S0^2: with variance v in each intensity, both are 4 v. So the noise power N is the
mean of r^2 over 5 x 5 pixels, without a model of the sensor. Then

1. s = (S1, S2) / S0 is moved towards its mean over 5 x 5 by the share of its variance that N
   explains (the local filter of Lee, 1980), which keeps edges and recovers dark surfaces;
2. the remaining noise is subtracted from the power: DoLP^2 = |s|^2 - N (g^2 + 1/n), with g the
   share of s that was kept and n the number of pixels (Simmons and Stewart, 1985).

Motion, sharp edges and unequal polarizers also contribute to r, and count as noise.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.surroundings import weight_around

_REACH = (2, 2)
_SIZE = (5, 5)
_LEAST = np.float32(1e-9)
_Image = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Linear:
    """Degree and direction of linear polarization.

    dolp: (H, W) float32 in 0..1. cos2a, sin2a: (H, W) float32 cosine and sine of twice the AoLP;
    both 0 where the light is unpolarized.
    """

    dolp: _Image
    cos2a: _Image
    sin2a: _Image


def linear_polarization(
    images: npt.NDArray[np.float32], intensity: _Image, valid: _Mask
) -> Linear:
    """Degree and direction of linear polarization, with noise removed.

    images: (4, H, W) behind 0, 45, 90 and 135 degrees. intensity: S0 (H, W), above 0 where valid.
    valid: (H, W) bool; invalid pixels do not affect valid ones.
    """
    i0, i45, i90, i135 = images
    share = valid / np.where(valid, intensity, np.float32(1))
    s1, s2 = (i0 - i90) * share, (i45 - i135) * share
    weight = None if valid.all() else weight_around(valid, _REACH)
    noise = _mean(((i0 + i90 - i45 - i135) * share) ** 2, weight)
    left = _without_noise(s1, s2, noise, weight)
    power = s1 * s1 + s2 * s2
    length = np.sqrt(power)
    dolp = np.sqrt(np.maximum(power - left, 0))
    whole = np.where(length > 0, length, np.float32(1))
    return Linear(np.minimum(dolp, np.float32(1)), s1 / whole, s2 / whole)


def _without_noise(s1: _Image, s2: _Image, noise: _Image, weight: _Image | None) -> _Image:
    """Filters s1 and s2 in place and returns the noise power that remains in them."""
    mean1, mean2 = _mean(s1, weight), _mean(s2, weight)
    variance = _mean(s1 * s1 + s2 * s2, weight) - mean1 * mean1 - mean2 * mean2
    kept = np.maximum(variance - noise, 0) / np.maximum(variance, _LEAST)
    for s, mean in ((s1, mean1), (s2, mean2)):
        s -= mean
        s *= kept
        s += mean
    many = np.float32(_SIZE[0] * _SIZE[1]) * (np.float32(1) if weight is None else weight)
    return np.asarray(noise * (kept * kept + 1 / np.maximum(many, 1)), np.float32)


def _mean(plane: _Image, weight: _Image | None) -> _Image:
    """Mean over the valid pixels of a window.

    plane: 0 where invalid. weight: share of valid pixels in the window; None if all are valid.
    """
    around = np.asarray(cv2.boxFilter(plane, -1, _SIZE), np.float32)
    if weight is not None:
        around /= np.maximum(weight, _LEAST)
    return around
