# SPDX-License-Identifier: Apache-2.0
"""A depth image seen from the RGB camera's position: both lenses, an extrinsic, and occlusion.

Each depth pixel is split into k x k samples. Their depth is interpolated (1/z is linear on a
plane) where the four surrounding pixels belong to one surface. Elsewhere a sample has its pixel's
own depth, so that none lies between foreground and background. Samples are projected into the RGB
image, and each RGB pixel keeps its nearest sample (z-buffer). k is the smallest number with which
neighbouring samples of a surface are at most one RGB pixel apart, so that a continuous surface has
no holes and the background does not show through. What only the RGB camera sees stays invalid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel

Metres = npt.NDArray[np.float32]

_SAME_SURFACE = 1.05
_BAND = 100_000
_MOST_SAMPLES = 8_000_000
_PROBE_STEP = 4
_STEEPEST = 99.0
_ROUNDING = 1e-4
_ENOUGH = 0.05


@dataclass(frozen=True, eq=False)
class Reprojection:
    """The depth camera, the RGB camera and the transform between them.

    rgb_from_x: (4, 4) rigid transform of points in metres from the depth camera's optical frame
    to the RGB camera's. Raises InputError for a matrix that is not rigid.
    """

    x_camera: CameraModel
    rgb_camera: CameraModel
    rgb_from_x: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.asarray(self.rgb_from_x, np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise InputError(
                f"The extrinsic has shape {matrix.shape}; expected a 4x4 matrix of finite numbers."
            )
        turn = matrix[:3, :3]
        off = float(np.abs(turn @ turn.T - np.eye(3)).max())
        if off > 1e-3 or np.linalg.det(turn) < 0 or not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise InputError(
                f"The extrinsic is not a rigid transform: its rotation is off by {off:.2g}; "
                "expected a rotation and a translation in metres, last row 0 0 0 1."
            )
        object.__setattr__(self, "rgb_from_x", matrix)


def reproject(metres: Metres, reprojection: Reprojection) -> Metres:
    """(h, w) depth of the depth camera in metres, NaN where invalid, to the RGB camera's (H, W).

    The result is depth along the RGB camera's optical axis in metres, NaN where nothing was
    measured.
    Raises InputError for an image that does not have the depth camera's size, and where an image
    with measurements shares no pixel with the RGB camera.
    """
    _check_size("depth", metres.shape, reprojection.x_camera)
    closeness = np.divide(1, metres, out=np.zeros_like(metres), where=np.isfinite(metres))
    target = reprojection.rgb_camera
    nearest = np.zeros(target.height * target.width, np.float32)
    for samples, rays in _bands(closeness, reprojection):
        _splat(samples, rays, reprojection, nearest)
    measured = np.count_nonzero(closeness)
    if measured > _ENOUGH * closeness.size and not nearest.any():
        raise InputError(
            f"None of the depth image's {measured} points falls into the RGB image; check that "
            "the extrinsic goes from the depth camera to the RGB camera, in metres."
        )
    image = nearest.reshape(target.height, target.width)
    return np.divide(1, image, out=np.full_like(image, np.nan), where=image > 0)


def check_rgb_size(reprojection: Reprojection, size: tuple[int, int]) -> None:
    """Raises InputError where the RGB image's (height, width) is not the RGB camera's size."""
    _check_size("RGB", size, reprojection.rgb_camera)


def _check_size(what: str, size: tuple[int, ...], camera: CameraModel) -> None:
    if size != (camera.height, camera.width):
        raise InputError(
            f"The {what} image is {size[1]}x{size[0]} and its camera is of "
            f"{camera.width}x{camera.height}; give the CameraInfo of the image as published."
        )


def _bands(closeness: Metres, reprojection: Reprojection) -> Iterator[tuple[Metres, Metres]]:
    """Samples of 1/z, 0 where invalid, and their rays, a few image rows at a time."""
    k = _samples_per_side(closeness, reprojection)
    rays = _turned_rays(reprojection, k)
    height, width = closeness.shape
    rows = max(1, _BAND // (width * k * k))
    padded = np.pad(closeness, 1, mode="edge")
    whole = _one_surface(padded)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        samples = _sampled(padded[top : bottom + 2], whole[top : bottom + 1], k)
        yield samples.ravel(), rays[:, top * k : bottom * k].reshape(3, -1)


def _one_surface(padded: Metres) -> npt.NDArray[np.bool_]:
    """(h + 2, w + 2) to (h + 1, w + 1): whether the four pixels at a corner are on one surface."""
    corners = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    least, most = corners.min(0), corners.max(0)
    return np.asarray((least > 0) & (most <= _SAME_SURFACE * least))


def _sampled(padded: Metres, whole: npt.NDArray[np.bool_], k: int) -> Metres:
    """Pixels padded by one, (r + 2, w + 2), to samples (r k, w k)."""
    own = padded[1:-1, 1:-1]
    if k == 1:
        return own
    height, width = own.shape
    row, down = _places(height, k)
    column, right = _places(width, k)
    upper, lower = padded[row], padded[row + 1]
    between = upper + (lower - upper) * down[:, None]
    left = between[:, column]
    mixed = left + (between[:, column + 1] - left) * right
    nearest = own.repeat(k, 0).repeat(k, 1)
    return np.where(whole[row][:, column], mixed, nearest)


def _places(count: int, k: int) -> tuple[npt.NDArray[np.intp], Metres]:
    """For each sample along one side, the padded pixel before it and its distance from it."""
    at = (np.arange(count * k) + 0.5) / k + 0.5
    before = np.floor(at).astype(np.intp)
    return before, (at - before).astype(np.float32)


@lru_cache(maxsize=4)
def _turned_rays(reprojection: Reprojection, k: int) -> Metres:
    """(3, h k, w k) float32: the samples' rays, third part 1 before they are rotated into the RGB
    camera's axes."""
    camera = reprojection.x_camera
    u, v = ((np.arange(n * k) + 0.5) / k - 0.5 for n in (camera.width, camera.height))
    slopes = camera.rays_through(*np.meshgrid(u, v))
    rays = np.concatenate([slopes, np.ones((*slopes.shape[:2], 1))], -1)
    turned = rays @ reprojection.rgb_from_x[:3, :3].T
    return np.ascontiguousarray(turned.transpose(2, 0, 1), np.float32)


