# SPDX-License-Identifier: Apache-2.0
"""Rays against solids, by hand."""

from math import tan

import numpy as np
import pytest

from segrgbx_core.scenes.optics.camera import CameraPose, PinholeCamera, pixel_rays
from segrgbx_core.scenes.optics.raycast import GROUND, SKY, Hits, cast
from segrgbx_core.scenes.street.materials import Label
from segrgbx_core.scenes.street.parts import PartBuilder, PartTable, Solid

CAMERA = PinholeCamera.with_field_of_view(65, 49, 60.0, "camera")
POSE = CameraPose((0.0, 0.0, 1.5))
MIDDLE = (24, 32)


def one(
    solid: Solid, half: tuple[float, float, float], at: tuple[float, float, float]
) -> PartTable:
    parts = PartBuilder(Label.CAR)
    parts.add(solid, (0, 0, 0), half, "car_paint", (0.5, 0.5, 0.5))
    return parts.table().placed(at, 0.0)


def seen(parts: PartTable) -> Hits:
    return cast(parts, CAMERA, POSE)


def test_the_middle_ray_looks_along_the_road() -> None:
    rays = pixel_rays(CAMERA, POSE)
    assert rays[:, 24, 32].tolist() == [0.0, 1.0, 0.0]
    assert rays[0, 24, 64] == pytest.approx(tan(np.radians(30)) * 64 / 65, abs=1e-5)


def test_yaw_turns_left_and_pitch_looks_up() -> None:
    left = CameraPose((0, 0, 0), yaw=0.1).axes()[2]
    assert left[0] < 0
    up = CameraPose((0, 0, 0), pitch=0.1).axes()[2]
    assert up[2] > 0


def test_empty_ground_is_as_deep_as_similar_triangles_say() -> None:
    hits = seen(one(Solid.BOX, (1, 1, 1), (0, -50, 0)))
    v = 40
    # Height 1.5 over the slope of the row's ray.
    assert hits.depth[v, 32] == pytest.approx(1.5 / ((v - CAMERA.cy) / CAMERA.fy), rel=1e-5)
    assert hits.part[v, 32] == GROUND
    assert hits.part[5, 32] == SKY
    assert np.isinf(hits.depth[5, 32])


@pytest.mark.parametrize("solid", [Solid.BOX, Solid.ELLIPSOID, Solid.CYLINDER])
def test_the_front_of_a_solid_is_half_its_size_nearer(solid: Solid) -> None:
    hits = seen(one(solid, (1.0, 2.0, 1.0), (0, 12, 1.5)))
    assert hits.depth[MIDDLE] == pytest.approx(10.0, abs=1e-4)
    assert hits.normal[:, 24, 32] == pytest.approx([0, -1, 0], abs=1e-4)
    assert hits.local[:, 24, 32] == pytest.approx([0, -2, 0], abs=1e-4)


def test_a_ring_can_be_looked_through() -> None:
    ring = one(Solid.WHEEL, (0.1, 1.0, 1.0), (0, 0, 0)).placed((0, 0, 0), np.pi / 2)
    hits = seen(ring.placed((0, 5, 1.5), 0.0))
    assert hits.part[MIDDLE] != 0
    assert (hits.part == 0).any()
    assert np.isin(hits.depth[hits.part == 0].round(3), 5.0).all()


def test_the_nearer_solid_hides_the_farther() -> None:
    near, far = one(Solid.BOX, (1, 1, 1), (0, 8, 1)), one(Solid.BOX, (3, 1, 3), (0, 20, 1))
    from segrgbx_core.scenes.street.parts import joined

    for order in ([near, far], [far, near]):
        hits = seen(joined(order))
        assert hits.depth[MIDDLE] == pytest.approx(7.0, abs=1e-4)


def test_a_solid_behind_and_around_the_camera_is_drawn_only_ahead() -> None:
    wall = one(Solid.BOX, (0.5, 30.0, 4.0), (3.0, 0.0, 0.0))
    hits = seen(wall)
    assert (hits.part[:, :30] != 0).all()
    assert (hits.part[20, 45:] == 0).any()
    at = hits.part == 0
    position = np.array(POSE.position)[:, None] + hits.depth[at] * hits.rays[:, at]
    assert position[0] == pytest.approx(2.5, abs=1e-3)
