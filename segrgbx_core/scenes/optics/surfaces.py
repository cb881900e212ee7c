# SPDX-License-Identifier: Apache-2.0
"""Geometry to surfaces: the material of every pixel, independent of any sensor."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array, CameraPose, PinholeCamera
from segrgbx_core.scenes.optics.noise import hashed, noise_at
from segrgbx_core.scenes.optics.raycast import GROUND, SKY, Hits, cast
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import GRAIN, MATERIAL_ID, Label
from segrgbx_core.scenes.street.parts import PartTable
from segrgbx_core.scenes.street.street import Course

_ROOFS = 7.0
_SHUT = 0.4


@dataclass(frozen=True)
class Surfaces:
    """Per pixel, (H, W) unless stated otherwise.

    label: uint8 class id. material: int16 row of MATERIALS. color: (3, H, W) float32 linear
    reflectance. heat: float32 kelvin above the material's own. glow: (3, H, W) float32 emitted
    radiance. depth: float32 planar metres, inf for sky. normal, position: (3, H, W) float32 in
    world axes and metres. sunlit: float32, 0 in shadow to 1. rays: (3, H, W) float32. eye: (3,)
    float32, the camera's position. part, local: see Hits.
    """

    label: npt.NDArray[np.uint8]
    material: npt.NDArray[np.int16]
    color: Array
    heat: Array
    glow: Array
    depth: Array
    normal: Array
    position: Array
    sunlit: Array
    rays: Array
    eye: Array
    part: npt.NDArray[np.int16]
    local: Array


@dataclass(frozen=True)
class GroundLook:
    """Reflectances of the ground's zones, (3,) each, linear 0..1."""

    road: Array
    paint: Array
    walk: Array
    grass: Array


def ground_look(rng: np.random.Generator) -> GroundLook:
    """Random reflectances; the ranges of road and sidewalk overlap, as they do in towns."""

    def grey(low: float, high: float) -> Array:
        tone = rng.uniform(low, high) * rng.uniform(0.88, 1.12, 3)
        return np.asarray(tone, np.float32)

    green = np.array([0.09, 0.15, 0.04]) * rng.uniform(0.5, 1.6) * rng.uniform(0.7, 1.3, 3)
    return GroundLook(grey(0.06, 0.24), grey(0.4, 0.7), grey(0.1, 0.38), green.astype(np.float32))


def _marked(across: Array, along: Array, course: Course) -> npt.NDArray[np.bool_]:
    """Where the road is painted: centre dashes, edge lines and crossings."""
    dash = (np.abs(across) < 0.08) & (np.mod(along, 2 * course.dash) < course.dash)
    edge = np.abs(np.abs(across) - (course.road - 0.25)) < 0.07
    marked = dash | edge
    for start in course.zebra:
        stripe = np.mod(across, 1.0) < 0.5
        inside = (along > start) & (along < start + 3.2) & (np.abs(across) < course.road - 0.3)
        marked = (marked & ~((along > start - 1) & (along < start + 4.2))) | (inside & stripe)
    return np.asarray(marked)


def _paint_ground(
    x: Array, y: Array, course: Course, look: GroundLook
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16], Array]:
    across = x - course.bend * y * y
    beside = np.abs(across)
    worn = noise_at(x, y, 1.7) < 0.93
    zones = [
        (beside < course.road) & _marked(across, y, course) & worn,
        beside < course.road,
        beside < course.walk,
    ]
    label = np.select(zones, [Label.LANE_MARKING, Label.ROAD, Label.SIDEWALK], Label.VEGETATION)
    names = ["paint", "asphalt", "concrete"]
    material = np.select(zones, [MATERIAL_ID[n] for n in names], MATERIAL_ID["grass"])
    tones = [c[:, None] for c in (look.paint, look.road, look.walk)]
    color = np.select(zones, tones, look.grass[:, None])
    slabs = (beside < course.walk) & (beside >= course.road)
    seam = slabs & ((np.mod(across, 1.2) < 0.05) | (np.mod(y, 1.2) < 0.05))
    color = np.where(seam, color * 0.6, color)
    return label.astype(np.uint8), material.astype(np.int16), color.astype(np.float32)


def _facade(
    local: Array, spacing: Array, flat: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], Array]:
    """Where a facade has windows, and a number 0..1 per window."""
    run = np.where(flat, local[0], local[1]) + 100.0
    rise = local[2] + 100.0
    column = np.floor(run / spacing).astype(np.int64)
    floor = np.floor(rise / 3.0).astype(np.int64)
    beside, up = np.mod(run, spacing) / spacing, np.mod(rise, 3.0) / 3.0
    window = (beside > 0.25) & (beside < 0.75) & (up > 0.3) & (up < 0.8)
    return window, hashed(column + 7 * flat, floor, 31)


def above_roofs(position: Array, rays: Array, course: Course) -> Array:
    """(H, W) metres by which each ray clears the line of houses; below 0 where it hits them.

    position: (3, H, W), starts of the rays; rays: (3, H, W) or (3, 1, 1) unit vectors. inf where
    a ray starts behind that line.
    """
    slant = np.where(np.abs(rays[0]) > 1e-3, rays[0], np.float32(1e-3))
    wall = np.sign(slant) * (course.walk + 3.0) + course.bend * position[1] ** 2
    way = (wall - position[0]) / slant
    height = position[2] + way * rays[2]
    skyline = _ROOFS * (0.3 + 1.4 * noise_at(position[1] + way * rays[1], 0 * way, 160.0))
    return np.asarray(np.where(way > 0, height - skyline, np.inf))


