# SPDX-License-Identifier: Apache-2.0
"""Views to a tiled image and back."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.readings import LightFieldViews
from segrgbx_core.tiles import tiled, views_from_tiles

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("shape", [(6, 4, 5), (6, 4, 5, 3)])
def test_views_come_back_from_their_tiles(shape: tuple[int, ...]) -> None:
    views = RNG.integers(0, 256, shape).astype(np.uint8)
    rows, columns = np.indices((2, 3)).reshape(2, -1)
    image = tiled(LightFieldViews(views, rows, columns))
    assert image.shape == (8, 15, *shape[3:])
    np.testing.assert_array_equal(image[4:, 5:10], views[4])
    back = views_from_tiles(image, 2, 3)
    np.testing.assert_array_equal(back.views, views)
    assert back.rows.tolist() == rows.tolist()
    assert back.columns.tolist() == columns.tolist()


def test_views_in_any_order_and_numbered_from_any_place() -> None:
    views = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    field = LightFieldViews(views, np.array([6, 5, 6, 5]), np.array([5, 5, 4, 4]))
    assert tiled(field)[::2, ::2].tolist() == [[3, 1], [2, 0]]


def test_a_grid_with_a_gap_has_no_tiles() -> None:
    views = np.zeros((3, 2, 2), np.uint8)
    with pytest.raises(InputError, match=r"3 views .*2 rows and 2 columns"):
        tiled(LightFieldViews(views, np.array([0, 0, 1]), np.array([0, 1, 0])))


@pytest.mark.parametrize(
    ("image", "rows", "columns", "words"),
    [
        (np.zeros((9, 10), np.uint8), 3, 3, "10x9, .*3 columns and 3 rows"),
        (np.zeros((9, 9), np.uint8), 0, 3, "do not divide"),
        (np.zeros((9, 9), np.uint16), 3, 3, "uint16 values"),
        (np.zeros((9,), np.uint8), 3, 3, r"uint8 values of shape \(9,\)"),
    ],
)
def test_an_image_that_is_no_grid(
    image: npt.NDArray[np.uint8], rows: int, columns: int, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        views_from_tiles(image, rows, columns)
