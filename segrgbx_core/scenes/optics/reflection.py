# SPDX-License-Identifier: Apache-2.0
"""Reflections on smooth surfaces: Fresnel's equations, sky, and the houses across the street."""

import numpy as np

from segrgbx_core.scenes.optics.camera import Array
from segrgbx_core.scenes.optics.noise import noise_at
from segrgbx_core.scenes.optics.surfaces import Surfaces, above_roofs
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import MATERIAL_ID
from segrgbx_core.scenes.street.street import Course

WATER_INDEX = 1.33
WET_DARKENING = 0.45
_FACADE_REFLECTANCE = 0.25
_SOFT_SKYLINE_M = 4.0
_GROUND = tuple(MATERIAL_ID[name] for name in ("asphalt", "paint", "concrete"))


def fresnel(cosine: Array, index: Array | float) -> tuple[Array, Array]:
    """Reflectance (0..1) for polarization perpendicular, and parallel, to the plane of incidence.

    cosine: of the angle of incidence, 0..1; index: refractive index of the surface, above 1.
    Fresnel's equations for light from air and no absorption, as in Hecht, Optics, 4.6.
    """
    inner = np.sqrt(1 - (1 - cosine**2) / np.square(index))
    across = (cosine - index * inner) / (cosine + index * inner)
    along = (index * cosine - inner) / (index * cosine + inner)
    return np.asarray(across**2, np.float32), np.asarray(along**2, np.float32)


def facing_cosine(surfaces: Surfaces) -> Array:
    """(H, W) cosine between surface normal and direction to the camera, 0..1; 1 in the sky."""
    length = np.sqrt((surfaces.rays**2).sum(0))
    cosine = np.abs((surfaces.normal * surfaces.rays).sum(0)) / length
    return np.asarray(np.where(np.isfinite(surfaces.depth), np.clip(cosine, 0, 1), 1), np.float32)


def sky_radiance(rays: Array, condition: Condition) -> Array:
    """(3, H, W) radiance of the sky in the directions rays (3, H, W)."""
    length = np.sqrt((rays**2).sum(0))
    up = np.clip(rays[2] / length, 0.0, 1.0) ** 0.5
    zenith, horizon = np.array(condition.zenith), np.array(condition.horizon)
    return np.asarray(horizon[:, None, None] * (1 - up) + zenith[:, None, None] * up, np.float32)


def surroundings(surfaces: Surfaces, condition: Condition, course: Course) -> Array:
    """(3, H, W) radiance that a mirror at each pixel would reflect to the camera.

    Above the roofs it shows the sky, below them a facade of mean brightness, downwards the ground.
    Single objects are not mirrored.
    """
    along_normal = (surfaces.normal * surfaces.rays).sum(0)
    rays = np.asarray(surfaces.rays - 2 * along_normal * surfaces.normal, np.float32)
    rays /= np.sqrt((rays**2).sum(0))
    clearance = above_roofs(surfaces.position, rays, course) / _SOFT_SKYLINE_M
    open_sky = np.where(rays[2] > 0, np.clip(0.5 + clearance, 0, 1), 0)
    lit = np.array(condition.ambient) + 0.3 * np.array(condition.sun) * max(
        float(condition.sun_direction()[2]), 0.0
    )
    walls = (_FACADE_REFLECTANCE * lit)[:, None, None]
    sky = sky_radiance(rays, condition)
    return np.asarray(walls + open_sky * (sky - walls), np.float32)


def water_film(surfaces: Surfaces, condition: Condition) -> Array:
    """(H, W) share of the ground, 0..1, covered by a smooth film of water: puddles and ruts."""
    if not condition.wet:
        return np.zeros_like(surfaces.depth)
    x, y = surfaces.position[0], surfaces.position[1]
    puddles = noise_at(x * 1.7, y, 14.0)
    film = condition.wet * np.clip(0.4 + 0.9 * (puddles - 0.3), 0.3, 1.0)
    on_ground = np.isin(surfaces.material, _GROUND) & (surfaces.normal[2] > 0.9)
    return np.asarray(np.where(on_ground, film, 0.0), np.float32)
