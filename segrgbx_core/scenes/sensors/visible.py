# SPDX-License-Identifier: Apache-2.0
"""Surfaces as a colour camera sees them: light, air, lens, exposure and noise."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array
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
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import MATERIAL_ID, REFRACTIVE_INDEX, Label
from segrgbx_core.scenes.street.street import Course

Radiance = npt.NDArray[np.float64]

_LAMP_SPACING = 24.0
_BLACK = 0.0006
_MOST_GAIN = 16.0
_SECONDS_PER_GAIN = 0.0015
LONGEST_EXPOSURE_S = 0.025


def _lamplight(surfaces: Surfaces, walk: float) -> Array:
    """Pools of light under evenly spaced street lamps."""
    x, y, z = surfaces.position
    along = np.mod(y, _LAMP_SPACING) - _LAMP_SPACING / 2
    across = np.abs(x) - walk
    squared = along**2 + across**2 + (6.3 - z) ** 2
    return np.asarray(0.45 / squared, np.float32)


def _headlight(surfaces: Surfaces) -> Array:
    """The vehicle's own low beam: a flat cone ahead of the camera."""
    offset = surfaces.position - surfaces.eye[:, None, None]
    reach = np.maximum(np.sqrt((offset**2).sum(0)), 1.5)
    aside = np.abs(offset[0]) / reach
    upward = offset[2] / reach
    cone = np.exp(-((aside / 0.33) ** 2)) * np.exp(-((np.maximum(upward + 0.02, 0) / 0.05) ** 2))
    return np.asarray(cone / reach**1.6, np.float32)


def veil(surfaces: Surfaces, condition: Condition) -> Array:
    """(H, W) sunlight scattered in the lens, around the sun's position."""
    if condition.veil == 0.0:
        return np.zeros_like(surfaces.depth)
    length = np.sqrt((surfaces.rays**2).sum(0))
    towards = np.tensordot(condition.sun_direction(), surfaces.rays, 1) / length
    angle = np.arccos(np.clip(towards, -1, 1))
    disc = 40.0 * (angle < 0.012)
    return np.asarray(
        condition.veil * (1.6 * np.exp(-angle / 0.12) + 0.35 * np.exp(-angle / 0.5)) + disc,
        np.float32,
    )


def illumination(surfaces: Surfaces, condition: Condition, walk: float) -> Radiance:
    """(3, H, W) irradiance relative to full sun: sun, sky, street lamps, own headlights.

    walk: lateral position of the street lamps in metres.
    """
    facing = np.tensordot(condition.sun_direction(), surfaces.normal, 1)
    direct = np.maximum(facing, 0.0) * surfaces.sunlit
    sun, ambient = (np.array(c)[:, None, None] for c in (condition.sun, condition.ambient))
    light = sun * direct + ambient * _upward(surfaces)
    if condition.lamps:
        light = light + np.array([1.0, 0.78, 0.5])[:, None, None] * _lamplight(surfaces, walk)
    if condition.headlights:
        light = light + np.array([1.0, 0.95, 0.9])[:, None, None] * _headlight(surfaces)
    return np.asarray(light)


def _upward(surfaces: Surfaces) -> Array:
    return np.asarray(0.55 + 0.45 * surfaces.normal[2])


def transmission(surfaces: Surfaces, condition: Condition) -> Array:
    """(H, W) transmission of the air between surface and camera, 0..1."""
    in_sky = surfaces.label == Label.SKY
    distance = np.where(in_sky, 400.0, np.minimum(surfaces.depth, 400.0))
    return np.asarray(np.exp(-condition.fog * distance))


