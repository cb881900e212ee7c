# SPDX-License-Identifier: Apache-2.0
"""The display colours of each sensor's planes."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.modality import MODALITIES
from segrgbx_core.pictures.frames import INVALID, x_picture


def planes(*values: float) -> npt.NDArray[np.float32]:
    """The colour of one pixel with these three planes."""
    return np.array(values, np.float32).reshape(3, 1, 1)


@pytest.mark.parametrize("modality", MODALITIES)
def test_size_type_and_invalid_pixels(modality: str) -> None:
    data = np.random.default_rng(0).random((3, 4, 6), np.float32)
    valid = np.ones((4, 6), np.bool_)
    valid[1, 2] = False
    picture = x_picture(data, modality, valid)
    assert picture.shape == (4, 6, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[1, 2]) == INVALID
    np.testing.assert_array_equal(picture[valid], x_picture(data, modality)[valid])


def test_near_is_red_and_far_is_blue() -> None:
    near = x_picture(planes(0.95, 0, 0), "depth")[0, 0].astype(int)
    far = x_picture(planes(0.1, 0, 0), "depth")[0, 0].astype(int)
    assert near[0] > near[2] + 100
    assert far[2] > far[0] + 100


def test_unsure_disparity_is_grey() -> None:
    sure = x_picture(planes(0.9, 1.0, 1), "light_field")[0, 0]
    unsure = x_picture(planes(0.9, 0.0, 1), "light_field")[0, 0]
    assert np.ptp(sure) > 100
    assert np.ptp(unsure) == 0


def test_the_angle_of_polarization_is_a_hue_without_a_jump() -> None:
    """2a = 0 is red, 120 degrees green, 240 degrees blue; a and a + 180 degrees are one colour."""

    def at(twice_degrees: float) -> npt.NDArray[np.int64]:
        turn = np.deg2rad(twice_degrees)
        pixel = planes(1.0, (1 + np.sin(turn)) / 2, (1 + np.cos(turn)) / 2)
        return x_picture(pixel, "polarization")[0, 0].astype(np.int64)

    assert [int(at(angle).argmax()) for angle in (0, 120, 240)] == [0, 1, 2]
    assert np.abs(at(359) - at(1)).max() <= 12


def test_unpolarized_light_has_no_colour() -> None:
    assert np.ptp(x_picture(planes(0.0, 0.5, 0.5), "polarization")[0, 0]) == 0
