# SPDX-License-Identifier: Apache-2.0
"""Ray casting: the surface that each pixel sees, its depth and its normal."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array, CameraPose, PinholeCamera, pixel_rays
from segrgbx_core.scenes.optics.noise import noise_at
from segrgbx_core.scenes.street.parts import PartTable, Solid

NEAR = 0.3
FAR = 1000.0
GROUND, SKY = -1, -2
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
_EDGES = np.array(
    [(a, b) for a in range(8) for b in range(a) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 2]
)
_INNER_RIM = 0.82


@dataclass(frozen=True)
class Hits:
    """The first surface on each pixel's ray.

    depth: (H, W) float32 planar depth in metres, inf for sky. part: (H, W) int16 row of the part
    table, GROUND or SKY. normal: (3, H, W) float32 unit vectors in world axes, towards the
    camera. local: (3, H, W) float32 metres in the part's own frame (world metres on ground).
    rays: (3, H, W) float32, see pixel_rays.
    """

    depth: Array
    part: npt.NDArray[np.int16]
    normal: Array
    local: Array
    rays: Array


def _bounds(
    parts: PartTable, camera: PinholeCamera, pose: CameraPose
) -> tuple[npt.NDArray[np.int64], Array]:
    """Image box (N, 4: left, top, right, bottom; empty if not seen) and least depth (N,)."""
    scaled = parts.rotation * parts.half[:, None, :]
    corners = np.einsum("nij,cj->nci", scaled, _CORNERS) + parts.center[:, None]
    seen = (corners - np.array(pose.position, np.float32)) @ pose.axes().T
    depth = seen[..., 2]
    start, end = seen[:, _EDGES[:, 0]], seen[:, _EDGES[:, 1]]
    span = end[..., 2] - start[..., 2]
    crossing = (start[..., 2] < NEAR) != (end[..., 2] < NEAR)
    share = (NEAR - start[..., 2]) / np.where(span == 0, 1, span)
    clipped = start + share[..., None] * (end - start)
    points = np.concatenate([seen, clipped], axis=1)
    usable = np.concatenate([depth >= NEAR, crossing], axis=1)
    z = np.where(usable, np.maximum(points[..., 2], NEAR), 1.0)
    u = points[..., 0] / z * camera.fx + camera.cx
    v = points[..., 1] / z * camera.fy + camera.cy
    low, high = np.where(usable, 0, np.inf), np.where(usable, 0, -np.inf)
    box = np.stack(
        [
            np.floor((u + low).min(1)).clip(0, camera.width),
            np.floor((v + low).min(1)).clip(0, camera.height),
            np.ceil((u + high).max(1) + 1).clip(0, camera.width),
            np.ceil((v + high).max(1) + 1).clip(0, camera.height),
        ],
        axis=1,
    )
    return box.astype(np.int64), np.maximum(depth.min(1), 0.0)


def _box(o: Array, d: Array) -> tuple[Array, Array]:
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1.0 / d
        a = (-1.0 - o)[:, None, None] * inverse
        b = (1.0 - o)[:, None, None] * inverse
    near, far = np.fmin(a, b), np.fmax(a, b)
    entry, leave = near.max(0), far.min(0)
    t = np.where((leave >= entry) & (entry > 0), entry, np.inf)
    normal = np.where(near == entry, -np.sign(d), 0.0)
    return t, normal


def _root(a: Array, b: Array, c: float) -> Array:
    """Smaller positive root of a t^2 + 2 b t + c; inf where there is none."""
    inside = b * b - a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (-b - np.sqrt(np.maximum(inside, 0.0))) / a
    return np.where((inside >= 0) & (t > 0), t, np.inf)


def _ellipsoid(o: Array, d: Array) -> tuple[Array, Array]:
    t = _root((d * d).sum(0), np.tensordot(o, d, 1), float(o @ o) - 1.0)
    normal = o[:, None, None] + np.where(np.isfinite(t), t, 0.0) * d
    return t, np.asarray(normal, np.float32)


def _cylinder(o: Array, d: Array) -> tuple[Array, Array]:
    t = _root(d[0] ** 2 + d[1] ** 2, o[0] * d[0] + o[1] * d[1], float(o[0] ** 2 + o[1] ** 2) - 1.0)
    finite = np.where(np.isfinite(t), t, 0.0)
    beyond = np.abs(o[2] + finite * d[2]) > 1.0
    normal = np.asarray(o[:, None, None] + finite * d, np.float32)
    normal[2] = 0.0
    return np.asarray(np.where(beyond, np.inf, t), np.float32), normal


def _wheel(o: Array, d: Array) -> tuple[Array, Array]:
    with np.errstate(divide="ignore", invalid="ignore"):
        t = -o[0] / d[0]
    t = np.where(np.isfinite(t) & (t > 0), t, np.inf)
    finite = np.where(np.isfinite(t), t, 0.0)
    radius = (o[1] + finite * d[1]) ** 2 + (o[2] + finite * d[2]) ** 2
    t = np.where((radius <= 1.0) & (radius >= _INNER_RIM**2), t, np.inf)
    normal = np.zeros_like(d)
    normal[0] = -np.sign(d[0])
    return t, normal


_INTERSECT = {
    Solid.BOX: _box,
    Solid.ELLIPSOID: _ellipsoid,
    Solid.CYLINDER: _cylinder,
    Solid.WHEEL: _wheel,
}


def _draw(hits: Hits, parts: PartTable, row: int, box: npt.NDArray[np.int64], eye: Array) -> None:
    left, top, right, bottom = box
    window = (slice(top, bottom), slice(left, right))
    rays = hits.rays[:, window[0], window[1]]
    to_local = parts.rotation[row].T / parts.half[row][:, None]
    o = to_local @ (eye - parts.center[row])
    d = np.tensordot(to_local, rays, 1)
    t, normal = _INTERSECT[Solid(int(parts.solid[row]))](o, d)
    closer = t < hits.depth[window]
    if parts.ragged[row] > 0:
        point = o[:, None, None] + np.where(np.isfinite(t), t, 0.0) * d
        facing = -(normal * d).sum(0) / np.sqrt((normal**2).sum(0) * (d * d).sum(0) + 1e-9)
        leaves = noise_at(point[0] * 2 + point[1], point[2] * 2 + row, 1.0)
        closer &= facing > parts.ragged[row] * leaves
    if not closer.any():
        return
    hits.depth[window][closer] = t[closer]
    hits.part[window][closer] = row
    at = t[closer]
    world = (parts.rotation[row] / parts.half[row]) @ normal[:, closer]
    world /= np.sqrt((world**2).sum(0) + 1e-12)
    hits.normal[:, window[0], window[1]][:, closer] = world
    local = (o[:, None] + at * d[:, closer]) * parts.half[row][:, None]
    hits.local[:, window[0], window[1]][:, closer] = local


def cast(parts: PartTable, camera: PinholeCamera, pose: CameraPose) -> Hits:
    """First surface on every pixel's ray: a part, the ground plane z = 0, or the sky."""
    rays = pixel_rays(camera, pose)
    eye = np.array(pose.position, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = -eye[2] / rays[2]
    on_ground = (ground > 0) & (ground < FAR)
    depth = np.where(on_ground, ground, np.inf).astype(np.float32)
    part = np.where(on_ground, GROUND, SKY).astype(np.int16)
    normal = np.zeros_like(rays)
    normal[2] = on_ground
    local = eye[:, None, None] + np.where(on_ground, depth, 0.0) * rays
    hits = Hits(depth, part, normal, local.astype(np.float32), rays)
    boxes, nearest = _bounds(parts, camera, pose)
    seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    for row in np.flatnonzero(seen)[np.argsort(nearest[seen], kind="stable")]:
        left, top, right, bottom = boxes[row]
        if nearest[row] < hits.depth[top:bottom, left:right].max():
            _draw(hits, parts, int(row), boxes[row], eye)
    return hits