def _splat(samples: Metres, rays: Metres, reprojection: Reprojection, nearest: Metres) -> None:
    """Raises 1/z of each RGB pixel to that of its nearest sample."""
    target = reprojection.rgb_camera
    pixels, depth_ratio = _projected(samples, rays, reprojection)
    with np.errstate(invalid="ignore"):
        u, v = np.rint(pixels)
        seen = (u >= 0) & (u < target.width) & (v >= 0) & (v < target.height) & (samples > 0)
    place = v[seen].astype(np.intp) * target.width + u[seen].astype(np.intp)
    np.maximum.at(nearest, place, samples[seen] / depth_ratio[seen])


def _projected(samples: Metres, rays: Metres, reprojection: Reprojection) -> tuple[Metres, Metres]:
    """RGB pixels (2, N), NaN where unseen, and depth there over depth here (N,)."""
    move = reprojection.rgb_from_x[:3, 3].astype(np.float32)
    points = rays + move[:, None] * samples
    return reprojection.rgb_camera.project(points), points[2]


def _samples_per_side(closeness: Metres, reprojection: Reprojection) -> int:
    """The smallest k with which samples of a surface are at most one RGB pixel apart.

    With steps a to the right and b down, in RGB pixels, every square of one pixel holds a sample
    where |a_u| + |b_u| <= 1 and |a_v| + |b_v| <= 1.
    """
    rays = _turned_rays(reprojection, 1)
    padded = np.pad(closeness, 1, mode="edge")
    whole = _one_surface(padded)[1:-1:_PROBE_STEP, 1:-1:_PROBE_STEP]
    corners = []
    for down, right in ((0, 0), (0, 1), (1, 0)):
        rows = slice(down, closeness.shape[0] - 1 + down, _PROBE_STEP)
        columns = slice(right, closeness.shape[1] - 1 + right, _PROBE_STEP)
        probe = rays[:, rows, columns][:, whole]
        corners.append(_projected(closeness[rows, columns][whole], probe, reprojection)[0])
    steps = np.abs(corners[1] - corners[0]) + np.abs(corners[2] - corners[0])
    steps = steps[:, np.isfinite(steps).all(0)]
    if not steps.size:
        return 1
    most = int(np.sqrt(_MOST_SAMPLES / closeness.size))
    needed = int(np.ceil(np.percentile(steps.max(0), _STEEPEST) - _ROUNDING))
    return max(1, min(needed, most))
