# SPDX-License-Identifier: Apache-2.0
"""Exposure is longer in the dark, and moving objects get motion blur."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.readings import LightFieldViews
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_core.scenes.optics.camera import Array, PinholeCamera
from segrgbx_core.scenes.optics.motion import image_motion, moving
from segrgbx_core.scenes.optics.warp import Moving
from segrgbx_core.scenes.sensors.visible import LONGEST_EXPOSURE_S, metered
from segrgbx_core.scenes.street.light import make_condition
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(160, 120, 70.0, "rgb")
HEIGHT, WIDTH = 20, 60


def plane(value: float) -> Array:
    return np.full((HEIGHT, WIDTH), value, np.float32)


def to_the_right(pixels_a_second: float) -> Array:
    return np.stack([plane(pixels_a_second), plane(0.0)])


def bar(first: int, last: int) -> Array:
    image = plane(0.0)
    image[:, first:last] = 1.0
    return image[..., None]


def test_what_stands_still_stays_sharp() -> None:
    image = bar(30, 33)
    assert np.array_equal(Moving(plane(10.0), to_the_right(0.0)).smeared(image, 0.025), image)


def test_a_moving_bar_smears_over_as_many_pixels_as_it_passes() -> None:
    image = bar(30, 33)
    smeared = Moving(plane(10.0), to_the_right(400.0)).smeared(image, 0.025)
    row = smeared[10, :, 0]
    assert row.sum() == pytest.approx(3.0, rel=0.02)
    assert row.max() == pytest.approx(0.3, abs=0.05)
    lit = np.flatnonzero(row > 0.01)
    assert 10 <= lit[-1] - lit[0] <= 14
    assert lit.mean() == pytest.approx(31.0, abs=0.6)


def test_the_still_background_of_a_moving_thing_stays_sharp() -> None:
    image = bar(30, 40)
    image[:, 5, 0] = 1.0
    depth, velocity = plane(50.0), to_the_right(0.0)
    depth[:, 30:40], velocity[0, :, 30:40] = 5.0, 240.0
    smeared = Moving(depth, velocity).smeared(image, 0.025)
    assert np.array_equal(smeared[:, :20], image[:, :20])
    assert 0.05 < smeared[10, 41, 0] < 0.95


def test_exposure_grows_as_light_fades_up_to_25_ms() -> None:
    rng = np.random.default_rng(0)
    seconds = [
        metered(np.full((8, 8, 3), level, np.float32), rng).seconds for level in (0.3, 0.03, 1e-4)
    ]
    assert seconds[0] < 0.002
    assert seconds[0] < seconds[1] < seconds[2] <= LONGEST_EXPOSURE_S
    assert seconds[2] > 0.015


def test_velocity_is_the_motion_of_a_moment() -> None:
    world = World(5, 2.0, ("night",))
    surfaces, condition = world.surfaces_at(1.0, CAMERA), world.condition_at(1.0)
    later = 1.0 + LONGEST_EXPOSURE_S
    parts = world.street.parts_of(world.things_at(1.0), condition, later)
    motion = image_motion(surfaces, parts, CAMERA, world.pose_at(later))
    velocity = moving(surfaces, world, CAMERA, 1.0).velocity
    assert np.abs(motion).max() > 1
    np.testing.assert_allclose(velocity * LONGEST_EXPOSURE_S, motion, atol=1e-3)


def test_a_night_away_from_lamps_is_a_twentieth_as_bright_as_below_one() -> None:
    below_a_lamp = 0.45 / 6.3**2
    for seed in range(20):
        night = make_condition("night", np.random.default_rng(seed))
        assert 0.005 < max(night.ambient) / below_a_lamp < 0.05


def unmoved(_: Moving, image: Array, seconds: float) -> Array:
    assert 0 < seconds <= LONGEST_EXPOSURE_S
    return image


def readings(modality: str, condition: str) -> list[npt.NDArray[np.uint8]]:
    settings = DriveSettings(
        modality=modality, width=160, height=120, seed=5, conditions=(condition,)
    )
    drive = Drive(settings)
    x = drive.x_at(0.5).reading
    views = x.views if isinstance(x, LightFieldViews) else x
    assert isinstance(views, np.ndarray)
    return [drive.rgb_at(0.5).image, views]


@pytest.mark.parametrize("modality", ["polarization", "light_field"])
def test_every_camera_of_visible_light_smears_at_night(
    modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = {name: readings(modality, name) for name in ("day", "night")}
    monkeypatch.setattr(Moving, "smeared", unmoved)
    still = {name: readings(modality, name) for name in ("day", "night")}
    for at_night, by_day, frozen_night, frozen_day in zip(
        moved["night"], moved["day"], still["night"], still["day"], strict=True
    ):
        night = np.abs(at_night.astype(int) - frozen_night).mean()
        day = np.abs(by_day.astype(int) - frozen_day).mean()
        assert night > 0.5
        assert day < 0.6 * night
