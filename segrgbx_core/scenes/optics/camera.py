# SPDX-License-Identifier: Apache-2.0
"""The projection of the synthetic scenes: a pinhole camera and where it stands.

World axes: x right of the road's start, y along the road, z up; metres.
"""

from dataclasses import dataclass, replace
from math import cos, radians, sin, tan

import numpy as np
import numpy.typing as npt

from segrgbx_core.geometry.camera_model import CameraModel

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PinholeCamera:
    """Image size and focal lengths in pixels, principal point in pixels, no distortion."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    frame_id: str

    @staticmethod
    def with_field_of_view(
        width: int, height: int, horizontal_deg: float, frame_id: str
    ) -> "PinholeCamera":
        """Square pixels, principal point at the image centre."""
        focal = width / 2 / tan(radians(horizontal_deg) / 2)
        return PinholeCamera(
            width,
            height,
            fx=focal,
            fy=focal,
            cx=(width - 1) / 2,
            cy=(height - 1) / 2,
            frame_id=frame_id,
        )

    @property
    def calibration(self) -> CameraModel:
        """The same camera, as calibrations have it."""
        k = np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])
        return CameraModel(self.width, self.height, k)


@dataclass(frozen=True)
class CameraPose:
    """position (3,) in world metres; yaw left, pitch up and roll in radians."""

    position: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def axes(self) -> Array:
        """(3, 3): rows are the camera's right, down and forward axes in world coordinates."""
        cy, sy = cos(self.yaw), sin(self.yaw)
        cp, sp = cos(self.pitch), sin(self.pitch)
        cr, sr = cos(self.roll), sin(self.roll)
        forward = np.array([-sy * cp, cy * cp, sp])
        level_right = np.array([cy, sy, 0.0])
        level_down = np.cross(forward, level_right)
        right = cr * level_right + sr * level_down
        down = cr * level_down - sr * level_right
        return np.stack([right, down, forward]).astype(np.float32)

    def shifted(self, right_m: float, down_m: float) -> "CameraPose":
        """The same orientation, moved by that many metres right and down in the image."""
        right, down, _ = self.axes()
        x, y, z = np.array(self.position) + right_m * right + down_m * down
        return replace(self, position=(float(x), float(y), float(z)))


def pixel_rays(camera: PinholeCamera, pose: CameraPose) -> Array:
    """(3, H, W) float32 world directions with forward component 1.

    A point at ray parameter t therefore has a planar depth of t metres (REP-118).
    """
    axes = pose.axes()
    u = (np.arange(camera.width, dtype=np.float32) - camera.cx) / camera.fx
    v = (np.arange(camera.height, dtype=np.float32) - camera.cy) / camera.fy
    rays = (
        axes[0][:, None, None] * u[None, None, :]
        + axes[1][:, None, None] * v[None, :, None]
        + axes[2][:, None, None]
    )
    return np.asarray(rays, np.float32)
