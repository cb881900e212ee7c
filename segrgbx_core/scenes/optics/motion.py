# SPDX-License-Identifier: Apache-2.0
"""In-between frames: keyframes warped along the exact image motion.

Only keyframes are rendered. Each pixel belongs to a part, the ground or the sky, so the geometry
gives its place a short time earlier and later; in between it moves along a straight line in the
image. An in-between frame is made of the two neighbouring keyframes, warped towards each other
with nearer surfaces in front; each fills in what is hidden in the other.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from segrgbx_core.scenes.optics.camera import Array, CameraPose, PinholeCamera
from segrgbx_core.scenes.optics.raycast import SKY
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.optics.warp import Moving, Warp
from segrgbx_core.scenes.sensors.visible import LONGEST_EXPOSURE_S, radiance
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.parts import PartTable
from segrgbx_core.scenes.street.world import World

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_SKY_DEPTH = np.float32(1e6)
_NEAREST = 0.1


@dataclass(frozen=True)
class Keyframe:
    """image: (H, W) float32 luminance, 1 for a white sheet in full sun. depth: (H, W) float32
    metres, 1e6 in the sky. after, before: (2, H, W) float32 motion of each pixel in pixels, right
    and down, to the next keyframe and back to the previous one."""

    image: Array
    depth: Array
    after: Array
    before: Array


def _where_parts_are(surfaces: Surfaces, parts: PartTable) -> Array:
    """(3, H, W) world position of each pixel's point with the parts placed as in the table."""
    position = surfaces.position.copy()
    on = surfaces.part >= 0
    row = surfaces.part[on]
    turned = np.einsum("nij,jn->in", parts.rotation[row], surfaces.local[:, on])
    position[:, on] = turned + parts.center[row].T
    return np.asarray(position, np.float32)


def image_motion(
    surfaces: Surfaces, parts: PartTable, camera: PinholeCamera, pose: CameraPose
) -> Array:
    """(2, H, W) pixels, right and down, from each pixel to where its point is seen later.

    parts: the same rows as in surfaces, at the later time; pose: the camera's at that time.
    """
    eye = np.array(pose.position, np.float32)
    way = _where_parts_are(surfaces, parts) - eye[:, None, None]
    way = np.where(surfaces.part == SKY, surfaces.rays, way)
    x, y, z = np.tensordot(pose.axes(), way, 1)
    z = np.maximum(z, _NEAREST)
    u = x / z * camera.fx + camera.cx - np.arange(camera.width, dtype=np.float32)
    v = y / z * camera.fy + camera.cy - np.arange(camera.height, dtype=np.float32)[:, None]
    moved = np.clip(np.stack([u, v]), -camera.width, camera.width)
    return np.asarray(moved, np.float32)


def motion_until(
    then: float,
    surfaces: Surfaces,
    world: World,
    camera: PinholeCamera,
    seconds: float,
    condition: Condition,
    *,
    offset_m: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """(2, H, W) motion in pixels, right and down, from `seconds` to `then`.

    offset_m: metres by which the camera is right of and below the vehicle's camera.
    """
    parts = world.street.parts_of(world.things_at(seconds), condition, then)
    return image_motion(surfaces, parts, camera, world.pose_at(then).shifted(*offset_m))


def moving(
    surfaces: Surfaces,
    world: World,
    camera: PinholeCamera,
    seconds: float,
    offset_m: tuple[float, float] = (0.0, 0.0),
) -> Moving:
    """The image motion at that time; offset_m: as in `motion_until`."""
    then, condition = seconds + LONGEST_EXPOSURE_S, world.condition_at(seconds)
    motion = motion_until(then, surfaces, world, camera, seconds, condition, offset_m=offset_m)
    return Moving(np.minimum(surfaces.depth, _SKY_DEPTH), motion / np.float32(LONGEST_EXPOSURE_S))


def keyframe(
    world: World, camera: PinholeCamera, seconds: float, apart: float, condition: Condition
) -> Keyframe:
    """The camera's view at that time, and its motion over `apart` seconds either way."""
    surfaces = world.surfaces_at(seconds, camera, None, condition)
    light = np.tensordot(_LUMINANCE, radiance(surfaces, condition, world.course), 1)
    spread = 0.6 * camera.width / 640 + 0.45
    after, before = (
        motion_until(then, surfaces, world, camera, seconds, condition)
        for then in (seconds + apart, seconds - apart)
    )
    return Keyframe(
        np.asarray(cv2.GaussianBlur(light.astype(np.float32), (0, 0), spread), np.float32),
        np.minimum(surfaces.depth, _SKY_DEPTH),
        after,
        before,
    )


class Between:
    """The frames between two keyframes: `between(0.5)` is the one halfway in time.

    They hold the same quantity as the keyframes' images, for example log luminance.
    """

    def __init__(self, first: Keyframe, second: Keyframe) -> None:
        self._first, self._second = first, second
        self._ahead = Warp(first.image, first.depth, first.after)
        self._back = Warp(second.image, second.depth, second.before)

    def __call__(self, share: float) -> Array:
        """(H, W) float32 image at that share, 0..1, of the time between the two."""
        if share <= 0:
            return self._first.image
        if share >= 1:
            return self._second.image
        (a, a_seen), (b, b_seen) = self._ahead(share), self._back(1 - share)
        mixed = (1 - share) * a + share * b
        alone = np.where(b_seen, b, a)
        return np.asarray(np.where(a_seen == b_seen, mixed, alone), np.float32)
