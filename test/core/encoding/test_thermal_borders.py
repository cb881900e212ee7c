# SPDX-License-Identifier: Apache-2.0
"""Borders of the thermal encoding: units, scenes, large images, images without a valid pixel."""

import numpy as np
import pytest

from segrgbx_core.encoding import ThermalSettings, encode
from segrgbx_core.encoding.thermal.planes import ENCODING
from segrgbx_core.encoding.thermal.tone import (
    ThermalRange,
    ThermalTone,
    colder_shares,
    equalised,
    same_scene,
)
from segrgbx_core.errors import InputError

EDGES = np.arange(1025) / 1023


@pytest.mark.parametrize(("celsius", "beyond"), [(-100.0, -101.0), (200.0, 201.0)])
def test_the_ends_of_the_plausible_temperatures_are_plausible(
    celsius: float, beyond: float
) -> None:
    in_celsius = ThermalSettings(unit="celsius")
    assert encode("thermal", np.full((2, 2), celsius, np.float32), in_celsius).valid.all()
    with pytest.raises(InputError, match=rf"as celsius is {beyond} .*outside -100 to 200"):
        encode("thermal", np.full((2, 2), beyond, np.float32), in_celsius)


def test_a_unit_that_makes_the_coldest_plausible_temperature_is_named() -> None:
    reading = np.full((2, 2), -100, np.float32)
    with pytest.raises(InputError, match=r"looks like celsius \(-100\.0 degrees C\)"):
        encode("thermal", reading, ThermalSettings(unit="kelvin"))
    with pytest.raises(InputError, match=r"set scale and offset, or unit 'raw'"):
        encode("thermal", reading - 1, ThermalSettings(unit="kelvin"))


def test_the_units_are_listed() -> None:
    with pytest.raises(InputError, match=r", celsius, kelvin, centikelvin, decikelvin\.$"):
        ThermalSettings(unit="rankine")


