# SPDX-License-Identifier: Apache-2.0
"""The views of a light field: selection, arrangement, and errors for missing ones."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.encoding.light_field.views import (
    VIEW_SETS,
    Grid,
    chosen,
    from_tiles,
    from_views,
    parse_numbering,
    related,
)
from segrgbx_core.errors import InputError
from segrgbx_core.readings import LightFieldViews

Pixels = npt.NDArray[np.uint8]


def grid(rows: range, columns: range, size: tuple[int, int] = (6, 8)) -> Grid:
    """Views of constant brightness: row + 10 column."""
    places = np.array([(row, column) for row in rows for column in columns])
    images = np.stack([np.full(size, 100 + row, np.float32) for row, _ in places])
    return Grid(images, places)


def street(height: int, width: int) -> npt.NDArray[np.float32]:
    """Texture so rough that a shift by a tile's height or width gives another picture."""
    rng = np.random.default_rng(5)
    coarse = rng.uniform(20, 230, (height // 4 + 1, width // 4 + 1))
    return coarse.repeat(4, 0).repeat(4, 1)[:height, :width].astype(np.float32)


def tiled(rows: int, columns: int, height: int = 40, width: int = 48) -> Pixels:
    """Views that differ by a shift of one pixel from one to the next."""
    wide = street(height + rows, width + columns)
    lines = [
        np.hstack([wide[r : r + height, c : c + width] for c in range(columns)])
        for r in range(rows)
    ]
    return np.vstack(lines).astype(np.uint8)


def test_the_named_sets_hold_the_centre_and_as_many_others_as_they_say() -> None:
    sides = {name: len(places - {(5, 5)}) for name, places in VIEW_SETS.items()}
    assert sides == {"8": 8, "33": 32, "80": 80}
    assert all((5, 5) in places for places in VIEW_SETS.values())
    assert {(5, 1), (1, 5), (2, 2), (8, 2)} <= VIEW_SETS["33"]
    assert not {(1, 2), (4, 7)} & VIEW_SETS["33"]


@pytest.mark.parametrize(("name", "count"), [("8", 9), ("33", 33), ("80", 81)])
def test_a_set_is_taken_out_of_more_views(name: str, count: int) -> None:
    views = chosen(grid(range(11), range(11)), name)
    assert len(views.images) == len(views.places) == count
    assert views.names() == VIEW_SETS[name]


def test_missing_views_are_named() -> None:
    with pytest.raises(InputError, match=r"lacks 5_9 .*'8'"):
        chosen(grid(range(1, 10), range(1, 9)), "8")
    with pytest.raises(InputError, match=r"lacks 1_1, 1_2, 1_3, 1_4, 1_5 and 67 more"):
        chosen(grid(range(5, 6), range(1, 10)), "80")
    with pytest.raises(InputError, match=r"lacks 5_5, 5_6, 5_7, 5_8, 5_9 \(row_column\)"):
        chosen(grid(range(5, 6), range(1, 5)), "8")


def test_the_reference_is_in_the_middle_and_steps_follow_the_numbers() -> None:
    views = related(grid(range(1, 4), range(4, 9)), "down,right")
    assert views.reference[0, 0] == pytest.approx(102)
    assert views.others.shape == (14, 6, 8)
    assert sorted(set(views.across.tolist())) == [-2, -1, 0, 1, 2]
    assert sorted(set(views.down.tolist())) == [-1, 0, 1]
    assert (views.across[0], views.down[0]) == (-2, -1)
    assert views.reach == 2


def test_of_equally_central_views_the_first_is_the_reference() -> None:
    views = related(grid(range(1, 3), range(1, 3)), "down,right")
    steps = sorted(zip(views.across.tolist(), views.down.tolist(), strict=True))
    assert steps == [(0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("numbering", "first"),
    [
        # The first view is a row above and two columns before the reference.
        ("down,right", (-2, -1)),
        ("up,right", (-2, 1)),
        ("down,left", (2, -1)),
        ("right,down", (-1, -2)),
        ("left, up", (1, 2)),
    ],
)
def test_numbering_turns_the_grid(numbering: str, first: tuple[int, int]) -> None:
    views = related(grid(range(3), range(5)), numbering)
    assert (views.across[0], views.down[0]) == first


@pytest.mark.parametrize("bad", ["right", "up,down", "left,right", "down,right,up", "row,column"])
def test_bad_numberings_are_refused_in_words(bad: str) -> None:
    with pytest.raises(InputError, match=rf"'{bad}' is unknown"):
        parse_numbering(bad)


def test_views_come_to_one_brightness_and_dark_ones_are_left_out() -> None:
    images = np.full((4, 6, 8), 100, np.float32)
    images[0] *= 0.7
    images[3] *= 0.3
    places = np.array([[1, 1], [1, 2], [1, 3], [1, 4]])
    views = related(Grid(images, places), "down,right")
    assert views.across.tolist() == [-1, 1]
    assert views.others == pytest.approx(100, abs=1e-3)


def test_a_light_field_of_one_view_is_refused_in_words() -> None:
    one = Grid(np.full((1, 6, 8), 9, np.float32), np.array([[5, 5]]))
    with pytest.raises(
        InputError, match=r"1 view.*5_5; give at least two views, which disparity needs\.$"
    ):
        related(one, "down,right")
    black = Grid(np.zeros((2, 6, 8), np.float32), np.array([[1, 1], [1, 2]]))
    with pytest.raises(InputError, match="half as bright"):
        related(black, "down,right")


def test_two_views_at_one_place() -> None:
    views = np.zeros((3, 4, 5), np.uint8)
    with pytest.raises(InputError, match=r"2 views .*row 5, column 6"):
        LightFieldViews(views, np.array([5, 5, 5]), np.array([6, 5, 6]))


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 5), (9, 9), (4, 6)])
def test_the_grid_of_a_tiled_image_is_found(rows: int, columns: int) -> None:
    image = tiled(rows, columns)
    split = from_tiles(image, None, None)
    assert split.images.shape == (rows * columns, 40, 48)
    assert split.places[[0, -1]].tolist() == [[1, 1], [rows, columns]]
    assert np.array_equal(split.images[-1], image[-40:, -48:])