def radiance(surfaces: Surfaces, condition: Condition, course: Course) -> Array:
    """(3, H, W) float32 radiance at the lens, 1 for a white sheet in full sun."""
    light = illumination(surfaces, condition, course.walk)
    seen = surfaces.color * light + surfaces.glow
    glass = surfaces.material == MATERIAL_ID["glass"]
    around = surroundings(surfaces, condition, course)
    across, along = fresnel(facing_cosine(surfaces), REFRACTIVE_INDEX[MATERIAL_ID["glass"]])
    face = (across + along) / 2
    both_faces = 2 * face / (1 + face)
    seen = np.where(glass, seen + both_faces * around, seen)
    if condition.wet:
        seen = _wetted(seen, surfaces, condition, around)
    seen = np.where(surfaces.label == Label.SKY, sky_radiance(surfaces.rays, condition), seen)
    clear = transmission(surfaces, condition)
    seen = seen * clear + np.array(condition.horizon)[:, None, None] * (1 - clear)
    return np.asarray(seen + veil(surfaces, condition), np.float32)


def _wetted(seen: Radiance, surfaces: Surfaces, condition: Condition, around: Array) -> Radiance:
    """Darker where water fills the ground's pores, plus the reflection on the water."""
    film = water_film(surfaces, condition)
    across, along = fresnel(facing_cosine(surfaces), WATER_INDEX)
    mirrored = film * (across + along) / 2 * around
    return np.asarray(seen * (1 - WET_DARKENING * film) + mirrored)


def _bloom(image: Array) -> Array:
    """Halos around what is far above the exposure's white level."""
    bright = np.maximum(image - 1.5, 0.0)
    if not bright.any():
        return image
    small = cv2.resize(bright, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = np.minimum(small, 40.0)
    halo = 0.10 * cv2.GaussianBlur(small, (0, 0), 3) + 0.05 * cv2.GaussianBlur(small, (0, 0), 11)
    size = (image.shape[1], image.shape[0])
    return np.asarray(image + cv2.resize(halo, size, interpolation=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True)
class Exposure:
    """gain: of the whole exposure; balance: (3,) the same with each channel's white balance."""

    gain: float
    balance: Array

    @property
    def seconds(self) -> float:
        """Exposure time: longer in less light, up to 25 ms."""
        return min(self.gain * _SECONDS_PER_GAIN, LONGEST_EXPOSURE_S)


def metered(image: Array, rng: np.random.Generator) -> Exposure:
    """The automatic exposure for radiance (H, W, 3), with a random error."""
    level = float(np.exp(np.log(image.mean(2) + _BLACK).mean()))
    gain = min(0.2 / level, _MOST_GAIN) * float(rng.uniform(0.75, 1.3))
    return Exposure(gain, gain * rng.uniform(0.94, 1.06, 3).astype(np.float32))


def developed(
    image: Array, exposure: Exposure, rng: np.random.Generator, motion: Moving | None = None
) -> npt.NDArray[np.uint8]:
    """Radiance (H, W, 3) to an image: motion blur, halos, lens blur, noise that grows with the
    gain, gamma. motion: None where nothing moves."""
    gain = exposure.gain
    spread = 0.6 * image.shape[1] / 640 + 0.25
    if motion is not None:
        image = motion.smeared(image, exposure.seconds)
    sharp = _bloom(np.asarray(image * exposure.balance, np.float32))
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), spread), np.float32)
    sigma = np.sqrt(np.minimum(soft, 4.0) * 2e-5 * gain + (8e-4 * gain) ** 2 + 3e-3**2)
    noisy = soft + sigma * rng.standard_normal(soft.shape, np.float32)
    return np.asarray(np.clip(noisy, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)


def expose(
    light: Array, rng: np.random.Generator, motion: Moving | None = None
) -> npt.NDArray[np.uint8]:
    """Radiance (3, H, W) to an image (H, W, 3) uint8 as a vehicle's camera would deliver it.

    Automatic exposure (first longer, then amplified up to a gain of 16), motion blur (motion;
    None: nothing moves), shot and read noise that grow with the gain, white balance error, lens
    blur, halos, gamma 2.2.
    """
    image = np.ascontiguousarray(np.moveaxis(light, 0, -1))
    return developed(image, metered(image, rng), rng, motion)
