# SPDX-License-Identifier: Apache-2.0
"""The polarization camera: Fresnel by hand, glass and wet roads that stand out, its mosaic."""

from math import atan, cos, radians

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.optics.reflection import fresnel
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.sensors.polarization import diffuse_dolp, expose, read, stokes
from segrgbx_core.scenes.street.materials import MATERIAL_ID, Label
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(320, 240, 70.0, "polarization")
Image = npt.NDArray[np.float32]


def seen(seed: int, condition: str) -> tuple[Image, Surfaces]:
    world = World(seed, 2.0, (condition,))
    surfaces = world.surfaces_at(0.5, CAMERA)
    return stokes(surfaces, world.condition_at(0.5), world.pose_at(0.5), world), surfaces


def dolp(light: Image) -> Image:
    return np.asarray(np.hypot(light[1], light[2]) / light[0], np.float32)


def four(mosaic: npt.NDArray[np.uint8]) -> tuple[Image, Image, Image, Image]:
    """The pixels behind 0, 45, 90 and 135 degrees."""
    m = mosaic.astype(np.float32)
    return m[1::2, 1::2], m[0::2, 1::2], m[0::2, 0::2], m[1::2, 0::2]


def test_fresnel_at_the_angles_one_knows_by_heart() -> None:
    straight = np.array([1.0], np.float32)
    for share in fresnel(straight, 1.5):
        assert share[0] == pytest.approx(0.04)
    brewster = np.array([cos(atan(1.5))], np.float32)
    across, along = fresnel(brewster, 1.5)
    # ((n^2 - 1) / (n^2 + 1))^2 = (1.25 / 3.25)^2
    assert across[0] == pytest.approx(0.1479, abs=1e-4)
    assert along[0] == pytest.approx(0, abs=1e-6)
    assert [s[0] for s in fresnel(np.array([0.0], np.float32), 1.5)] == [1.0, 1.0]


def test_scattered_light_is_polarized_only_at_a_slant() -> None:
    cosine = np.array([1.0, cos(radians(60))], np.float32)
    straight, slanted = diffuse_dolp(cosine, np.float32(1.5))
    assert straight == 0
    # n = 1.5, sin^2 = 0.75: 0.5208 / (6.5 - 3.5208 + 2 * 1.2247)
    assert slanted == pytest.approx(0.0959, abs=1e-3)


def test_glass_stands_out_from_the_wall_around_it() -> None:
    dolps: dict[str, list[Image]] = {"glass": [], "masonry": [], "asphalt": []}
    for seed in range(5):
        light, surfaces = seen(seed, "day")
        for name, values in dolps.items():
            values.append(dolp(light)[surfaces.material == MATERIAL_ID[name]])
    glass, wall, road = (float(np.median(np.concatenate(v))) for v in dolps.values())
    # Curtains behind a pane scatter light that is not polarized.
    assert glass > 0.2
    assert glass > 5 * wall
    assert glass > 2 * road


def test_a_wet_road_is_polarized_along_the_horizon_and_a_dry_one_hardly() -> None:
    (dry, surfaces), (wet, _) = seen(3, "day"), seen(3, "wet")
    road = surfaces.label == Label.ROAD
    assert np.median(dolp(wet)[road]) > 1.5 * np.median(dolp(dry)[road])
    assert np.median(dolp(wet)[road]) > 0.15
    turn = 0.5 * np.arctan2(wet[2], wet[1])[road]
    assert np.median(np.abs(turn)) < radians(15)


def test_windows_along_the_street_are_polarized_upright() -> None:
    light, surfaces = seen(3, "day")
    side = (surfaces.material == MATERIAL_ID["glass"]) & (np.abs(surfaces.normal[0]) > 0.9)
    strong = side & (dolp(light) > 0.2)
    assert strong.sum() > 50
    turn = 0.5 * np.arctan2(light[2], light[1])[strong]
    assert np.median(np.abs(np.abs(turn) - np.pi / 2)) < radians(20)


def test_fog_hides_polarization_with_distance() -> None:
    (clear, surfaces), (fog, _) = seen(3, "day"), seen(3, "fog")
    glass = (surfaces.material == MATERIAL_ID["glass"]) & (surfaces.depth > 20)
    assert np.median(dolp(fog)[glass]) < 0.3 * np.median(dolp(clear)[glass])


@pytest.mark.parametrize("degrees", [0, 30, 90, 120])
def test_the_mosaic_gives_back_degree_and_angle(degrees: int) -> None:
    turn = 2 * radians(degrees)
    light = np.ones((3, 64, 64), np.float32) * 0.3
    light[1] *= 0.5 * np.cos(turn)
    light[2] *= 0.5 * np.sin(turn)
    i0, i45, i90, i135 = four(expose(light, np.random.default_rng(0)))
    s0, s1, s2 = (i0 + i45 + i90 + i135) / 2, i0 - i90, i45 - i135
    assert np.hypot(s1.mean(), s2.mean()) / s0.mean() == pytest.approx(0.5, abs=0.02)
    angle = np.degrees(0.5 * np.arctan2(s2.mean(), s1.mean())) % 180
    assert min(abs(angle - degrees), 180 - abs(angle - degrees)) < 2


def test_both_crossed_pairs_hold_the_same_light() -> None:
    world = World(3, 2.0, ("day",))
    mosaic = read(world, CAMERA, 0.5, np.random.default_rng(0))
    assert mosaic.shape == (240, 320)
    assert mosaic.dtype == np.uint8
    i0, i45, i90, i135 = four(mosaic)
    usable = (mosaic.reshape(120, 2, 160, 2).max((1, 3)) < 250) & (i0 + i90 > 20)
    difference = np.abs(i0 + i90 - i45 - i135)[usable] / (i0 + i90)[usable]
    assert usable.mean() > 0.5
    assert np.median(difference) < 0.06
