# SPDX-License-Identifier: Apache-2.0
"""Light field planes: disparities of synthetic scenes are recovered with sign and size."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import LightFieldSettings, encode
from segrgbx_core.encoding.light_field.disparity import (
    Slopes,
    Views,
    _differences,
    _refined,
    slopes,
)
from segrgbx_core.encoding.light_field.planes import _spread, filled_by_surroundings
from segrgbx_core.encoding.light_field.views import from_views, related
from segrgbx_core.errors import InputError
from segrgbx_core.readings import LightFieldViews

Floats = npt.NDArray[np.float32]
ROW = [(0, column) for column in range(-4, 5)]
SQUARE = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
PAD = 48
NEAR = (slice(50, 110), slice(60, 140))


def paint(seed: int, height: int, width: int) -> Floats:
    """Texture of all scales, in 40..200."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), s) * s for s in (1, 2, 4, 8)
    ]
    texture = np.sum(layers, axis=0)
    return np.clip(120 + 25 * texture / texture.std(), 40, 200).astype(np.float32)


def light_field(
    places: list[tuple[int, int]], behind: float, before: float, size: tuple[int, int] = (160, 200)
) -> LightFieldViews:
    """A textured wall behind a textured square, at these disparities."""
    height, width = size
    wall, square = (paint(s, height + 2 * PAD, width + 2 * PAD) for s in (1, 2))
    there = np.zeros_like(wall)
    there[PAD + NEAR[0].start : PAD + NEAR[0].stop, PAD + NEAR[1].start : PAD + NEAR[1].stop] = 1
    y, x = np.mgrid[:height, :width].astype(np.float32)

    def seen(image: Floats, disparity: float, row: int, column: int) -> Floats:
        at = (x + PAD + disparity * column, y + PAD + disparity * row)
        return np.asarray(cv2.remap(image, *at, cv2.INTER_CUBIC), np.float32)

    views = []
    for row, column in places:
        part = seen(there, before, row, column)
        view = seen(wall, behind, row, column) * (1 - part)
        views.append(view + seen(square, before, row, column) * part)
    rows, columns = (np.array(places) + 5).T
    return LightFieldViews(
        np.clip(np.stack(views), 0, 255).round().astype(np.uint8), rows, columns
    )


def slopes_of(reading: LightFieldViews, numbering: str = "down,right") -> Slopes:
    return slopes(related(from_views(reading), numbering), -4, 8)


@pytest.mark.parametrize("places", [ROW, SQUARE, [(c, r) for r, c in ROW]])
@pytest.mark.parametrize(("behind", "before"), [(-0.7, 0.6), (0, 2), (-3, -1), (0.25, 6)])
def test_known_disparities_are_found(
    places: list[tuple[int, int]], behind: float, before: float
) -> None:
    disparity = slopes_of(light_field(places, behind, before)).disparity
    truth = np.full(disparity.shape, behind)
    truth[NEAR] = before
    error = np.abs(disparity - truth)
    reach = max(max(place) for place in places)
    assert np.median(error) * reach < 0.08
    assert (error < 0.25).mean() > 0.9


def test_exchanged_rows_and_columns_fit_worse() -> None:
    reading = light_field(SQUARE, -0.7, 0.6)
    right, wrong = slopes_of(reading), slopes_of(reading, "right,down")
    assert wrong.error.mean() > 2 * right.error.mean()


def test_numbering_the_other_way_turns_the_sign() -> None:
    reading = light_field(SQUARE, -0.7, 0.6)
    as_made = slopes_of(reading).disparity
    reversed_ = slopes(related(from_views(reading), "up,left"), -8, 4).disparity
    assert np.median(np.abs(as_made + reversed_)) < 0.02


