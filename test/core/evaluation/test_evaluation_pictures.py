# SPDX-License-Identifier: Apache-2.0
"""The evaluation's charts show their values in the right places and colours."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.datasets import Sample
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.charts import Line, confusion_picture, line_chart, scatter_picture
from segrgbx_core.evaluation.metrics import ConfusionMeter, Scores
from segrgbx_core.evaluation.results import WRONG, worst_picture
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.pictures.sheet import COLORS, Sheet, length_of
from segrgbx_core.readings import Planes
from segrgbx_core.segmentation import Segmentation

Picture = npt.NDArray[np.uint8]

THREE = LabelSet(
    "three",
    tuple(
        LabelClass(n, c)
        for n, c in (("road", (9, 9, 9)), ("night_sky", (0, 0, 250)), ("car", (250, 0, 0)))
    ),
)


def scored(truth: list[int], predicted: list[int], classes: LabelSet = THREE) -> Scores:
    meter = ConfusionMeter(classes)
    meter.update(np.array([predicted], np.uint8), np.array([truth], np.uint8))
    return meter.scores()


def color_at(picture: Picture, x: int, y: int) -> tuple[int, ...]:
    return tuple(picture[y, x].tolist())


def cells(picture: Picture, count: int) -> npt.NDArray[np.int64]:
    """(count, count, 3): colours in a corner of each cell; names take 30 pixels more than their
    length."""
    cell, names = 52, max(length_of(name.replace("_", " ")) for name in THREE.names)
    left, top = 24 + names + 30, picture.shape[0] - 24 - cell * count
    places = np.arange(count) * cell + 5
    return picture[np.ix_(top + places, left + places)].astype(np.int64)


def test_right_is_blue_wrong_is_red_and_stronger_where_more() -> None:
    # road: 8 correct, 2 predicted as car; car: all predicted as sky; sky: correct.
    truth = [0] * 10 + [1] * 4 + [2] * 4
    said = [0] * 8 + [2] * 2 + [1] * 4 + [1] * 4
    picture = confusion_picture(scored(truth, said), THREE, "t")
    shades = cells(picture, 3)
    for right in (shades[0, 0], shades[1, 1]):
        assert right[2] > right[0] + 80
    assert shades[2, 1, 0] > shades[2, 1, 2] + 80
    assert shades[0, 2, 0] > shades[0, 2, 2] + 20
    assert shades[2, 1].sum() < shades[0, 2].sum()
    assert (shades[0, 1] > 240).all()


def test_classes_that_do_not_occur_take_no_room() -> None:
    two = confusion_picture(scored([0, 1], [0, 1]), THREE, "t")
    three = confusion_picture(scored([0, 1, 2], [0, 1, 2]), THREE, "t")
    assert three.shape[0] == two.shape[0] + 52


def test_forty_classes_stay_on_one_page() -> None:
    many = LabelSet("many", tuple(LabelClass(f"class_{i}", (i, i, i)) for i in range(40)))
    picture = confusion_picture(scored(list(range(40)), list(range(40)), many), many, "t")
    assert 1200 < picture.shape[1] < 1600
    assert picture.shape[0] < 1600


def test_nothing_scored_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="no labelled pixel"):
        confusion_picture(ConfusionMeter(THREE).scores(), THREE, "t")


def test_a_line_passes_through_its_points() -> None:
    lines = [Line("all", (0.8, 0.4), (0, 0, 0), bold=True), Line("day", (0.6, None), COLORS[0])]
    picture = line_chart("t", "axis", (0, 10), lines, 0.4)
    # From 0.4 to 0.8 in 5 lines, so 0.8 is the top of the plot and 0.4 its bottom.
    assert sum(color_at(picture, 78, 84)) < 60
    assert sum(color_at(picture, 750, 494)) < 60
    assert sum(color_at(picture, 414, 289)) < 60
    assert color_at(picture, 78, 289) == COLORS[0]


def test_the_axis_starts_below_the_lowest_value() -> None:
    flat = line_chart("t", "a", (0, 1), [Line("all", (0.5, 0.5), (0, 0, 0), bold=True)])
    assert flat.shape == (560, 1000, 3)
    assert sum(color_at(flat, 414, 494)) < 60


def test_dashes_are_broken() -> None:
    sheet = Sheet(100, 20)
    sheet.dashes((0, 10), (100, 10), (0, 0, 0), 2)
    dark = sheet.picture()[10, :, 0] < 128
    assert 0.4 < dark.mean() < 0.8
    assert np.abs(np.diff(dark.astype(int))).sum() > 10


def test_words_upwards_stand_on_their_place() -> None:
    sheet = Sheet(60, 200)
    sheet.text_upwards((30, 190), "sidewalk", 14)
    rows, columns = np.nonzero(sheet.picture().min(axis=2) < 128)
    assert rows.max() <= 190
    assert rows.min() < 150
    assert 20 < columns.mean() < 40


def test_points_are_in_their_groups_colours_and_none_is_hidden() -> None:
    places = np.array([[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    picture = scatter_picture(places, ["rgb", "x", "x"], {"rgb": 0.5, "x": -0.1}, "t", "n")
    left, top, side = 24, 84, 640
    assert color_at(picture, left + 16, top + 16) == COLORS[0]
    assert color_at(picture, left + side - 16, top + side - 16) == COLORS[1]
    assert color_at(picture, left + side - 16, top + 16) == COLORS[1]


def test_points_in_one_place_are_drawn() -> None:
    picture = scatter_picture(np.zeros((3, 2)), ["a", "a", "b"], {"a": 0, "b": 0}, "t", "n")
    assert color_at(picture, 24 + 320, 84 + 320) in COLORS[:2]


def test_a_worst_frame_shows_wrong_pixels_red_and_leaves_out_those_without_truth() -> None:
    truth = np.zeros((240, 320), np.uint8)
    truth[:, 160:] = 255
    said = np.zeros((240, 320), np.uint8)
    said[120:] = 1
    sample = Sample("s", np.full((240, 320, 3), 100, np.uint8), said, truth, "night")
    result = Segmentation(said, np.ones((240, 320), np.float32), THREE, "thermal")
    planes = Planes(np.full((3, 120, 160), 0.5, np.float32), np.ones((120, 160), np.bool_))
    picture = worst_picture(sample, planes, result)
    band = round(13 * 1.8)
    left = 2 * (320 + 2)
    assert color_at(picture, left + 80, band + 180) == WRONG
    assert color_at(picture, left + 80, band + 60) == (114, 114, 114)
    assert color_at(picture, left + 240, band + 180) == (25, 25, 25)


def test_a_worst_frame_without_x_is_drawn() -> None:
    zeros = np.zeros((240, 320), np.uint8)
    sample = Sample("s", np.zeros((240, 320, 3), np.uint8), zeros, zeros, "")
    result = Segmentation(zeros, np.ones((240, 320), np.float32), THREE, "none")
    picture = worst_picture(sample, None, result)
    assert picture.shape[1] == 3 * 320 + 2 * 2
