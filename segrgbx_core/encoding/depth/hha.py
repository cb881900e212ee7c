# SPDX-License-Identifier: Apache-2.0
"""Height above ground and angle with gravity: the second and third plane of HHA.

The encoding and the estimate of gravity are those of Gupta, Girshick, Arbelaez and Malik (ECCV
2014) and Gupta, Arbelaez and Malik, "Perceptual Organization and Recognition of Indoor Scenes from
RGB-D Images" (CVPR 2013); the normals are fitted in inverse depth (Badino, Huber, Park and Kanade,
"Fast and Accurate Computation of Surface Normals from Range Images", ICRA 2011):

    normal   of the plane 1/z = a x + b y + c fitted over the valid neighbours, x and y the ray's
             slopes: n = -(a, b, c) / |(a, b, c)|, which faces the camera
    gravity  g = argmin sum over walls (n.g)^2 + sum over floors 1 - (n.g)^2, the eigenvector of
             the least eigenvalue of W - F (scatter of walls, of floors); a normal counts as floor
             within t of +-g, as wall within t of its plane; t = 45 degrees, then 15, from g = y
    height   h = -P.g less its 1st percentile; the plane is h / height_limit, clipped
    angle    acos(n.g) / pi: 1 for a floor, 0.5 for a wall, 0 for a ceiling
"""

import cv2
import numpy as np

from segrgbx_core.encoding.depth.metres import DepthSettings
from segrgbx_core.encoding.surroundings import Mask
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel, Floats
from segrgbx_core.geometry.reprojection import Metres

_REACH = 1 / 80
_LEAST_NEIGHBOURS = 0.3
_LEAST_SPREAD = 0.05
_GROUND_PERCENTILE = 1.0
_ROUNDS = ((45.0, 5), (15.0, 5))
_SAMPLE_STEP = 4
_DOWN = (0.0, 1.0, 0.0)


def hha_planes(metres: Metres, valid: Mask, settings: DepthSettings, out: Metres) -> None:
    """Writes height and angle, each (H, W) in 0..1, to out (2, H, W).

    Values of invalid pixels are undefined. The angle is 0.5 where too few neighbours are valid.
    Raises InputError if the settings have no camera, or one of another image size.
    """
    camera = hha_camera(metres, settings)
    out[0], out[1] = 0.0, 0.5
    if not valid.any():
        return
    normals = surface_normals(metres, camera)
    if settings.gravity is None:
        gravity = estimated_gravity(normals[::_SAMPLE_STEP, ::_SAMPLE_STEP].reshape(-1, 3))
    else:
        gravity = np.asarray(settings.gravity) / np.linalg.norm(settings.gravity)
    height = -metres * (camera.rays @ gravity[:2] + gravity[2])
    known = np.isfinite(height)
    if known.any():
        height -= np.percentile(height[known], _GROUND_PERCENTILE)
        out[0] = np.clip(np.where(known, height, 0) / settings.height_limit_m, 0, 1)
    cosine = normals @ gravity
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    np.copyto(out[1], angle, where=np.isfinite(angle), casting="same_kind")


def hha_camera(metres: Metres, settings: DepthSettings) -> CameraModel:
    """The settings' camera; InputError if it is missing or of another image size."""
    camera = settings.camera
    height, width = metres.shape
    if camera is None:
        raise InputError(
            "Depth representation 'hha' needs the depth camera's intrinsics; give its CameraInfo, "
            "or choose representation 'log' or 'inverse'."
        )
    if (camera.width, camera.height) != (width, height):
        raise InputError(
            f"The depth image is {width}x{height} and its camera is of "
            f"{camera.width}x{camera.height}; give the CameraInfo of this very image."
        )
    return camera


def surface_normals(metres: Metres, camera: CameraModel) -> Floats:
    """Unit normals (H, W, 3) that face the camera, from depth (H, W) in metres.

    NaN where the depth is NaN, and where fewer than a third of the neighbours are valid.
    """
    rays = camera.rays
    known = np.isfinite(metres) & np.isfinite(rays).all(-1)
    weight = known.astype(np.float64)
    x, y = (np.where(known, rays[..., i], 0.0) for i in (0, 1))
    q = np.divide(1.0, metres, out=np.zeros(metres.shape), where=known)
    reach = max(1, round(_REACH * len(metres)))

    def around(values: Floats) -> Floats:
        size = (2 * reach + 1, 2 * reach + 1)
        return np.asarray(cv2.boxFilter(values, cv2.CV_64F, size), np.float64)

    share = around(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        mx, my, mq = around(x) / share, around(y) / share, around(q) / share
        xx, yy = around(x * x) / share - mx * mx, around(y * y) / share - my * my
        xy = around(x * y) / share - mx * my
        xq, yq = around(x * q) / share - mx * mq, around(y * q) / share - my * mq
        determinant = xx * yy - xy * xy
        a = (xq * yy - yq * xy) / determinant
        b = (yq * xx - xq * xy) / determinant
    full = (2 * reach + 1) ** 2 / 12 / (camera.k[0, 0] * camera.k[1, 1])
    enough = known & (share >= _LEAST_NEIGHBOURS) & (determinant > (_LEAST_SPREAD * full) ** 2)
    plane = np.stack([a, b, mq - a * mx - b * my], -1)
    plane[~enough] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-plane / np.linalg.norm(plane, axis=-1, keepdims=True), np.float64)


def estimated_gravity(normals: Floats) -> Floats:
    """Unit direction of gravity (3,) in the camera's axes, from normals (N, 3); skips NaN.

    Returns (0, 1, 0), a level camera, if no surface shows another direction. For a camera that is
    tilted by more than 45 degrees, or looks down, the user must set the gravity.
    """
    normals = normals[np.isfinite(normals).all(1)]
    gravity = np.array(_DOWN)
    for degrees, times in _ROUNDS:
        for _ in range(times):
            cosine = np.abs(normals @ gravity)
            floors = normals[cosine > np.cos(np.radians(degrees))]
            walls = normals[cosine < np.sin(np.radians(degrees))]
            if not len(floors) + len(walls):
                return gravity
            scatter = walls.T @ walls - floors.T @ floors
            least = np.linalg.eigh(scatter)[1][:, 0]
            gravity = least * (1.0 if least @ gravity >= 0 else -1.0)
    return gravity