def test_identical_views_do_not_hide_the_grid() -> None:
    one = street(40, 48).astype(np.uint8)
    assert len(from_tiles(np.tile(one, (9, 9)), None, None).images) == 81


def test_a_given_grid_is_taken_and_colours_become_brightness() -> None:
    image = np.zeros((4, 6, 3), np.uint16)
    image[2:, 3:] = (1000, 2000, 4000)
    split = from_tiles(image, 2, 2)
    assert split.images.shape == (4, 2, 3)
    # ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.
    assert split.images[:, 0, 0].tolist() == [0, 0, 0, 1929]


@pytest.mark.parametrize(
    ("image", "rows", "words"),
    [
        (np.full((1, 1), 9, np.uint8), None, "rows .* 1x1 pixels; .*rows"),
        (tiled(1, 1), None, "rows .* 48x40 pixels; .*rows"),
        (tiled(1, 3), None, "number of rows .* 144x40"),
        (tiled(3, 1), 3, "number of columns .* 48x120"),
        (tiled(3, 3), 7, "144x120 .*7 rows and 3 columns"),
        (np.zeros((6, 6), np.float32), 3, "float32; expected uint8 or uint16"),
        (np.zeros((6, 6, 4), np.uint8), 3, r"shape \(6, 6, 4\); expected"),
        (np.zeros(6, np.uint8), 3, r"shape \(6,\); expected"),
    ],
)
def test_bad_tiles_are_refused_in_words(image: Pixels, rows: int | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_tiles(image, rows, None)


def test_views_of_another_type_are_refused_in_words() -> None:
    places = np.arange(2)
    deep = LightFieldViews(np.zeros((2, 4, 4), np.uint16), places, places)
    with pytest.raises(InputError, match=r"\(2, 4, 4\) .*uint16; expected"):
        from_views(deep)
