# SPDX-License-Identifier: Apache-2.0
"""Image motion and in-between frames, against frames rendered at that time."""

import numpy as np
import pytest

from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.optics.motion import Between, image_motion, keyframe
from segrgbx_core.scenes.street.materials import Label
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(160, 120, 70.0, "event")


def test_the_ground_moves_as_similar_triangles_say() -> None:
    world = World(3, 2.0, ("day",))
    surfaces = world.surfaces_at(0.5, CAMERA)
    condition = world.condition_at(0.5)
    parts = world.street.parts_of(world.things_at(0.5), condition, 0.6)
    motion = image_motion(surfaces, parts, CAMERA, world.pose_at(0.6))
    pose = world.pose_at(0.6)
    for v, u in ((110, 80), (100, 40), (115, 120)):
        assert surfaces.label[v, u] in (Label.ROAD, Label.LANE_MARKING)
        right, down, ahead = pose.axes() @ (surfaces.position[:, v, u] - np.array(pose.position))
        assert u + motion[0, v, u] == pytest.approx(
            CAMERA.cx + CAMERA.fx * right / ahead, abs=1e-3
        )
        assert v + motion[1, v, u] == pytest.approx(CAMERA.cy + CAMERA.fy * down / ahead, abs=1e-3)
        assert motion[1, v, u] > 0.5


def test_nothing_moves_while_no_time_passes() -> None:
    world = World(5, 2.0, ("day",))
    surfaces, condition = world.surfaces_at(0.5, CAMERA), world.condition_at(0.5)
    parts = world.street.parts_of(world.things_at(0.5), condition, 0.5)
    motion = image_motion(surfaces, parts, CAMERA, world.pose_at(0.5))
    assert np.abs(motion).max() < 0.02


def test_the_middle_frame_is_near_what_is_rendered_then() -> None:
    """Seed 5 meets a car at 1.5 s, which moves about 10 pixels in the 25 ms."""
    world = World(5, 5.0, ("day",))
    condition = world.condition_at(1.5)
    first, middle, last = (
        keyframe(world, CAMERA, t, 0.025, condition) for t in (1.5, 1.5125, 1.525)
    )
    assert np.abs(first.after).max() > 5
    between = Between(first, last)
    truth = np.log(middle.image + 1e-3)

    def wrong(image: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
        return float((np.abs(np.log(image + 1e-3) - truth) > 0.2).mean())

    faded = np.asarray((first.image + last.image) / 2, np.float32)
    assert wrong(between(0.5)) < 0.6 * wrong(faded)
    assert wrong(between(0.5)) < 0.06


def test_the_frames_in_between_begin_and_end_with_the_keyframes() -> None:
    world = World(3, 2.0, ("dusk",))
    condition = world.condition_at(0.5)
    first, last = (keyframe(world, CAMERA, t, 0.025, condition) for t in (0.5, 0.525))
    between = Between(first, last)
    np.testing.assert_array_equal(between(0.0), first.image)
    np.testing.assert_array_equal(between(1.0), last.image)
    near_first = np.abs(between(0.01) - first.image)
    assert (near_first > 0.05).mean() < 0.01
