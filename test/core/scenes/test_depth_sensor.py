# SPDX-License-Identifier: Apache-2.0
"""The depth camera: true depth within its noise, and holes where a real camera has them."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.sensors.depth import (
    BASELINE_M,
    FARTHEST_M,
    hidden_from_second_camera,
    noise_metres,
    read,
)
from segrgbx_core.scenes.street.materials import MATERIAL_ID, Label
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(320, 240, 70.0, "depth")


def seen(seed: int, condition: str) -> tuple[npt.NDArray[np.uint16], Surfaces]:
    world = World(seed, 2.0, (condition,))
    return read(world, CAMERA, 0.5, np.random.default_rng(1)), world.surfaces_at(0.5, CAMERA)


def test_depth_is_the_truth_but_for_the_noise_it_says() -> None:
    reading, surfaces = seen(3, "day")
    assert reading.dtype == np.uint16
    kept = (reading > 0) & (surfaces.material != MATERIAL_ID["glass"])
    true = surfaces.depth[kept]
    error = (reading[kept] / 1000 - true) / noise_metres(true, CAMERA.fx)
    assert kept.mean() > 0.4
    assert 0.9 < error.std() < 1.1
    assert abs(error.mean()) < 0.05


def test_noise_grows_with_distance_squared() -> None:
    near, far = noise_metres(np.array([5.0, 20.0], np.float32), 457.0)
    assert far == pytest.approx(16 * near)
    # 0.08 px of disparity at 5 m: 25 * 0.08 / (457 * 0.12) m.
    assert near == pytest.approx(0.03647, abs=1e-4)


def test_sky_and_what_is_out_of_range_are_holes() -> None:
    reading, surfaces = seen(3, "day")
    assert (reading[surfaces.label == Label.SKY] == 0).all()
    assert (reading[surfaces.depth > FARTHEST_M + 15] == 0).all()


def test_glass_is_mostly_a_hole_and_walls_are_not() -> None:
    holes: dict[str, list[npt.NDArray[np.bool_]]] = {"glass": [], "masonry": []}
    for seed in range(4):
        reading, surfaces = seen(seed, "day")
        for name, zeros in holes.items():
            there = (surfaces.material == MATERIAL_ID[name]) & (surfaces.depth < 40)
            zeros.append(reading[there] == 0)
    assert np.concatenate(holes["glass"]).mean() > 0.6
    assert np.concatenate(holes["masonry"]).mean() < 0.1


def test_it_brings_its_own_light_so_night_is_like_day_and_fog_is_not() -> None:
    day, night, fog = (seen(4, name)[0] for name in ("day", "night", "fog"))
    np.testing.assert_array_equal(day, night)
    assert (fog == 0).mean() > 1.2 * (day == 0).mean()


def test_a_wet_road_answers_less_far() -> None:
    (dry, surfaces), (wet, _) = seen(3, "day"), seen(3, "wet")
    far = (surfaces.label == Label.ROAD) & (surfaces.depth > 15) & (surfaces.depth < 30)
    assert (wet[far] == 0).mean() > 2 * (dry[far] == 0).mean()


def test_beside_a_near_edge_the_second_camera_sees_nothing() -> None:
    depth = np.full((1, 40), 10.0, np.float32)
    depth[0, 20:25] = 1.0
    focal = 10.0 / BASELINE_M
    # Disparity 10 px near and 1 px far: columns 20..24 land at 10..14 and 11..15 hides there.
    hidden = hidden_from_second_camera(depth, focal)
    assert np.flatnonzero(hidden[0]).tolist() == list(range(11, 20))


def test_a_plain_surface_hides_nothing_of_itself() -> None:
    slope = np.linspace(3, 4, 50, dtype=np.float32)[None]
    for depth in (slope, slope[:, ::-1], np.full((2, 9), np.inf, np.float32)):
        assert not hidden_from_second_camera(depth, 400.0).any()
