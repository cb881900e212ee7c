# SPDX-License-Identifier: Apache-2.0
"""Thermal units, limits, dead and saturated pixels, telemetry rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import ThermalSettings, encode
from segrgbx_core.errors import InputError


def celsius(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ramp = np.linspace(-5, 35, 48 * 64).reshape(48, 64)
    return np.round(ramp + rng.normal(0, 1, (48, 64)), 1)


UNITS = {
    "celsius": celsius().astype(np.float32),
    "kelvin": (celsius() + 273.15).astype(np.float32),
    "centikelvin": np.round((celsius() + 273.15) * 100).astype(np.uint16),
    "decikelvin": np.round((celsius() + 273.15) * 10 + 0.25).astype(np.uint16),
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("fixed", [False, True])
def test_every_unit_of_one_scene_gives_equal_planes(unit: str, fixed: bool) -> None:
    limits = {"clip_min": 0.0, "clip_max": 30.0} if fixed else {}
    expected = encode("thermal", UNITS["celsius"], ThermalSettings(unit="celsius", **limits))
    planes = encode("thermal", UNITS[unit], ThermalSettings(unit=unit, **limits))
    # A decikelvin is 0.3 % of the range, and its rounding shifts a reading by at most half of it.
    off = np.abs(planes.data - expected.data)
    assert off[0].max() < 0.004
    assert off.mean() < 0.003


def test_fixed_limits_are_degrees_celsius_where_the_unit_is_known() -> None:
    counts = np.array([[27315, 28315, 29315, 30315]], np.uint16)
    given_limits = ThermalSettings(unit="centikelvin", clip_min=0.0, clip_max=20.0)
    np.testing.assert_allclose(
        encode("thermal", counts, given_limits).data[0, 0], [0, 0.5, 1, 1], atol=1e-5
    )
    linear = ThermalSettings(scale=0.04, offset=-60.0, clip_min=0.0, clip_max=20.0)
    counts = np.array([[1500, 1750, 2000, 2250]], np.uint16)
    np.testing.assert_allclose(
        encode("thermal", counts, linear).data[0, 0], [0, 0.5, 1, 1], atol=1e-5
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100))
def test_black_hot_pictures_are_turned(seed: int) -> None:
    white_hot = np.random.default_rng(seed).integers(0, 256, (20, 30)).astype(np.uint8)
    expected = encode("thermal", white_hot)
    turned = encode("thermal", 255 - white_hot, ThermalSettings(scale=-1.0, offset=255.0))
    np.testing.assert_allclose(turned.data[0], expected.data[0], atol=1e-5)
    np.testing.assert_allclose(turned.data[2], expected.data[2], atol=1e-4)
    assert np.abs(turned.data[1] - expected.data[1]).mean() < 0.01


@pytest.mark.parametrize(
    ("reading", "unit", "words"),
    [
        (UNITS["centikelvin"], "celsius", "looks like centikelvin"),
        (UNITS["decikelvin"], "centikelvin", "looks like decikelvin"),
        (UNITS["kelvin"], "celsius", r"like kelvin \(1\d\.\d degrees C\)"),
        (UNITS["celsius"], "kelvin", "looks like celsius"),
        (np.full((4, 4), 9000, np.uint16), "celsius", "unit 'raw'"),
    ],
)
def test_an_implausible_unit_is_named(reading: np.ndarray, unit: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        encode("thermal", reading, ThermalSettings(unit=unit))


def test_limits_of_another_unit_are_named() -> None:
    with pytest.raises(InputError, match=r"0 to 40 .*median of 28"):
        encode("thermal", UNITS["centikelvin"], ThermalSettings(clip_min=0.0, clip_max=40.0))


def test_saturated_and_dead_pixels_are_invalid_and_do_not_leak() -> None:
    counts = UNITS["centikelvin"].copy()
    counts[5, 6], counts[7, 8], counts[9, 10] = 65535, 0, 30000
    spots = ThermalSettings(unit="centikelvin", dead_pixels=((9, 10),))
    a = encode("thermal", counts, spots)
    counts[9, 10] = 20000
    b = encode("thermal", counts, spots)
    assert np.argwhere(~a.valid).tolist() == [[5, 6], [7, 8], [9, 10]]
    assert (a.data[:, ~a.valid] == 0).all()
    assert np.array_equal(a.data, b.data)
    as_float = counts.astype(np.float32)
    as_float[5, 6], as_float[7, 8] = np.inf, np.nan
    c = encode("thermal", as_float, spots)
    assert np.array_equal(c.valid, a.valid)
    np.testing.assert_allclose(c.data, a.data, atol=1e-5)


def test_saturation_may_be_given_and_bytes_have_none() -> None:
    counts = np.array([[100, 16382, 16383], [200, 300, 65535]], np.uint16)
    valid = encode("thermal", counts, ThermalSettings(saturation=16383)).valid
    assert valid.tolist() == [[True, True, False], [True, True, False]]
    assert encode("thermal", np.array([[0, 128, 255]], np.uint8)).valid.all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_telemetry_rows_are_cut(dtype: type) -> None:
    image = UNITS["centikelvin"].astype(dtype)
    expected = encode("thermal", image)
    rows = np.full((2, 64), 12345, dtype)
    below = encode("thermal", np.concatenate([image, rows]), ThermalSettings(telemetry_rows=2))
    above = encode(
        "thermal",
        np.concatenate([rows, image]),
        ThermalSettings(telemetry_rows=2, telemetry_at="top"),
    )
    assert np.array_equal(below.data, expected.data)
    assert np.array_equal(above.data, expected.data)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"unit": "fahrenheit"}, "'fahrenheit' is unknown; .*raw"),
        ({"scale": 0.0}, "scale other than 0"),
        ({"range_memory": 1.0}, "range_memory is 1.0"),
        ({"saturation": float("nan")}, "Thermal saturation is nan; give a reading"),
        ({"clip_min": -np.inf, "clip_max": np.inf}, "clip_min -inf .*not finite"),
        ({"telemetry_rows": -1}, "telemetry_rows is -1"),
        ({"telemetry_at": "left"}, "at 'left'"),
        ({"color_map": "rainbows"}, "'rainbows' is unknown"),
        ({"color_map": "hsv"}, "same colour"),
    ],
)
def test_settings_out_of_bounds_are_refused_in_words(bad: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ThermalSettings(**bad)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"telemetry_rows": 48}, "48 rows, .*telemetry_rows is 48; expected fewer: give"),
        ({"dead_pixels": ((48, 0),)}, "row 48, column 0, outside .*48"),
        ({"color_map": "jet"}, "one channel, .*'jet'"),
    ],
)
def test_settings_that_do_not_fit_the_image_are_refused(
    options: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        encode("thermal", UNITS["centikelvin"], ThermalSettings(**options))
