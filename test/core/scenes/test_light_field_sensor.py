# SPDX-License-Identifier: Apache-2.0
"""The camera array: disparity is f b / Z, in both directions."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.readings import LightFieldViews
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.sensors.light_field import baseline, read
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(200, 150, 70.0, "light_field")
Image = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def light_field() -> tuple[LightFieldViews, Image]:
    """The views, and the depth of the central one."""
    world = World(3, 2.0, ("day",))
    views = read(world, CAMERA, 0.5, np.random.default_rng(1))
    return views, world.surfaces_at(0.5, CAMERA).depth


def grey(field: LightFieldViews, row: int, column: int) -> Image:
    at = (field.rows == row) & (field.columns == column)
    return np.asarray(field.views[at][0].mean(2), np.float32)


def test_nine_views_of_a_grid(light_field: tuple[LightFieldViews, Image]) -> None:
    field, _ = light_field
    assert field.views.shape == (9, 150, 200, 3)
    assert field.views.dtype == np.uint8
    assert field.rows.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert field.columns.tolist() == [0, 1, 2] * 3


def test_the_baseline_makes_4_pixels_at_2_and_a_half_metres() -> None:
    assert CAMERA.fx * baseline(CAMERA) / 2.5 == pytest.approx(4.0)


@pytest.mark.parametrize(("row", "column"), [(1, 2), (1, 0), (2, 1), (0, 1), (2, 2)])
def test_a_neighbour_shows_each_point_f_b_over_z_away(
    light_field: tuple[LightFieldViews, Image], row: int, column: int
) -> None:
    field, depth = light_field
    disparity = CAMERA.fx * baseline(CAMERA) / depth
    x, y = np.meshgrid(np.arange(200, dtype=np.float32), np.arange(150, dtype=np.float32))
    moved = grey(field, row, column)
    near = (depth < 12) & (x > 8) & (x < 192) & (y > 8) & (y < 142)
    middle = grey(field, 1, 1)
    edge = np.abs(cv2.Laplacian(cv2.GaussianBlur(middle, (0, 0), 1), cv2.CV_32F)) > 6

    def error(scale: float) -> float:
        """Mean difference where there is contrast, for that share of the true disparity."""
        shift = np.asarray(scale * disparity, np.float32)
        there = cv2.remap(moved, x - (column - 1) * shift, y - (row - 1) * shift, cv2.INTER_LINEAR)
        return float(np.abs(there - middle)[near & edge].mean())

    assert (near & edge).sum() > 200
    right = error(1.0)
    assert right < 0.6 * error(0.0)
    assert right < 0.75 * error(2.0)
    assert right < error(0.7)
    assert right < error(1.3)
