# SPDX-License-Identifier: Apache-2.0
"""The second sensor on the RGB image's grid: planes resized or warped, depth reprojected.

Invalid pixels never have weight: a resampled value is the mean of its valid neighbours only, and
a pixel is valid where at least half of the weight it is made from was valid.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection, reproject
from segrgbx_core.readings import Planes

__all__ = [
    "Alignment",
    "CameraModel",
    "Homography",
    "Reprojection",
    "Resize",
    "reproject",
    "resize_planes",
    "warp_planes",
]

_LEAST_WEIGHT = 0.5 - 1e-4


@dataclass(frozen=True)
class Resize:
    """Both cameras have the same field of view and differ only in their numbers of pixels."""


@dataclass(frozen=True, eq=False)
class Homography:
    """matrix: (3, 3), maps (u, v, 1) of an X pixel's centre to the RGB pixel of the same point.

    Exact for a planar scene, a scene far away compared with the distance of the cameras, or
    cameras with one optical centre. Raises InputError for a matrix without an inverse.
    """

    matrix: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        if matrix.size == 9:
            matrix = matrix.reshape(3, 3)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise InputError(
                f"The homography has shape {matrix.shape} with values {matrix.ravel().tolist()}; "
                "expected 3x3 finite numbers, row by row."
            )
        if np.linalg.cond(matrix) > 1e12:
            raise InputError(
                f"The homography {matrix.ravel().tolist()} has no inverse; expected the matrix "
                "that takes X pixels to RGB pixels."
            )
        object.__setattr__(self, "matrix", matrix)


Alignment = Resize | Homography | Reprojection


def resize_planes(planes: Planes, size: tuple[int, int]) -> Planes:
    """Planes of any size to (height, width): bilinear when enlarging, area means when shrinking.

    Raises InputError for an empty size.
    """
    _check_size(size)
    height, width = planes.valid.shape
    if (height, width) == size:
        return planes
    shrinks = size[0] < height or size[1] < width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    weighted = _weighted(planes)
    return _shared_out(cv2.resize(weighted, (size[1], size[0]), interpolation=how))


def warp_planes(
    planes: Planes,
    homography: Homography,
    size: tuple[int, int],
    x_size: tuple[int, int] | None = None,
) -> Planes:
    """Planes warped by the homography to an RGB grid of (height, width), bilinearly.

    x_size: (height, width) of the X image that the homography refers to; None for the planes' own
    size. Pixels that X does not see are invalid.
    Raises InputError for an empty size, or where no pixel of X falls into the RGB image.
    """
    _check_size(size)
    matrix = homography.matrix @ to_pixels_of(x_size or planes.valid.shape, planes.valid.shape)
    weighted = _weighted(planes)
    warped = cv2.warpPerspective(weighted, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    done = _shared_out(warped)
    if not done.valid.any() and not _overlaps(planes, matrix, size):
        raise InputError(
            "The homography takes no X pixel into the RGB image of "
            f"{size[1]}x{size[0]}; check that it goes from X to RGB and is in pixels of both."
        )
    return done


def to_pixels_of(size: tuple[int, ...], own: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """(3, 3): pixels of an image of size `own` to those of the same image of another size."""
    down, right = size[0] / own[0], size[1] / own[1]
    shift = (right - 1) / 2, (down - 1) / 2
    return np.array([[right, 0, shift[0]], [0, down, shift[1]], [0, 0, 1.0]])


def _overlaps(planes: Planes, matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> bool:
    seen = np.ones(planes.valid.shape, np.uint8)
    return bool(cv2.warpPerspective(seen, matrix, (size[1], size[0])).any())


def _weighted(planes: Planes) -> npt.NDArray[np.float32]:
    """(H, W, 4): the planes, 0 where invalid, and a weight that is 1 where valid."""
    known = np.where(planes.valid, planes.data, np.float32(0))
    return np.dstack([*known, planes.valid.astype(np.float32)])


def _shared_out(image: npt.NDArray[np.generic]) -> Planes:
    values = np.asarray(image, np.float32).transpose(2, 0, 1)
    valid = values[3] >= _LEAST_WEIGHT
    data = np.where(valid, values[:3] / np.maximum(values[3], 1e-6), 0.0)
    return Planes(np.clip(data, 0.0, 1.0).astype(np.float32), valid)


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < 1:
        raise InputError(f"The RGB image is {size[1]}x{size[0]}; expected at least 1x1 pixels.")