@pytest.mark.parametrize("alone", [{"clip_min": 3.0}, {"clip_max": 3.0}])
def test_one_end_of_a_range_alone_is_one_whole_sentence(alone: dict[str, float]) -> None:
    with pytest.raises(InputError) as caught:
        ThermalSettings(**alone)
    sentence = "Thermal settings give only one of clip_min and clip_max; give both."
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("empty", "words"),
    [
        ({"clip_min": 3.0, "clip_max": 3.0}, "clip_min 3.0 is not below clip_max 3.0"),
        ({"low_percentile": 50.0, "high_percentile": 50.0}, "percentiles are 50.0 and 50.0"),
    ],
)
def test_an_empty_range_is_refused(empty: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ThermalSettings(**empty)


@pytest.mark.parametrize(("median", "beyond"), [(-20, -21), (23, 24)])
def test_limits_may_be_ten_times_their_width_away(median: int, beyond: int) -> None:
    """The limits 0 and 2 at one end, 1 and 3 at the other."""
    low = 0.0 if median < 0 else 1.0
    fixed = ThermalSettings(clip_min=low, clip_max=low + 2)
    assert encode("thermal", np.full((2, 2), median, np.float32), fixed).valid.all()
    with pytest.raises(InputError, match=r"\(both .*; give limits .*, or set the unit\.$"):
        encode("thermal", np.full((2, 2), beyond, np.float32), fixed)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_an_image_of_saturated_and_dead_pixels_alone_has_no_valid_one(dtype: type) -> None:
    image = np.full((2, 3), 9000, dtype)
    image[0, 0] = 100
    spots = ThermalSettings(saturation=9000, dead_pixels=((0, 0),))
    with pytest.raises(InputError, match="no valid pixel"):
        encode("thermal", image, spots)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_dead_pixel_above_all_others_beside_an_invalid_one(dtype: type) -> None:
    image = np.array([[10, 20, 200], [30, 0, 20]], dtype)
    spots = ThermalSettings(
        invalid=0, dead_pixels=((0, 2),), low_percentile=0, high_percentile=100
    )
    planes = encode("thermal", image, spots)
    assert planes.valid.tolist() == [[True, True, False], [True, False, True]]
    assert planes.data[0].tolist() == [[0, 0.5, 0], [1, 0, 0.5]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_invalid_pixels_of_a_flat_image_are_zero(dtype: type) -> None:
    image = np.array([[7, 7, 0], [9, 7, 7]], dtype)
    planes = encode("thermal", image, ThermalSettings(invalid=0, dead_pixels=((1, 0),)))
    assert planes.data.tolist() == [[[0.5, 0.5, 0], [0, 0.5, 0.5]]] * 3


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_dead_pixel_does_not_make_a_unit_implausible(dtype: type) -> None:
    image = np.array([[900, 900, 20]], dtype)
    with pytest.raises(InputError, match="median of 900"):
        encode("thermal", image, ThermalSettings(unit="celsius"))
    dead = ThermalSettings(unit="celsius", dead_pixels=((0, 0), (0, 1)))
    assert encode("thermal", image, dead).valid.tolist() == [[False, False, True]]


@pytest.mark.parametrize("counts", [None, np.ones(5, np.int64)])
@pytest.mark.parametrize(
    ("shares", "beyond"),
    [
        ([0.05, 0.5, 0.75], [0.0499, 0.5, 0.75]),
        ([0.45, 0.5, 0.75], [0.4501, 0.5, 0.75]),
        ([0.25, 0.3, 0.75], [0.25, 0.2999, 0.75]),
    ],
)
def test_a_scene_is_the_same_up_to_a_fifth_of_the_pixels(
    shares: list[float], beyond: list[float], counts: np.ndarray | None
) -> None:
    """The quartiles of 0, 1, 2, 3, 4 are 1, 2, 3, which are 0.25, 0.5, 0.75 of the range."""
    values = np.arange(5, dtype=np.float32)
    for given, same in ((shares, True), (beyond, False)):
        colder = np.repeat(given, (384, 256, 385))
        earlier = ThermalTone(ThermalRange(0.0, 4.0), colder)
        assert same_scene(values, counts, earlier) is same


def test_shares_of_more_pixels_than_float32_counts_are_exact() -> None:
    """2^24 pixels in the first bin, one in each of the 1023 others."""
    stretched = np.zeros((1 << 24) + 1023, np.float32)
    stretched[1 << 24 :] = (np.arange(1, 1024) + 0.5) / 1023
    stretched[-1] = 1
    colder = colder_shares(stretched, None, ThermalRange(0.0, 1.0), None, 0.0)
    expected = ((1 << 24) + np.arange(1024)) / ((1 << 24) + 1023)
    assert colder.tolist() == [0.0, *expected.tolist()]


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("shape", [(256, 256), (257, 256), (1, 65537)])
def test_images_of_any_size_are_equalised_by_the_curve(
    shape: tuple[int, int], given: bool
) -> None:
    """The curve 0.25 + 0.5 x; above 65536 pixels x has steps of 1/65535."""
    places = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    out = np.empty_like(places) if given else None
    done = equalised(places, 0.25 + 0.5 * EDGES, out)
    assert done.dtype == np.float32
    assert done.shape == shape
    assert done.ravel()[[0, -1]].tolist() == [0.25, 0.75]
    np.testing.assert_allclose(done, 0.25 + 0.5 * places, rtol=0, atol=0.5 / 65535 + 1e-7)
    assert out is None or np.array_equal(done, out)


def test_the_picture_shows_the_first_plane() -> None:
    """Inferno, by hand: from nearly black to a pale yellow."""
    planes = np.zeros((3, 1, 2), np.float32)
    planes[0, 0, 1] = 1
    cold, hot = ENCODING.picture(planes)[0].astype(int)
    assert cold.max() < 10
    assert hot.tolist() == pytest.approx([252, 255, 164], abs=2)
