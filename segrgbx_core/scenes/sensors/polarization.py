# SPDX-License-Identifier: Apache-2.0
"""Surfaces as a camera with a polarizer in front of each pixel sees them.

Specularly reflected light is polarized perpendicular to the plane of incidence, by Fresnel's
equations. Light that leaves a surface after scattering inside is polarized parallel to it, less
strongly (Atkinson and Hancock, Recovery of surface orientation from diffuse polarization, 2006).
Both apply to the smooth share of the material. Emitted light and light scattered by fog are not
polarized; a clear sky by day is, by Rayleigh's law. Light counts as unpolarized before it is
reflected.
"""

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array, CameraPose, PinholeCamera
from segrgbx_core.scenes.optics.motion import moving
from segrgbx_core.scenes.optics.reflection import (
    WATER_INDEX,
    WET_DARKENING,
    facing_cosine,
    fresnel,
    sky_radiance,
    surroundings,
    water_film,
)
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.optics.warp import Moving
from segrgbx_core.scenes.sensors.visible import (
    LONGEST_EXPOSURE_S,
    Radiance,
    illumination,
    transmission,
    veil,
)
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import GLOSS, REFRACTIVE_INDEX, Label
from segrgbx_core.scenes.street.world import World

LAYOUT_DEG = ((90, 45), (135, 0))
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_EXTINCTION_RATIO = 300.0
_FULL_WELL = 10_000.0
_READ_ELECTRONS = 2.5
_GAIN_OF_LONGEST = 8.0
_BLACK = 3e-4
_MOST_GAIN = 32.0
_CLEAR_SKY_DOLP = 0.7


def diffuse_dolp(cosine: Array, index: Array) -> Array:
    """Degree of polarization of light scattered inside a smooth surface, 0..1.

    Atkinson and Hancock 2006, equation 5. cosine: of the angle at which the light leaves.
    """
    sine = 1 - cosine**2
    above = (index - 1 / index) ** 2 * sine
    below = 2 + 2 * index**2 - (index + 1 / index) ** 2 * sine
    return np.asarray(above / (below + 4 * cosine * np.sqrt(index**2 - sine)), np.float32)


def _grey(color: Array | Radiance) -> Array:
    return np.asarray(np.tensordot(_LUMINANCE, color, 1), np.float32)


def _turned(direction: Array, pose: CameraPose) -> tuple[Array, Array]:
    """cos 2a and sin 2a of the angle a of world directions (3, H, W) in the image,
    counter-clockwise from the right."""
    right, down, _ = pose.axes()
    x = np.tensordot(right, direction, 1)
    y = -np.tensordot(down, direction, 1)
    squared = np.maximum(x**2 + y**2, 1e-12)
    return (x**2 - y**2) / squared, 2 * x * y / squared


def _mirrored_and_scattered(
    surfaces: Surfaces, condition: Condition, world: World
) -> tuple[Array, Array]:
    """Radiance (H, W) from the surfaces, and its part polarized perpendicular to the plane of
    incidence (negative: parallel to it)."""
    cosine, index = facing_cosine(surfaces), REFRACTIVE_INDEX[surfaces.material]
    film = water_film(surfaces, condition)
    scattered = _grey(surfaces.color * illumination(surfaces, condition, world.course.walk))
    scattered = scattered * (1 - WET_DARKENING * film)
    environment = _grey(surroundings(surfaces, condition, world.course))
    smooth = GLOSS[surfaces.material] * (1 - film)
    total = scattered + _grey(surfaces.glow)
    across_part = -scattered * smooth * diffuse_dolp(cosine, index)
    for share, n in ((smooth, index), (film, WATER_INDEX)):
        across, along = fresnel(cosine, n)
        total += share * environment * (across + along) / 2
        across_part += share * environment * (across - along) / 2
    return np.asarray(total, np.float32), np.asarray(across_part, np.float32)


