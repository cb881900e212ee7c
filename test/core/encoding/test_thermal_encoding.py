# SPDX-License-Identifier: Apache-2.0
"""Encoded thermal readings: independent of units, invalid pixels have no effect on others."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import ThermalSettings, encode
from segrgbx_core.encoding.thermal.tone import percentile
from segrgbx_core.errors import InputError


def scene(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ramp = np.linspace(280, 300, 48 * 64).reshape(48, 64)
    return (ramp + rng.normal(0, 1, (48, 64))).astype(np.float32)


def test_planes_of_a_ramp_by_hand() -> None:
    reading = np.arange(101, dtype=np.float32)[None].repeat(3, 0)
    planes = encode("thermal", reading)
    # Percentiles 1 and 99 of 0..100 are 1 and 99, so 50 is in the middle of both ranges.
    assert planes.data.shape == (3, 3, 101)
    assert planes.data.dtype == np.float32
    assert planes.data[0, 0, 50] == pytest.approx(0.5, abs=1e-6)
    assert planes.data[0, 0, 0] == 0.0
    assert planes.data[0, 0, 100] == 1.0
    assert planes.data[1, 0, 50] == pytest.approx(0.5, abs=0.01)
    assert planes.data[2, 1, 50] == pytest.approx(0.5, abs=0.01)
    assert planes.valid.all()


def test_the_planes_that_models_were_trained_on_stay_the_same() -> None:
    i, j = np.mgrid[0:40, 0:56]
    pattern = (7 * i * i + 13 * j * j + 3 * i * j) % 1500 + 300 * ((i // 8 + j // 8) % 2)
    planes = encode("thermal", (28900 + pattern).astype(np.uint16))
    expected = [
        [
            [0.26928097, 0.038850296, 0.18632592, 0.7117079],
            [0.47666857, 0.57805806, 0.19323885, 0.18632592],
            [0.29001972, 0.7232294, 0.6702303, 0.9951376],
        ],
        [
            [0.247934, 0.03369987, 0.15317598, 0.75120294],
            [0.4843998, 0.5960359, 0.15822177, 0.15317598],
            [0.2716928, 0.772281, 0.71235913, 0.98620665],
        ],
        [
            [0.45391387, 0.0, 0.038559765, 1.0],
            [0.52246416, 0.66130143, 0.0, 0.0],
            [0.0, 0.7304307, 0.5242671, 1.0],
        ],
    ]
    np.testing.assert_allclose(planes.data[:, 4::12, 5::16], expected, rtol=0, atol=1e-6)


def plainly(reading: np.ndarray) -> np.ndarray:
    """The three planes of an image without holes, computed from the formulas."""
    values = reading.astype(np.float32)
    low, high = (float(v) for v in np.percentile(values, (1.0, 99.0)))
    plane = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    filled = np.bincount((plane * 1023).astype(np.int64).ravel(), minlength=1024)
    colder = np.concatenate([[0], np.cumsum(filled)]) / reading.size
    rank = np.interp(plane, np.linspace(0, 1024 / 1023, 1025), colder)
    reach = max(1, round(len(reading) / 16))
    mean = cv2.boxFilter(plane, -1, (2 * reach + 1, 2 * reach + 1))
    return np.stack([plane, rank, np.clip(0.5 + 2 * (plane - mean), 0, 1)]).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(2, 70), st.integers(2, 70)),
    spread=st.floats(2.0, 900.0),
)
def test_looking_levels_up_gives_what_the_formulas_give(
    seed: int, shape: tuple[int, int], spread: float
) -> None:
    noise = np.random.default_rng(seed).normal(29300, spread, shape)
    counts = noise.clip(1, 65000).astype(np.uint16)
    counts[0, 0], counts[-1, -1] = 29000, 29500
    assert np.array_equal(encode("thermal", counts).data, plainly(counts))
    pixels = encode("thermal", counts.astype(np.float32)).data
    np.testing.assert_allclose(pixels, plainly(counts), rtol=0, atol=1e-4)


@pytest.mark.parametrize("fault", ["sorted", "two values", "outliers", "plain"])
def test_percentiles_of_large_images_are_exact(fault: str) -> None:
    values = np.random.default_rng(5).normal(0, 1, 100_001).astype(np.float32)
    if fault == "sorted":
        values.sort()
    elif fault == "two values":
        values[:] = 7
        values[3] = 1
    elif fault == "outliers":
        values[::16] = 1e9
    wanted = (0.0, 0.1, 1.0, 30.0, 50.0, 99.0, 99.9, 100.0)
    expected = np.percentile(values, wanted)
    assert [percentile(values, w) for w in wanted] == expected.tolist()


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100.0), offset=st.floats(-300.0, 300.0))
def test_units_do_not_matter(scale: float, offset: float) -> None:
    kelvin = scene()
    other = (kelvin * scale + offset * scale).astype(np.float32)
    a, b = encode("thermal", kelvin), encode("thermal", other)
    assert np.abs(a.data[0] - b.data[0]).max() < 2e-3
    assert np.abs(a.data[2] - b.data[2]).max() < 4e-3
    assert np.abs(a.data[1] - b.data[1]).mean() < 2e-3


def test_centikelvin_counts_equal_degrees_celsius() -> None:
    counts = np.round(scene() * 100).astype(np.uint16)
    celsius = (counts.astype(np.float64) / 100 - 273.15).astype(np.float32)
    a, b = encode("thermal", counts), encode("thermal", celsius)
    assert np.abs(a.data - b.data).max() < 2e-3


def test_hotter_is_higher_in_the_first_two_planes() -> None:
    reading = np.sort(scene().ravel()).reshape(48, 64)
    planes = encode("thermal", reading)
    assert (np.diff(planes.data[0].ravel()) >= 0).all()
    assert (np.diff(planes.data[1].ravel()) >= 0).all()


def test_invalid_pixels_are_zero_and_do_not_leak() -> None:
    reading = scene()
    holed = reading.copy()
    holed[10:20, 10:20] = np.nan
    other = reading.copy()
    other[10:20, 10:20] = np.inf
    a, b = encode("thermal", holed), encode("thermal", other)
    assert not a.valid[10:20, 10:20].any()
    assert a.valid.sum() == 48 * 64 - 100
    assert (a.data[:, 10:20, 10:20] == 0).all()
    assert np.array_equal(a.data, b.data)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.9))
def test_around_holes_an_even_surface_has_no_contrast(seed: int, share: float) -> None:
    """A hole counts neither as cold nor as hot among the surroundings of plane 2."""
    reading = np.full((48, 64), 10.0, np.float32)
    reading[:, 32:] = 20.0
    reading[np.random.default_rng(seed).random(reading.shape) < share] = np.nan
    planes = encode("thermal", reading)
    even = planes.valid.copy()
    even[:, 28:36] = False
    np.testing.assert_allclose(planes.data[2][even], 0.5, atol=1e-4)


def test_a_value_may_mark_invalid_pixels() -> None:
    counts = np.full((8, 8), 29000, np.uint16)
    counts[:, :4] += 100
    counts[0, 0] = 65535
    planes = encode("thermal", counts, ThermalSettings(invalid=65535))
    assert not planes.valid[0, 0]
    assert planes.data[0, 1, 1] == 1.0


def test_a_fixed_range_clips() -> None:
    reading = np.array([[0.0, 10.0, 20.0, 30.0]], np.float32)
    planes = encode("thermal", reading, ThermalSettings(clip_min=10, clip_max=30))
    assert planes.data[0, 0].tolist() == [0.0, 0.0, 0.5, 1.0]


def test_a_flat_image_is_grey() -> None:
    planes = encode("thermal", np.full((6, 8), 30000, np.uint16))
    assert (planes.data == 0.5).all()


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (np.arange(48, dtype=np.uint8).reshape(4, 4, 3), "already colour-mapped"),
        (np.zeros((4, 4, 3), np.uint8), "three equal channels"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\)"),
        (np.zeros((4, 4), np.int32), "int32; expected uint8, uint16 or float32"),
        (np.zeros(4, np.uint8), r"shape \(4,\); .*\(height, width\)"),
        (np.full((4, 4), np.nan, np.float32), "no valid pixel"),
    ],
)
def test_bad_readings_are_refused_in_words(reading: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        encode("thermal", reading)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"clip_min": 3.0}, "only one of"),
        ({"clip_min": 3.0, "clip_max": 2.0}, "clip_min 3.0 .*clip_max 2.0"),
        ({"low_percentile": 60.0, "high_percentile": 40.0}, "percentiles are 60.0 and 40.0"),
    ],
)
def test_bad_settings_are_refused_in_words(bad: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ThermalSettings(**bad)


def test_an_unknown_modality_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"'sonar' is unknown; .*event, thermal"):
        encode("sonar", np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("dead", [0, 65_535, 40_000])
def test_a_dead_pixel_may_have_the_highest_reading(dead: int) -> None:
    image = (28_000 + np.arange(48).reshape(6, 8) * 20).astype(np.uint16)
    image[2, 3] = dead
    planes = encode("thermal", image, ThermalSettings(dead_pixels=((2, 3),)))
    assert not planes.valid[2, 3]
    assert planes.valid.sum() == 47
    image[2, 3] = image[2, 4]
    same = encode("thermal", image, ThermalSettings(dead_pixels=((2, 3),)))
    np.testing.assert_array_equal(planes.data[:2, same.valid], same.data[:2, same.valid])