def test_near_is_high_and_planes_are_in_range() -> None:
    planes = encode("light_field", light_field(SQUARE, 0, 2))
    assert planes.data.shape == (3, 160, 200)
    assert planes.data.dtype == np.float32
    assert planes.data.min() >= 0
    assert planes.data.max() <= 1
    near = np.zeros(planes.valid.shape, np.bool_)
    near[NEAR] = True
    assert planes.data[0, near].mean() > 0.9
    assert planes.data[0, ~near].mean() < 0.1
    assert np.median(planes.data[1]) > 0.9
    assert np.median(planes.data[2]) > 0.95


def test_a_set_range_scales_disparity_by_hand() -> None:
    reading = light_field(SQUARE, 0, 2)
    fixed = LightFieldSettings(disparity_min=-4, disparity_max=4, scaling="range")
    planes = encode("light_field", reading, fixed)
    # (d + 4) / 8: 0.5 for the wall, 0.75 for the square.
    assert np.median(planes.data[0, :40]) == pytest.approx(0.5, abs=0.01)
    assert np.median(planes.data[(0, *NEAR)]) == pytest.approx(0.75, abs=0.01)


def test_a_flat_wall_is_not_stretched_into_relief() -> None:
    planes = encode("light_field", light_field(SQUARE, 1, 1))
    assert planes.data[0].std() < 0.05


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.3, 1.2))
def test_exposure_does_not_matter(gain: float) -> None:
    reading = light_field(SQUARE, 0, 2)
    views = np.round(reading.views * gain).astype(np.uint8)
    other = LightFieldViews(views, reading.rows, reading.columns)
    a, b = encode("light_field", reading), encode("light_field", other)
    assert np.abs(a.data - b.data).mean() < 0.03


def test_without_texture_there_is_no_confidence_and_the_surroundings_decide() -> None:
    reading = light_field(ROW, 0, 2)
    views = reading.views.copy()
    views[:, :44] = 250
    planes = encode("light_field", LightFieldViews(views, reading.rows, reading.columns))
    assert planes.data[1, :36].max() < 0.05
    assert planes.data[0, :36].max() < 0.3
    assert planes.valid[:36].all()


def test_views_that_disagree_show_in_the_third_plane() -> None:
    reading = light_field(SQUARE, 0, 0.5)
    views = reading.views.copy()
    gloss = np.random.default_rng(0).integers(-60, 60, (9, 1, 1))
    views[:, 20:40, 20:60] = np.clip(views[:, 20:40, 20:60] + gloss, 0, 255)
    planes = encode("light_field", LightFieldViews(views, reading.rows, reading.columns))
    assert planes.data[2, 25:35, 25:55].mean() < 0.3
    assert planes.data[2, 120:].mean() > 0.9


def test_what_no_other_view_holds_is_invalid() -> None:
    reading = light_field([(0, 0), (0, 1)], 3, 3)
    fixed = LightFieldSettings(disparity_min=2.5, disparity_max=3.5)
    planes = encode("light_field", reading, fixed)
    assert not planes.valid[:, :2].any()
    assert planes.valid[:, 4:].all()
    assert (planes.data[:, ~planes.valid] == 0).all()


def test_tiles_and_views_are_one_light_field() -> None:
    reading = light_field(SQUARE, 0, 2)
    tiles = reading.views.reshape(3, 3, 160, 200).swapaxes(1, 2).reshape(480, 600)
    a, b = encode("light_field", reading), encode("light_field", tiles)
    c = encode("light_field", tiles.astype(np.uint16) * 16, LightFieldSettings(3, 3))
    assert np.array_equal(a.data, b.data)
    assert np.abs(a.data - c.data).max() < 1e-3


def test_a_named_set_uses_its_views_alone() -> None:
    cross = light_field([*ROW, *((row, 0) for row in range(-4, 5) if row)], 0, 1)
    line = light_field(ROW, 0, 1)
    a = encode("light_field", cross, LightFieldSettings(views="8"))
    assert np.array_equal(a.data, encode("light_field", line).data)
    with pytest.raises(InputError, match="lacks 1_1, 1_9, 2_2, 2_8, 3_3 and 11 more"):
        encode("light_field", cross, LightFieldSettings(views="33"))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (39, 41), (97, 203)])