def _sky(surfaces: Surfaces, condition: Condition, pose: CameraPose) -> tuple[Array, Array, Array]:
    """Stokes images of the sky: Rayleigh's sin^2 / (1 + cos^2) of the angle to the sun."""
    total = _grey(sky_radiance(surfaces.rays, condition))
    rays = surfaces.rays / np.sqrt((surfaces.rays**2).sum(0))
    sun = condition.sun_direction()
    toward = np.tensordot(sun, rays, 1)
    clear = 0.0 if condition.name == "night" else _CLEAR_SKY_DOLP * (1 - condition.overcast)
    dolp = clear * (1 - toward**2) / (1 + toward**2)
    across = np.cross(rays, sun[:, None, None], axis=0)
    cos2, sin2 = _turned(np.asarray(across, np.float32), pose)
    return total, np.asarray(total * dolp * cos2), np.asarray(total * dolp * sin2)


def stokes(surfaces: Surfaces, condition: Condition, pose: CameraPose, world: World) -> Array:
    """(3, H, W) float32 S0, S1, S2 at the lens; S0 is 1 for a white sheet in full sun.

    Angles are counter-clockwise from the image's horizontal.
    """
    total, across_part = _mirrored_and_scattered(surfaces, condition, world)
    direction = np.cross(surfaces.rays, surfaces.normal, axis=0)
    cos2, sin2 = _turned(np.asarray(direction, np.float32), pose)
    in_sky = surfaces.label == Label.SKY
    sky = _sky(surfaces, condition, pose)
    seen = [
        np.where(in_sky, above, below)
        for above, below in zip(sky, (total, across_part * cos2, across_part * sin2), strict=True)
    ]
    clear = transmission(surfaces, condition)
    horizon = float(_LUMINANCE @ np.array(condition.horizon, np.float32))
    scattered = horizon * (1 - clear) + veil(surfaces, condition)
    return np.stack([seen[0] * clear + scattered, seen[1] * clear, seen[2] * clear]).astype(
        np.float32
    )


def expose(
    light: Array, rng: np.random.Generator, motion: Moving | None = None
) -> npt.NDArray[np.uint8]:
    """Stokes images (3, H, W), even sizes, to the sensor's mosaic (H, W) uint8, linear in light.

    Lens blur, polarizers with an extinction ratio of 300, automatic exposure (first longer, then
    amplified), motion blur (motion; None: nothing moves), a full well of 10000 electrons, shot
    and read noise, clipping.
    """
    height, width = light.shape[1:]
    spread = 0.6 * width / 640 + 0.25
    level = float(np.exp(np.log(0.5 * light[0] + _BLACK).mean()))
    gain = min(0.18 / level, _MOST_GAIN)
    if motion is not None:
        image = np.ascontiguousarray(np.moveaxis(light, 0, -1))
        open_s = LONGEST_EXPOSURE_S * min(gain / _GAIN_OF_LONGEST, 1.0)
        light = np.moveaxis(motion.smeared(image, open_s), -1, 0)
    soft = np.stack([cv2.GaussianBlur(plane, (0, 0), spread) for plane in light])
    efficiency = (_EXTINCTION_RATIO - 1) / (_EXTINCTION_RATIO + 1)
    behind = np.empty((height, width), np.float32)
    for row, angles in enumerate(LAYOUT_DEG):
        for column, degrees in enumerate(angles):
            s0, s1, s2 = soft[:, row::2, column::2]
            turn = 2 * np.radians(degrees)
            polarized = s1 * np.cos(turn) + s2 * np.sin(turn)
            behind[row::2, column::2] = 0.5 * (s0 + efficiency * polarized)
    well = _FULL_WELL / max(1.0, gain / _GAIN_OF_LONGEST)
    electrons = np.clip(behind * gain, 0, 1.5) * well
    noise = np.sqrt(electrons + _READ_ELECTRONS**2) * rng.standard_normal(behind.shape, np.float32)
    return np.asarray(np.clip((electrons + noise) / well, 0, 1) * 255 + 0.5, np.uint8)


def read(
    world: World, camera: PinholeCamera, seconds: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The mosaic at that time, (H, W) uint8; see LAYOUT_DEG for the polarizers' angles."""
    surfaces, condition = world.surfaces_at(seconds, camera), world.condition_at(seconds)
    light = stokes(surfaces, condition, world.pose_at(seconds), world)
    return expose(light, rng, moving(surfaces, world, camera, seconds))