def _sunlit(position: Array, course: Course, condition: Condition) -> Array:
    """Shadow of the building line on the sun's side: 1 where its ray clears the roofs."""
    sun = condition.sun_direction()[:, None, None]
    return np.where(above_roofs(position, sun, course) < 0, 0.0, 1.0).astype(np.float32)


def _grain(hits: Hits, position: Array, material: npt.NDArray[np.int16]) -> Array:
    steep = np.abs(hits.normal[2]) < 0.5
    sideways = np.abs(hits.normal[0]) > np.abs(hits.normal[1])
    on_part = hits.part >= 0
    at = np.where(on_part, hits.local, position)
    u = np.where(steep & sideways, at[1], at[0]) + 0.37 * hits.part
    v = np.where(steep, at[2], at[1])
    fine, coarse = noise_at(u, v, 0.6), noise_at(u + 9.0, v + 5.0, 6.0)
    return np.asarray(1.0 + GRAIN[material] * 1.6 * (0.5 * fine + 0.5 * coarse - 0.5), np.float32)


@dataclass(frozen=True)
class _Drawn:
    """Per-pixel appearance while it is being filled in; the arrays are written to."""

    label: npt.NDArray[np.uint8]
    material: npt.NDArray[np.int16]
    color: Array
    heat: Array
    glow: Array


def _add_windows(
    parts: PartTable, hits: Hits, condition: Condition, drawn: _Drawn
) -> npt.NDArray[np.bool_]:
    """Fills the facades' windows with panes and curtains, or with shutters, which RGB alone can
    hardly distinguish; returns the panes that are lit from within."""
    row = np.maximum(hits.part, 0)
    on_facade = (hits.part >= 0) & (parts.facade[row] > 0) & (np.abs(hits.normal[2]) < 0.5)
    spacing = np.where(on_facade, parts.facade[row], 3.0)
    along = np.moveaxis(parts.rotation[row][..., 1], -1, 0)
    facing = np.abs((hits.normal * along).sum(0))
    windows, lottery = _facade(hits.local, spacing, facing > 0.5)
    windows &= on_facade
    shut = windows & (lottery > 1 - _SHUT)
    panes = windows & ~shut
    drawn.label[panes], drawn.material[panes] = Label.GLASS, MATERIAL_ID["glass"]
    drawn.material[shut] = MATERIAL_ID["shutter"]
    for behind, least, spread, power in ((panes, 0.05, 0.25, 2), (shut, 0.12, 0.5, 1)):
        shade = least + spread * np.mod(lottery[behind] * 977.0, 1.0) ** power
        warmth = 0.15 * (2 * np.mod(lottery[behind] * 3581.0, 1.0) - 1)
        drawn.color[:, behind] = shade * np.stack((1 + warmth, np.ones_like(shade), 1 - warmth))
    lit = panes & (lottery < 0.25) & (condition.lamps or condition.name == "night")
    drawn.glow[lit] = 0.12
    drawn.heat[lit] += 2.0
    return np.asarray(lit)


def _add_ground_and_sky(
    hits: Hits, position: Array, course: Course, look: GroundLook, drawn: _Drawn
) -> None:
    on_ground, in_sky = hits.part == GROUND, hits.part == SKY
    ground = _paint_ground(position[0][on_ground], position[1][on_ground], course, look)
    drawn.label[on_ground], drawn.material[on_ground] = ground[0], ground[1]
    drawn.color[:, on_ground] = ground[2]
    drawn.label[in_sky], drawn.material[in_sky] = Label.SKY, MATERIAL_ID["sky"]
    plain = on_ground | in_sky
    drawn.heat[plain] = 0.0
    drawn.glow[plain] = 0.0


def _parts_drawn(parts: PartTable, hits: Hits) -> _Drawn:
    row = np.maximum(hits.part, 0)
    color = np.ascontiguousarray(np.moveaxis(parts.color[row], -1, 0))
    return _Drawn(parts.label[row], parts.material[row], color, parts.heat[row], parts.glow[row])


def _emitted(drawn: _Drawn, lit: npt.NDArray[np.bool_]) -> Array:
    """Radiance of lamps and windows: warm white, or red for tail lights."""
    red = drawn.color[0] > 4 * drawn.color[1]
    share = np.where(lit, 1.0, np.where(red, 0.1, 0.85))
    tinted = [drawn.glow, drawn.glow * share * 0.95, drawn.glow * share * 0.75]
    return np.stack(tinted).astype(np.float32)


def look_at(
    parts: PartTable,
    course: Course,
    look: GroundLook,
    condition: Condition,
    camera: PinholeCamera,
    pose: CameraPose,
) -> Surfaces:
    """What the camera's pixels see of those parts, the ground and the sky."""
    hits = cast(parts, camera, pose)
    eye = np.array(pose.position, np.float32)
    reach = np.where(np.isfinite(hits.depth), hits.depth, np.float32(0))
    position = np.asarray(eye[:, None, None] + reach * hits.rays, np.float32)
    drawn = _parts_drawn(parts, hits)
    lit = _add_windows(parts, hits, condition, drawn)
    _add_ground_and_sky(hits, position, course, look, drawn)
    return Surfaces(
        label=drawn.label,
        material=drawn.material,
        color=drawn.color * _grain(hits, position, drawn.material),
        heat=drawn.heat,
        glow=_emitted(drawn, lit),
        depth=hits.depth,
        normal=hits.normal,
        position=position,
        sunlit=_sunlit(position, course, condition),
        rays=hits.rays,
        eye=eye,
        part=hits.part,
        local=hits.local,
    )