def test_any_size_of_view_is_encoded(size: tuple[int, int]) -> None:
    views = np.random.default_rng(0).integers(1, 255, (9, *size)).astype(np.uint8)
    places = np.indices((3, 3)).reshape(2, -1)
    planes = encode("light_field", LightFieldViews(views, places[0], places[1]))
    assert planes.data.shape == (3, *size)
    assert np.isfinite(planes.data).all()


def test_filling_keeps_what_is_sure_and_takes_the_rest_from_around() -> None:
    values = np.full((33, 47), 5, np.float32)
    values[:, 24:] = 9
    weight = np.ones_like(values)
    values[10:20, 4:14], weight[10:20, 4:14] = 1000, 0
    result = filled_by_surroundings(values, weight)
    assert result[weight == 1] == pytest.approx(values[weight == 1])
    assert result[10:20, 4:14] == pytest.approx(5, abs=0.5)
    assert (filled_by_surroundings(values, np.zeros_like(values)) == 0).all()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"rows": 0}, "rows is 0; .*1 to 32"),
        ({"columns": -3}, "columns is -3"),
        ({"views": "9"}, "'9' is unknown; .*all, 8, 33, 80"),
        ({"numbering": "down"}, "numbering 'down'"),
        ({"disparity_min": 2, "disparity_max": 2}, "disparity_min 2 .*disparity_max 2"),
        ({"disparity_max": float("inf")}, "disparity_max inf, .*256"),
        ({"disparity_max": 1e6}, "disparity_max 1000000.0, .*256"),
        ({"rows": 10**11}, "rows is 100000000000; .*1 to 32"),
        ({"scaling": "log"}, "'log' is unknown; .*frame or range"),
    ],
)
def test_bad_settings_are_refused_in_words(bad: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        LightFieldSettings(**bad)


def test_black_pixels_of_a_view_are_seen() -> None:
    """Only what lies beyond the image's border is not; by hand, one column to the left."""
    zeros = np.zeros((2, 4, 5), np.float32)
    one = np.ones(1, np.float32)
    views = Views(zeros[0] + 3, zeros[:1], one, one * 0)
    ((_, left, inside),) = _differences(views, np.ones((4, 5), np.float32))
    assert inside.tolist() == [[False, True, True, True, True]] * 4
    assert left.tolist() == [[0, -3, -3, -3, -3]] * 4


def test_an_even_disparity_is_spread_to_both_sides() -> None:
    even = np.full((4, 5), 0.2, np.float32)
    low, high = _spread(even, np.ones((4, 5), np.float32), 2.0)
    assert (low, high) == pytest.approx((0.2 - 0.125, 0.2 + 0.125))


def test_rows_that_are_set_are_not_estimated() -> None:
    """One row of views: from two on is what an estimate looks for."""
    noise = np.random.default_rng(2).integers(0, 256, (48, 3 * 48)).astype(np.uint8)
    planes = encode("light_field", noise, LightFieldSettings(rows=1, columns=3, views="all"))
    assert planes.data.shape == (3, 48, 48)
    with pytest.raises(InputError, match="number of rows"):
        encode("light_field", noise, LightFieldSettings(columns=3, views="all"))


def test_the_error_that_a_limited_step_leaves_by_hand() -> None:
    """A ramp of 3 a column, and a view 6 brighter: 2 pixels off, of which one step goes 1."""
    ramp = np.arange(0, 45, 3, dtype=np.float32)[None].repeat(15, 0)
    one = np.ones(1, np.float32)
    views = Views(ramp, ramp[None] + 6, one, one * 0)
    refined = _refined(views, np.zeros_like(ramp), (-4, 4))
    assert refined.disparity[7, 7] == 1
    # (6 - 3)^2 in every pixel of the window; the texture is 3^2.
    assert refined.error[7, 7] == pytest.approx(9)
    assert refined.texture[7, 7] == pytest.approx(9)
