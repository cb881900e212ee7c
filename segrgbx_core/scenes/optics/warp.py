# SPDX-License-Identifier: Apache-2.0
"""Images warped along their motion, with nearer surfaces in front of farther ones."""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array

_NONE = np.float32(3e38)
_LEAST_SMEAR_PX = 0.5
_MOST_STEPS = 15


class Warp:
    """One image moved by any share of a motion.

    image: (H, W) or (H, W, C) float32; depth: (H, W) metres, the nearer hides the farther; motion:
    (2, H, W) pixels right and down; interpolation: OpenCV's; cubic overshoots beside lamps.
    """

    def __init__(
        self, image: Array, depth: Array, motion: Array, interpolation: int = cv2.INTER_CUBIC
    ) -> None:
        self._image, self._motion, self._interpolation = image, motion, interpolation
        height, width = depth.shape
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        self._order = np.argsort(-depth, axis=None, kind="stable")
        places = (self._x, self._y, motion[0], motion[1])
        self._far_to_near = [plane.ravel()[self._order] for plane in places]

    def _sources(self, share: float) -> npt.NDArray[np.int64]:
        """(H, W) index of the source pixel seen at each place, -1 where none is.

        Gaps one pixel wide, which arise where the image expands, take the farthest neighbour.
        """
        height, width = self._x.shape
        x, y, right, down = self._far_to_near
        column, row = np.rint(x + share * right), np.rint(y + share * down)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        target = (row * width + column)[inside].astype(np.int64)
        nearest = np.full(height * width, _NONE, np.float32)
        nearest[target] = np.flatnonzero(inside)
        rank = nearest.reshape(height, width)
        around = cv2.erode(rank, np.ones((3, 3), np.uint8), borderValue=float(_NONE))
        rank = np.where(rank < _NONE, rank, around)
        seen = rank < _NONE
        chosen = self._order[np.where(seen, rank, 0).astype(np.int64)]
        return np.asarray(np.where(seen, chosen, -1))

    def __call__(self, share: float) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The image after that share of the motion, and (H, W) bool, where anything is seen."""
        source = self._sources(share)
        motion = self._motion.reshape(2, -1)[:, source]
        moved = cv2.remap(
            self._image,
            self._x - np.float32(share) * motion[0],
            self._y - np.float32(share) * motion[1],
            self._interpolation,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(moved, np.float32), source >= 0


@dataclass(frozen=True)
class Moving:
    """The motion in a camera's image: depth (H, W) float32 metres, velocity (2, H, W) float32
    pixels per second, right and down."""

    depth: Array
    velocity: Array

    def smeared(self, image: Array, seconds: float) -> Array:
        """The mean of an image (H, W, C) float32 while the shutter is open that long.

        The exposure is centred on the image's time, so that labels stay in the middle of the
        blur. Where a surface comes out from behind another, the mean is over its visible part.
        """
        motion = np.asarray(self.velocity * np.float32(seconds))
        length = float(np.percentile(np.abs(motion).max(0), 99))
        if length < _LEAST_SMEAR_PX:
            return image
        half = min(ceil(length / 2), _MOST_STEPS // 2)
        warp = Warp(image, self.depth, motion, cv2.INTER_LINEAR)
        total, count = np.zeros_like(image), np.zeros((*image.shape[:2], 1), np.float32)
        for share in np.arange(-half, half + 1) / (2 * half + 1):
            moved, seen = warp(float(share))
            total += moved.reshape(image.shape) * seen[..., None]
            count += seen[..., None]
        return np.asarray(total / count, np.float32)
