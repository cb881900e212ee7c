# SPDX-License-Identifier: Apache-2.0
"""Planes on the RGB grid by resize and homography, with validity and without leaks from holes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Homography, resize_planes, warp_planes
from segrgbx_core.readings import Planes


def ramp(height: int = 24, width: int = 32) -> Planes:
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    data = np.stack([u / width, v / height, (u + v) / (width + height)])
    return Planes(data, np.ones((height, width), bool))


def holed(planes: Planes, seed: int, share: float, hidden: float = 0.0) -> Planes:
    """The planes with invalid pixels that hold the value `hidden`."""
    hole = np.random.default_rng(seed).random(planes.valid.shape) < share
    return Planes(np.where(hole, np.float32(hidden), planes.data), planes.valid & ~hole)


def shift(u: float, v: float) -> Homography:
    return Homography(np.array([[1, 0, u], [0, 1, v], [0, 0, 1.0]]))


def test_the_same_size_is_left_alone() -> None:
    planes = ramp()
    assert resize_planes(planes, (24, 32)) is planes


def test_enlarging_by_two_by_hand() -> None:
    planes = Planes(np.array([[[0.0, 1.0]]] * 3, np.float32), np.ones((1, 2), bool))
    enlarged = resize_planes(planes, (2, 4))
    # Half-pixel centres: the four new columns lie at -0.25, 0.25, 0.75, 1.25 of the old two.
    np.testing.assert_allclose(enlarged.data[0], [[0, 0.25, 0.75, 1]] * 2, atol=1e-6)
    assert enlarged.valid.all()


def test_shrinking_takes_the_mean_of_the_valid_pixels() -> None:
    data = np.array([[[0.2, 0.4], [0.0, 0.6]]] * 3, np.float32)
    valid = np.array([[True, True], [False, True]])
    shrunk = resize_planes(Planes(data, valid), (1, 1))
    np.testing.assert_allclose(shrunk.data[:, 0, 0], 0.4, atol=1e-6)
    valid = np.array([[False, True], [False, False]])
    assert not resize_planes(Planes(data, valid), (1, 1)).valid.any()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    share=st.floats(0, 1),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_what_lies_in_holes_never_shows(seed: int, share: float, size: tuple[int, int]) -> None:
    grey = Planes(np.full((3, 24, 32), 0.25, np.float32), np.ones((24, 32), bool))
    turn = Homography(np.array([[1.1, 0.2, -3], [-0.1, 0.9, 4], [1e-3, -1e-3, 1]]))
    for hidden in (0.0, 1.0, np.nan):
        planes = holed(grey, seed, share, hidden)
        results = [resize_planes(planes, size)]
        if min(size) > 20:
            results.append(warp_planes(planes, turn, size))
        for result in results:
            assert result.data.shape == (3, *size)
            np.testing.assert_allclose(result.data[:, result.valid], 0.25, atol=1e-5)
            assert (result.data[:, ~result.valid] == 0).all()


def test_a_whole_pixel_shift_moves_values_and_validity() -> None:
    planes = holed(ramp(), 3, 0.3)
    moved = warp_planes(planes, shift(5, 2), (24, 32))
    assert np.array_equal(moved.valid[2:, 5:], planes.valid[:-2, :-5])
    assert not moved.valid[:2].any()
    assert not moved.valid[:, :5].any()
    np.testing.assert_allclose(moved.data[:, 2:, 5:], planes.data[:, :-2, :-5], atol=1e-6)


def test_a_homography_and_its_inverse_lead_back() -> None:
    planes = ramp(48, 64)
    turn = np.array([[0.98, 0.1, 3], [-0.08, 1.02, 4], [2e-4, -1e-4, 1]])
    there = warp_planes(planes, Homography(turn), (60, 80))
    back = warp_planes(there, Homography(np.linalg.inv(turn)), (48, 64))
    assert back.valid[5:-5, 5:-5].all()
    both = back.valid[5:-5, 5:-5]
    off = np.abs(back.data - planes.data)[:, 5:-5, 5:-5][:, both]
    assert off.max() < 0.01


def test_a_homography_may_be_in_pixels_of_a_larger_x_image() -> None:
    planes = ramp()
    identity = shift(0, 0)
    expected = resize_planes(planes, (48, 64))
    warped = warp_planes(planes, identity, (48, 64), x_size=(48, 64))
    inner = np.s_[:, 2:-2, 2:-2]
    np.testing.assert_allclose(warped.data[inner], expected.data[inner], atol=1e-3)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.eye(4), r"shape \(4, 4\)"),
        (np.full((3, 3), np.nan), "nan.*3x3 finite numbers"),
        (np.zeros((3, 3)), "no inverse"),
    ],
)
def test_homographies_that_cannot_be_are_refused(matrix: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Homography(matrix)


def test_a_homography_past_the_image_is_named_and_holes_are_not() -> None:
    with pytest.raises(InputError, match=r"no X pixel .*32x24"):
        warp_planes(ramp(), shift(1000, 0), (24, 32))
    empty = holed(ramp(), 0, 1.1)
    assert not warp_planes(empty, shift(1, 0), (24, 32)).valid.any()
    with pytest.raises(InputError, match="RGB image is 0x0"):
        resize_planes(ramp(), (0, 0))
