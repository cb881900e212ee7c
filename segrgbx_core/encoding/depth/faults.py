# SPDX-License-Identifier: Apache-2.0
"""Give a clean depth image the faults of an RGB-D camera, for training.

Datasets often publish depth whose holes were filled in and whose values were rounded, but a camera
delivers holes and noise. The noise along the axis grows with the square of the distance, as
Nguyen, Izadi and Lovell measured for a structured-light camera ("Modeling Kinect Sensor Noise for
Improved 3D Reconstruction and Tracking", 3DIMPVT 2012): 0.0012 + 0.0019 (z - 0.4)^2 metres.
"""

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.geometry.reprojection import Metres

_ROUNDING_M = 0.04
_EDGE = 0.06
_WIDEST_SHADOW = 1 / 40
_MOST_LOST = 0.3
_REACH_M = (3.5, 10.0)
_MOST_BEYOND = 0.1


def worn(metres: Metres, seed: int) -> Metres:
    """A copy of depth (H, W) in metres, NaN where invalid, with an RGB-D camera's faults.

    Each kind is present or absent at random, with random strength: noise that grows with distance,
    rounding undone by as much noise, a shadow beside near objects, surfaces that return nothing,
    and a largest distance. Depth of which more than a tenth is beyond such a camera's reach, as on
    a street, is returned as it is.
    """
    if not _within_reach(metres):
        return metres
    rng = np.random.default_rng(seed)
    lost = np.zeros(metres.shape, bool)
    if rng.random() < 0.7:
        lost |= _shadow(metres, rng)
    if rng.random() < 0.5:
        lost |= _surfaces(metres.shape, rng)
    if rng.random() < 0.3:
        lost |= metres > rng.uniform(*_REACH_M)
    noisy = _noisy(metres, rng)
    noisy[lost] = np.nan
    return noisy


def _within_reach(metres: Metres) -> bool:
    known = metres[np.isfinite(metres)]
    return bool(known.size) and float((known > _REACH_M[1]).mean()) <= _MOST_BEYOND


def _noisy(metres: Metres, rng: np.random.Generator) -> Metres:
    spread = (0.0012 + 0.0019 * (metres - 0.4) ** 2) * rng.uniform(0, 2)
    noise = rng.standard_normal(metres.shape, np.float32) * spread
    if rng.random() < 0.5:
        noise += (rng.random(metres.shape, np.float32) - 0.5) * np.float32(_ROUNDING_M)
    return np.asarray(np.maximum(metres + noise, 0.01), np.float32)


def _shadow(metres: Metres, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """A strip on one side of each step in depth, which the projector does not reach."""
    near = np.nan_to_num(metres, nan=0.0)
    step = np.abs(np.diff(near, axis=1, append=near[:, -1:])) > _EDGE * np.maximum(near, 0.1)
    width = int(rng.integers(1, max(2, round(metres.shape[1] * _WIDEST_SHADOW))))
    strip = np.zeros((3, 2 * width + 1), np.uint8)
    strip[:, :width] = 1
    if rng.random() < 0.5:
        strip = strip[:, ::-1]
    return cv2.dilate(step.astype(np.uint8), np.ascontiguousarray(strip)) > 0


def _surfaces(size: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Blobs of a random size that cover a random share of the image."""
    cells = int(rng.integers(3, 16))
    rough = rng.random((cells, cells + cells // 3), np.float32)
    smooth = cv2.resize(rough, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth > np.quantile(smooth[::4, ::4], 1 - rng.uniform(0, _MOST_LOST)))
