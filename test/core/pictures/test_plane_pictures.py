# SPDX-License-Identifier: Apache-2.0
"""The picture of planes shows the reading, each plane and invalid pixels in their places."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.encoding import DepthSettings, EventSettings
from segrgbx_core.encoding.table import plane_names
from segrgbx_core.modality import MODALITIES
from segrgbx_core.pictures.planes import (
    BRIGHTER,
    DARKER,
    INVALID,
    MIDDLE,
    plane_picture,
    reading_picture,
    reading_words,
)
from segrgbx_core.readings import (
    Events,
    LightFieldViews,
    Planes,
    PolarizationState,
    PolarizerImages,
    Reading,
)

NAMES = ("one", "two", "three")
WIDTH, HEIGHT, BAND, GAP = 320, 240, 23, 2


def planes() -> Planes:
    data = np.empty((3, HEIGHT, WIDTH), np.float32)
    data[:] = np.array([0.2, 0.4, 0.6], np.float32)[:, None, None]
    valid = np.ones((HEIGHT, WIDTH), np.bool_)
    valid[:, WIDTH // 2 :] = False
    return Planes(data * valid, valid)


def tile(picture: npt.NDArray[np.uint8], row: int, column: int) -> npt.NDArray[np.uint8]:
    top, left = row * (BAND + HEIGHT + GAP) + BAND, column * (WIDTH + GAP)
    return picture[top : top + HEIGHT, left : left + WIDTH]


def test_tiles_stand_in_their_places_and_invalid_pixels_are_marked() -> None:
    reading = np.full((HEIGHT, WIDTH), 7, np.uint8)
    picture = plane_picture(reading, planes(), NAMES)
    assert picture.shape == (2 * (BAND + HEIGHT) + GAP, 3 * WIDTH + 2 * GAP, 3)
    left = {
        (0, 1): (51, 102, 153),
        (0, 2): (255, 255, 255),
        (1, 0): (51, 51, 51),
        (1, 1): (102, 102, 102),
        (1, 2): (153, 153, 153),
    }
    for (row, column), colour in left.items():
        assert tuple(tile(picture, row, column)[120, 80]) == colour
        assert tuple(tile(picture, row, column)[120, 240]) == INVALID


@pytest.mark.parametrize(("width", "tile_width"), [(64, 320), (400, 400), (2048, 640)])
def test_small_and_large_planes_stay_readable(width: int, tile_width: int) -> None:
    made = Planes(np.zeros((3, 32, width), np.float32), np.ones((32, width), np.bool_))
    picture = plane_picture(np.zeros((32, width), np.uint8), made, NAMES)
    assert 3 * tile_width <= picture.shape[1] <= 3 * tile_width + 8


def test_every_modality_and_representation_names_its_planes() -> None:
    assert all(len(plane_names(modality)) == 3 for modality in MODALITIES)
    surface = EventSettings(representation="time_surface")
    assert plane_names("event", surface) != plane_names("event")
    inverse = DepthSettings(representation="inverse")
    assert plane_names("depth", inverse)[0] == "closeness, inverse"


def events() -> Events:
    x, y = np.array([1, 2], np.uint16), np.array([0, 3], np.uint16)
    times = np.array([5, 6], np.int64)
    return Events(x, y, np.array([True, False]), times, 4, 5, 0, 20_000_000)


def test_events_are_drawn_by_polarity() -> None:
    picture = reading_picture(events())
    assert picture.shape == (5, 4, 3)
    assert tuple(picture[0, 1]) == BRIGHTER
    assert tuple(picture[3, 2]) == DARKER
    assert tuple(picture[4, 3]) == MIDDLE


def test_grey_runs_over_finite_values() -> None:
    reading = np.linspace(280, 300, 101, dtype=np.float32)[None].repeat(2, 0)
    reading[1] = np.nan
    picture = reading_picture(reading)
    assert picture[0, [0, 50, 100], 0].tolist() == [0, 127, 255]
    assert (picture[1] == 0).all()
    assert (reading_picture(np.full((2, 2), np.nan, np.float32)) == 0).all()


def test_the_central_view_is_shown() -> None:
    views = np.arange(9, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    places = np.indices((3, 3)).reshape(2, -1)
    shown = reading_picture(LightFieldViews(views.repeat(3, 3), places[0], places[1]))
    assert (shown == 4).all()


def test_opposite_polarization_has_opposite_hues() -> None:
    dolp = np.array([[1, 1, 0, np.nan]], np.float32)
    aolp = np.array([[0, np.pi / 2, 0, 0]], np.float32)
    red, cyan, white, missing = reading_picture(PolarizationState(dolp, aolp))[0].tolist()
    assert red == [255, 0, 0]
    assert cyan[0] == 0
    assert min(cyan[1:]) > 240
    assert white == missing == [255, 255, 255]


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (events(), "2 events in 20 ms, 4x5"),
        (np.array([[29000, 30000]], np.uint16), "2x1 uint16, 29000 to 30000"),
        (np.full((2, 3), np.nan, np.float32), "3x2 float32, nothing finite"),
        (np.zeros((2, 3, 3), np.uint8), "3x2x3 uint8, 0 to 0"),
        (PolarizerImages(np.ones((4, 2, 5), np.uint8)), "0, 45 over 90, 135 degrees, 5x2 uint8"),
    ],
)
def test_readings_are_described(reading: Reading, words: str) -> None:
    assert reading_words(reading).startswith(words)
    assert reading_picture(reading).ndim == 3
