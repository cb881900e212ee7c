# SPDX-License-Identifier: Apache-2.0
"""Surfaces as a long-wave infrared camera sees them: apparent temperature."""

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array, PinholeCamera
from segrgbx_core.scenes.optics.noise import noise_at
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import EMISSIVITY, NIGHT_OFFSET, SUN_GAIN, Label
from segrgbx_core.scenes.street.world import World

_ZERO_CELSIUS = 273.15
_NOISE_KELVIN = 0.07
_COLUMN_KELVIN = 0.04
_INFRARED_SHARE_OF_FOG = 0.3


def apparent_celsius(surfaces: Surfaces, condition: Condition) -> Array:
    """(H, W) float32 degrees C, from surface temperature, reflected sky and the air between."""
    material = surfaces.material
    sun = condition.daylight
    exposure = 0.45 + 0.55 * surfaces.sunlit
    own = surfaces.heat + sun * SUN_GAIN[material] * exposure + (1 - sun) * NIGHT_OFFSET[material]
    patches = noise_at(surfaces.position[0] + surfaces.position[2], surfaces.position[1], 9.0)
    own = condition.air_celsius + own + 1.2 * (patches - 0.5)
    length = np.sqrt((surfaces.rays**2).sum(0))
    up = np.clip(surfaces.rays[2] / length, 0.0, 1.0)
    overcast = 8.0 if condition.name in ("fog", "wet") else 28.0
    sky = condition.air_celsius - overcast * np.sqrt(up + 0.02)
    mirrored = condition.air_celsius - 0.5 * overcast
    share = EMISSIVITY[material]
    seen = share * own + (1 - share) * mirrored
    seen = np.where(surfaces.label == Label.SKY, sky, seen)
    distance = np.minimum(surfaces.depth, 400.0)
    clear = np.exp(-(_INFRARED_SHARE_OF_FOG * condition.fog + 0.0004) * distance)
    clear = np.where(surfaces.label == Label.SKY, np.where(condition.fog > 0.01, 0.2, 1.0), clear)
    return np.asarray(condition.air_celsius + (seen - condition.air_celsius) * clear, np.float32)


def expose(celsius: Array, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Degrees C (H, W) to a TLinear reading (H, W) uint16 in kelvin x 100.

    Lens blur, temporal noise and column noise of an uncooled microbolometer.
    """
    height, width = celsius.shape
    soft = cv2.GaussianBlur(celsius, (0, 0), 0.7 * width / 320 + 0.2)
    noise = _NOISE_KELVIN * rng.standard_normal((height, width), np.float32)
    columns = _COLUMN_KELVIN * rng.standard_normal((1, width), np.float32)
    kelvin = soft + noise + columns + _ZERO_CELSIUS
    return np.asarray(np.clip(kelvin * 100, 0, 65535) + 0.5, np.uint16)


def read(
    world: World, camera: PinholeCamera, seconds: float, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """The thermal camera's frame at that time, (H, W) uint16 in kelvin x 100."""
    celsius = apparent_celsius(world.surfaces_at(seconds, camera), world.condition_at(seconds))
    return expose(celsius, rng)
