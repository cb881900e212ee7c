# SPDX-License-Identifier: Apache-2.0
"""The four-up picture has the right tiles in the right places and colours."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.pictures.frames import four_up, legend
from segrgbx_core.segmentation import Segmentation

RED, BLUE = (250, 0, 0), (0, 0, 250)
TWO = LabelSet("two", (LabelClass("road", RED), LabelClass("night_sky", BLUE)))
Picture = npt.NDArray[np.uint8]


def made(width: int, height: int, modality: str = "thermal") -> tuple[Picture, Segmentation]:
    rgb = np.full((height, width, 3), 100, np.uint8)
    labels = np.zeros((height, width), np.uint8)
    return rgb, Segmentation(labels, np.ones((height, width), np.float32), TWO, modality)


def tile_centres(picture: Picture, tile_height: int) -> list[tuple[int, ...]]:
    """Colours in the middle of the four tiles, in reading order; bands are found by the size."""
    width = picture.shape[1]
    band = round(max(13, round(((width - 2) // 2) / 32)) * 1.8)
    rows = (band + tile_height // 2, 2 * band + tile_height + tile_height // 2)
    columns = (width // 4, 3 * width // 4)
    return [tuple(picture[r, c].tolist()) for r in rows for c in columns]


def test_tiles_are_in_reading_order() -> None:
    rgb, segmentation = made(640, 480)
    truth = np.ones((480, 640), np.uint8)
    planes = np.zeros((3, 240, 320), np.float32)
    colors = tile_centres(four_up(rgb, planes, segmentation, truth), 480)
    assert colors[0] == (100, 100, 100)
    assert sum(colors[1]) < 20
    assert colors[2] == BLUE
    assert colors[3] == (175, 50, 50)


def test_the_mask_stands_in_for_a_missing_truth() -> None:
    rgb, segmentation = made(320, 240)
    planes = np.zeros((3, 240, 320), np.float32)
    assert tile_centres(four_up(rgb, planes, segmentation), 240)[2] == RED


def test_hot_is_brighter_than_cold_in_false_colours() -> None:
    rgb, segmentation = made(320, 240)
    means = []
    for value in (0.0, 0.5, 1.0):
        planes = np.full((3, 120, 160), value, np.float32)
        means.append(sum(tile_centres(four_up(rgb, planes, segmentation), 240)[1]))
    assert means[0] < means[1] < means[2]


def test_planes_of_events_are_shown_as_they_are() -> None:
    rgb, segmentation = made(320, 240, "event")
    planes = np.full((3, 240, 320), 0.6, np.float32)
    assert tile_centres(four_up(rgb, planes, segmentation), 240)[1] == (153, 153, 153)


def test_without_x_the_tile_is_plain_but_says_so() -> None:
    rgb, segmentation = made(320, 240, "none")
    picture = four_up(rgb, None, segmentation)
    tile = picture[23:263, 322:642]
    assert tile.max() > 120
    assert (tile == (38, 42, 51)).all(axis=2).mean() > 0.9


@pytest.mark.parametrize(("width", "tile"), [(160, 320), (320, 320), (640, 640), (1920, 640)])
def test_tiles_stay_readable_at_any_image_size(width: int, tile: int) -> None:
    rgb, segmentation = made(width, width * 3 // 4)
    picture = four_up(rgb, None, segmentation)
    assert picture.dtype == np.uint8
    assert 2 * tile <= picture.shape[1] <= 2 * tile + 8


def test_legend_wraps_and_holds_each_colour() -> None:
    many = LabelSet("m", tuple(LabelClass(f"class_{i}", (200, i * 10, 5)) for i in range(12)))
    wide, narrow = legend(many, 1280), legend(many, 400)
    assert narrow.shape[1] == 400
    assert narrow.shape[0] > legend(many, 400, (0,)).shape[0]
    for strip in (wide, narrow):
        seen = {tuple(c) for c in strip.reshape(-1, 3).tolist()}
        assert {c.color for c in many.classes} <= seen


def test_a_large_set_shows_only_what_occurs() -> None:
    many = LabelSet("m", tuple(LabelClass(f"c{i}", (200, i * 5, 5)) for i in range(40)))
    labels = np.full((240, 320), 7, np.uint8)
    segmentation = Segmentation(labels, np.ones((240, 320), np.float32), many, "thermal")
    truth = np.full((240, 320), 255, np.uint8)
    strip = four_up(np.zeros((240, 320, 3), np.uint8), None, segmentation, truth)[-25:]
    seen = {tuple(c) for c in strip.reshape(-1, 3).tolist()}
    assert many.classes[7].color in seen
    assert many.classes[8].color not in seen
