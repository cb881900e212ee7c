# SPDX-License-Identifier: Apache-2.0
"""Surfaces as a 3x3 array of colour cameras sees them.

The camera at row r and column c of the grid is (c - 1) baselines right of the middle one and
(r - 1) below it, with the same orientation. A point at planar depth Z is f b / Z pixels further
left in the next column's view, and as much higher in the next row's.
"""

import numpy as np

from segrgbx_core.readings import LightFieldViews
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.optics.motion import moving
from segrgbx_core.scenes.sensors.visible import developed, metered, radiance
from segrgbx_core.scenes.street.world import World

GRID = 3
_WIDEST_DISPARITY_PX = 4.0
_AT_DEPTH_M = 2.5


def baseline(camera: PinholeCamera) -> float:
    """Metres between neighbours, for 4 pixels of disparity at 2.5 m and 0.1 at 100 m."""
    return _WIDEST_DISPARITY_PX * _AT_DEPTH_M / camera.fx


def read(
    world: World, camera: PinholeCamera, seconds: float, rng: np.random.Generator
) -> LightFieldViews:
    """All views at that time: (9, H, W, 3) uint8, row by row, of one common exposure."""
    condition, pose, step = world.condition_at(seconds), world.pose_at(seconds), baseline(camera)
    rows, columns = np.indices((GRID, GRID)).reshape(2, -1)
    seen, motion = [], []
    for row, column in zip(rows - GRID // 2, columns - GRID // 2, strict=True):
        offset = step * float(column), step * float(row)
        surfaces = world.surfaces_at(seconds, camera, pose.shifted(*offset))
        light = radiance(surfaces, condition, world.course)
        seen.append(np.ascontiguousarray(np.moveaxis(light, 0, -1)))
        motion.append(moving(surfaces, world, camera, seconds, offset))
    exposure = metered(seen[len(seen) // 2], rng)
    views = np.stack(
        [developed(image, exposure, rng, way) for image, way in zip(seen, motion, strict=True)]
    )
    return LightFieldViews(views, rows.astype(np.int64), columns.astype(np.int64))
