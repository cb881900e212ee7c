# SPDX-License-Identifier: Apache-2.0
"""A calibrated camera: the ray of each pixel, and the pixel of each point.

Camera axes as in REP-103: x right, y down, z forward; metres. Pixel centres are whole numbers.
"""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.bounds import MOST_CAMERA_PIXELS
from segrgbx_core.errors import InputError

Floats = npt.NDArray[np.float64]

DISTORTION_COUNTS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (0, 4, 5, 8, 12, 14),
    "equidistant": (0, 4),
}
_EDGE_POINTS = 33
_EDGE_SLACK = 1.05


@dataclass(frozen=True, eq=False)
class CameraModel:
    """The intrinsics of sensor_msgs/CameraInfo, for the image as published.

    width, height: pixels. k: (3, 3) camera matrix in pixels. d: (n,) distortion coefficients in
    OpenCV's order, none for an undistorted image; "rational_polynomial" has up to 14, with thin
    prism and tilt. Zeros behind the last that a model has are dropped. model: "plumb_bob",
    "rational_polynomial" or "equidistant", as in sensor_msgs/distortion_models.
    Raises InputError for invalid sizes, camera matrix or number of coefficients.
    """

    width: int
    height: int
    k: Floats
    d: Floats = field(default_factory=lambda: np.zeros(0))
    model: str = "plumb_bob"

    def __post_init__(self) -> None:
        if self.model not in DISTORTION_COUNTS:
            raise InputError(
                f"Distortion model '{self.model}' is unknown; expected one of "
                f"{', '.join(DISTORTION_COUNTS)}, or an undistorted image without coefficients."
            )
        object.__setattr__(self, "k", np.asarray(self.k, np.float64).reshape(-1))
        d = np.asarray(self.d, np.float64).reshape(-1)
        object.__setattr__(self, "d", _without_unused(d, DISTORTION_COUNTS[self.model]))
        if self.width < 1 or self.height < 1:
            raise InputError(
                f"The camera's image size is {self.width}x{self.height}; expected at least 1x1: "
                "its CameraInfo is not filled in."
            )
        if self.width * self.height > MOST_CAMERA_PIXELS:
            raise InputError(
                f"The camera's image size is {self.width}x{self.height}, more pixels than any "
                "camera has; correct its CameraInfo."
            )
        if self.k.size != 9 or not np.isfinite(self.k).all() or min(self.k[0], self.k[4]) <= 0:
            raise InputError(
                f"The camera matrix is {self.k.tolist()}; expected 3x3 numbers with focal lengths "
                "above 0: calibrate the camera, or fill in its CameraInfo."
            )
        object.__setattr__(self, "k", self.k.reshape(3, 3))
        if self.d.size not in DISTORTION_COUNTS[self.model] or not np.isfinite(self.d).all():
            known = ", ".join(str(n) for n in DISTORTION_COUNTS[self.model])
            raise InputError(
                f"The camera has {self.d.size} distortion coefficients {self.d.tolist()}; model "
                f"'{self.model}' has {known} finite ones: calibrate it with that model, or "
                "correct the model's name."
            )

    @cached_property
    def rays(self) -> Floats:
        """(H, W, 2): x / z and y / z of the ray through each pixel's centre; NaN if unknown."""
        return self.rays_through(*np.meshgrid(np.arange(self.width), np.arange(self.height)))

    def rays_through(self, u: npt.NDArray[np.generic], v: npt.NDArray[np.generic]) -> Floats:
        """Pixels u, v of one shape (...) to (..., 2): x / z and y / z of their rays.

        NaN where the distortion cannot be inverted.
        """
        pixels = np.stack([u, v], -1).astype(np.float64).reshape(-1, 1, 2)
        if not self.is_distorted:
            rays = (pixels - self.k[:2, 2]) / (self.k[0, 0], self.k[1, 1])
        elif self.model == "equidistant":
            rays = cv2.fisheye.undistortPoints(pixels, self.k, self._fisheye)
        else:
            end = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9)
            rays = cv2.undistortPointsIter(pixels, self.k, self.d, np.eye(3), np.eye(3), end)
        rays = np.where(np.abs(rays).max(-1, keepdims=True) < 1e3, rays, np.nan)
        return np.asarray(rays.reshape(*u.shape, 2), np.float64)

    def project(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """(3, N) points in metres to (2, N) pixels of the same dtype; NaN where not seen.

        Points behind the camera are not seen, nor are points so far outside the image that the
        distortion polynomial is not valid there.
        """
        focal, middle = self._columns(points.dtype)
        with np.errstate(all="ignore"):
            ahead = np.where(points[2] > 0, points[2], np.nan)
            rays: npt.NDArray[np.floating] = np.divide(points[:2], ahead)
            if self.is_distorted:
                rays[:, (rays * rays).sum(0) > self._reach] = np.nan
                rays = self._bent(rays)
            rays *= focal
            rays += middle
        return rays

    @property
    def is_distorted(self) -> bool:
        """Whether the lens maps straight lines to curves."""
        return bool(self.d.any()) or self.model == "equidistant"

    def _columns(self, dtype: npt.DTypeLike) -> tuple[Floats, Floats]:
        """Focal lengths and principal point, each (2, 1)."""
        focal = np.array([[self.k[0, 0]], [self.k[1, 1]]], dtype)
        return focal, self.k[:2, 2:].astype(dtype)

    def _bent(self, rays: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """(2, N) slopes x / z and y / z of rays to the slopes after distortion.

        The formulas of OpenCV's calib3d and fisheye modules. cv2.projectPoints gives the same, but
        also computes derivatives, at thirty times the cost.
        """
        squared = (rays * rays).sum(0)
        if self.model == "equidistant":
            length = np.sqrt(squared)
            angle = np.arctan(length)
            k1, k2, k3, k4 = self._fisheye.tolist()
            s = angle**2
            shown = angle * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4))))
            grown = np.divide(shown, length, out=np.ones_like(length), where=length > 0)
            return np.asarray(rays * grown)
        d = np.pad(self.d, (0, 14 - self.d.size))
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = d[:12].tolist()
        radial = 1 + squared * (k1 + squared * (k2 + squared * k3))
        radial /= 1 + squared * (k4 + squared * (k5 + squared * k6))
        x, y = rays
        bent = np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
                y * radial + p1 * (squared + 2 * y * y) + 2 * p2 * x * y,
            ]
        )
        if d[8:12].any():
            bent += squared * np.stack([s1 + s2 * squared, s3 + s4 * squared])
        return _tilted(bent, d[12], d[13]) if d[12:].any() else bent

    @property
    def _fisheye(self) -> Floats:
        return self.d if self.d.size else np.zeros(4)

    @cached_property
    def _reach(self) -> float:
        """Squared length of the longest ray to the image's edge, with 5 % added to the length."""
        if not self.is_distorted:
            return float("inf")
        along = np.linspace(0, 1, _EDGE_POINTS)
        start, end = np.zeros_like(along), np.ones_like(along)
        u = np.concatenate([along, along, start, end]) * self.width - 0.5
        v = np.concatenate([start, end, along, along]) * self.height - 0.5
        lengths = (self.rays_through(u, v) ** 2).sum(1)
        if np.isnan(lengths).any():
            return float("inf")
        return float(lengths.max()) * _EDGE_SLACK**2


def _tilted(rays: npt.NDArray[np.floating], x: float, y: float) -> npt.NDArray[np.floating]:
    """(2, N) slopes seen on a sensor turned by the angles x, then y, in radians, about its axes.

    The matrix of OpenCV's calib3d: a rotation, then a projection back along the optical axis.
    """
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    turn = about_y @ about_x
    back = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    seen = (back @ turn).astype(rays.dtype) @ np.concatenate([rays, np.ones_like(rays[:1])])
    return np.asarray(seen[:2] / seen[2])


def _without_unused(d: Floats, counts: tuple[int, ...]) -> Floats:
    """The coefficients without zeros behind the most that the model has."""
    most = max(counts)
    return d[:most] if d.size > most and not d[most:].any() else d
