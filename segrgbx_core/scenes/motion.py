# SPDX-License-Identifier: Apache-2.0
"""In-between frames: keyframes warped along the exact motion of what they show.

A keyframe is rendered; where each of its pixels is a moment later or earlier follows from the
geometry, as each belongs to a part, the ground or the sky. Within that moment it moves along a
straight line in the image. Frames in between are the two neighbouring keyframes warped towards
each other, nearer surfaces before farther ones, each filling in what the other cannot see.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.camera import Array, CameraPose, PinholeCamera
from segrgbx_core.scenes.light import Condition
from segrgbx_core.scenes.parts import PartTable
from segrgbx_core.scenes.raycast import SKY
from segrgbx_core.scenes.surfaces import Surfaces
from segrgbx_core.scenes.visible import radiance
from segrgbx_core.scenes.world import World

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_SKY_DEPTH = np.float32(1e6)
_NEAREST = 0.1
_NONE = np.float32(3e38)


@dataclass(frozen=True)
class Keyframe:
    """image: (H, W) float32 luminance, 1 for a white sheet in full sun. depth: (H, W) float32
    metres, 1e6 in the sky. after, before: (2, H, W) float32 pixels that each pixel moves, right
    and down, until the next and since the previous keyframe (negated)."""

    image: Array
    depth: Array
    after: Array
    before: Array


def _where_parts_are(surfaces: Surfaces, parts: PartTable) -> Array:
    """(3, H, W) world position of each pixel's point when its part is where the table says."""
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

    parts: the same rows as in surfaces, then; pose: the camera's, then.
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


def keyframe(
    world: World, camera: PinholeCamera, seconds: float, apart: float, condition: Condition
) -> Keyframe:
    """What the camera sees at that time, and its motion over `apart` seconds either way."""
    surfaces = world.surfaces_at(seconds, camera, None, condition)
    light = np.tensordot(_LUMINANCE, radiance(surfaces, condition, world.course), 1)
    spread = 0.6 * camera.width / 640 + 0.45
    things = world.things_at(seconds)
    after, before = (
        image_motion(
            surfaces, world.street.parts_of(things, condition, then), camera, world.pose_at(then)
        )
        for then in (seconds + apart, seconds - apart)
    )
    return Keyframe(
        np.asarray(cv2.GaussianBlur(light.astype(np.float32), (0, 0), spread), np.float32),
        np.minimum(surfaces.depth, _SKY_DEPTH),
        after,
        before,
    )


class _Warp:
    """One image moved along one motion by any share of it."""

    def __init__(self, image: Array, depth: Array, motion: Array) -> None:
        self._image, self._motion = image, motion
        height, width = image.shape
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        self._order = np.argsort(-depth, axis=None, kind="stable")
        places = (self._x, self._y, motion[0], motion[1])
        self._far_to_near = [plane.ravel()[self._order] for plane in places]

    def _sources(self, share: float) -> npt.NDArray[np.int64]:
        """(H, W) which pixel is seen at each place, -1 where none is.

        Cracks one pixel wide, which grow where the image does, take the farthest neighbour.
        """
        height, width = self._image.shape
        x, y, right, down = self._far_to_near
        column, row = np.rint(x + share * right), np.rint(y + share * down)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        target = (row * width + column)[inside].astype(np.int64)
        rank = np.full(height * width, _NONE, np.float32)
        rank[target] = np.flatnonzero(inside)
        rank = rank.reshape(height, width)
        around = cv2.erode(rank, np.ones((3, 3), np.uint8), borderValue=float(_NONE))
        rank = np.where(rank < _NONE, rank, around)
        found = rank < _NONE
        chosen = self._order[np.where(found, rank, 0).astype(np.int64)]
        return np.asarray(np.where(found, chosen, -1))

    def __call__(self, share: float) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Image (H, W) after that share of the motion, and whether anything is seen there."""
        source = self._sources(share)
        motion = self._motion.reshape(2, -1)[:, source]
        moved = cv2.remap(
            self._image,
            self._x - np.float32(share) * motion[0],
            self._y - np.float32(share) * motion[1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(moved, np.float32), source >= 0


class Between:
    """The frames between two keyframes: `between(0.5)` is the one in the middle of the time.

    Of whatever the keyframes' images hold, such as its logarithm.
    """

    def __init__(self, first: Keyframe, second: Keyframe) -> None:
        self._first, self._second = first, second
        self._ahead = _Warp(first.image, first.depth, first.after)
        self._back = _Warp(second.image, second.depth, second.before)

    def __call__(self, share: float) -> Array:
        """(H, W) float32 image after that share, 0..1, of the time between the two."""
        if share <= 0:
            return self._first.image
        if share >= 1:
            return self._second.image
        (a, a_seen), (b, b_seen) = self._ahead(share), self._back(1 - share)
        mixed = (1 - share) * a + share * b
        alone = np.where(b_seen, b, a)
        return np.asarray(np.where(a_seen == b_seen, mixed, alone), np.float32)
