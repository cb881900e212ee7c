# SPDX-License-Identifier: Apache-2.0
"""Pixels of an event camera that fire on their own."""

import cv2
import numpy as np
import numpy.typing as npt

FEWEST = 8
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)


def hot_pixels(
    counts: npt.NDArray[np.int64], duration_s: float, ratio: float, rate_hz: float
) -> npt.NDArray[np.bool_]:
    """(H, W) bool: True where a pixel fires alone.

    counts: (H, W) events of each pixel within duration_s seconds. A pixel is hot where it fires
    at rate_hz or more, at least FEWEST times, and more than `ratio` times as often as the busiest
    of its eight neighbours: an edge in the scene never crosses one pixel alone.
    """
    fired = counts.astype(np.float32)
    neighbours = cv2.dilate(fired, _NEIGHBOURS)
    hot: npt.NDArray[np.bool_] = fired >= max(rate_hz * duration_s, FEWEST)
    return hot & (fired > ratio * neighbours)
