# SPDX-License-Identifier: Apache-2.0
"""Unsure values from surer ones around them, over as far as it takes."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

_Image = npt.NDArray[np.float32]

_LEAST_WEIGHT = np.float32(1e-6)


def filled(values: _Image, weight: _Image) -> _Image:
    """The values where the weight is 1; where it is less, the rest comes from the surroundings.

    values: (H, W). weight: (H, W) in 0..1. Weighted means at half the resolution, again and again
    down to a pixel, then each level's lack is made up from the next coarser one (the pull-push of
    Gortler, Grzeszczuk, Szeliski and Cohen, The Lumigraph, 1996). With no weight at all, 0.
    """
    if min(values.shape) < 2:
        return values * (weight > 0)
    size = ((values.shape[1] + 1) // 2, (values.shape[0] + 1) // 2)
    total = cast(_Image, cv2.pyrDown(values * weight, dstsize=size))
    share = cast(_Image, cv2.pyrDown(weight, dstsize=size))
    means = total / np.maximum(share, _LEAST_WEIGHT)
    coarse = filled(means, np.minimum(share * 4, np.float32(1)))
    wide = cv2.pyrUp(coarse, dstsize=(values.shape[1], values.shape[0]))
    return np.asarray(wide + weight * (values - wide), np.float32)
