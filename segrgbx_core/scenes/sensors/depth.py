# SPDX-License-Identifier: Apache-2.0
"""Surfaces as an active stereo camera measures them: noise, and holes where no light returns.

It has its own infrared light, so night changes nothing; fog, dark slanted surfaces, mirrors
and distance do. Noise of the disparity in pixels becomes depth noise that grows with the square
of the distance: Z = f b / d, hence dZ = Z^2 dd / (f b).
"""

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.optics.camera import Array, PinholeCamera
from segrgbx_core.scenes.optics.reflection import facing_cosine, water_film
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import MATERIAL_ID
from segrgbx_core.scenes.street.world import World

BASELINE_M = 0.12
DISPARITY_NOISE_PX = 0.08
NEAREST_M, FARTHEST_M = 0.4, 60.0
_LEAST_SIGNAL = 1.2e-5
_FOLIAGE = (MATERIAL_ID["foliage"], MATERIAL_ID["grass"])
_FOLIAGE_IN_INFRARED = 0.5
_MIRROR_COSINE = 0.985
_ROOM_BEHIND_GLASS_M = 2.5


def noise_metres(depth: Array, focal_px: float) -> Array:
    """Standard deviation in metres of a measured planar depth in metres."""
    return np.asarray(depth**2 * (DISPARITY_NOISE_PX / (focal_px * BASELINE_M)), np.float32)


def hidden_from_second_camera(depth: Array, focal_px: float) -> npt.NDArray[np.bool_]:
    """(H, W) whether a nearer surface hides the pixel from the camera one baseline to the right.

    A pixel at column u is at column u - d in that camera. It is hidden where a pixel further
    right here lands at the same column or further left there.
    """
    columns = np.arange(depth.shape[1], dtype=np.float32)
    there = columns - focal_px * BASELINE_M / np.maximum(depth, NEAREST_M)
    least = np.minimum.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    following = np.concatenate([least[:, 1:], np.full((len(depth), 1), np.inf)], axis=1)
    return np.asarray(following <= there)


def _answer(surfaces: Surfaces, condition: Condition) -> Array:
    """(H, W) share of the emitted light that returns, up to a constant, in 1/m^2."""
    shine = surfaces.color.mean(0)
    shine = np.where(np.isin(surfaces.material, _FOLIAGE), _FOLIAGE_IN_INFRARED, shine)
    distance = surfaces.depth * np.sqrt((surfaces.rays**2).sum(0))
    spread = np.where(np.isfinite(distance), np.maximum(distance, NEAREST_M), np.inf)
    absorbed = 1 - 0.9 * water_film(surfaces, condition)
    clear = np.exp(-2 * condition.fog * spread)
    return np.asarray(shine * facing_cosine(surfaces) * absorbed * clear / spread**2, np.float32)


def _patches(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> Array:
    """(H, W) noise of mean 0 and deviation 1, correlated over about `size` pixels."""
    rough = rng.standard_normal(shape, np.float32)
    smooth = np.asarray(cv2.GaussianBlur(rough, (0, 0), size), np.float32)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float32)


def _no_answer(
    surfaces: Surfaces, condition: Condition, focal_px: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Where stereo matching fails."""
    with np.errstate(divide="ignore"):
        margin = np.log(_answer(surfaces, condition) / _LEAST_SIGNAL)
    luck = _patches(surfaces.depth.shape, 1.5, rng)
    weak = margin + 0.4 * luck < 0
    edge = hidden_from_second_camera(surfaces.depth, focal_px).astype(np.uint8)
    near_edge = (cv2.dilate(edge, np.ones((3, 3), np.uint8)) > 0) & (luck > 0)
    out_of_range = ~((surfaces.depth > NEAREST_M) & (surfaces.depth < FARTHEST_M))
    return np.asarray(weak | (edge > 0) | near_edge | out_of_range)


def measured(
    surfaces: Surfaces, condition: Condition, focal_px: float, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """(H, W) uint16 millimetres, 0 where there is no measurement.

    Glass seen at a slant reflects the pattern away: mostly a hole, in patches the room behind it.
    """
    shape = surfaces.depth.shape
    true = np.where(np.isfinite(surfaces.depth), surfaces.depth, np.float32(0))
    slanted = facing_cosine(surfaces) < _MIRROR_COSINE
    mirror = (surfaces.material == MATERIAL_ID["glass"]) & slanted
    through = mirror & (_patches(shape, 3.0, rng) > 1.0)
    reached = true + _ROOM_BEHIND_GLASS_M * through
    mixed = 0.8 * rng.standard_normal(shape, np.float32) + 0.6 * _patches(shape, 1.5, rng)
    metres = reached + noise_metres(reached, focal_px) * mixed
    hole = _no_answer(surfaces, condition, focal_px, rng) | (mirror & ~through)
    kept = ~hole & (metres > NEAREST_M) & (metres < FARTHEST_M)
    return np.asarray(np.where(kept, metres * 1000 + 0.5, 0), np.uint16)


def read(
    world: World, camera: PinholeCamera, seconds: float, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """The depth camera's frame at that time, (H, W) uint16 millimetres, 0 without measurement."""
    surfaces = world.surfaces_at(seconds, camera)
    return measured(surfaces, world.condition_at(seconds), camera.fx, rng)
