# SPDX-License-Identifier: Apache-2.0
"""Encoded depth: independent of units, holes stay holes and do not spread, nearer is higher."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import DepthSettings, encode
from segrgbx_core.errors import InputError


def room(seed: int = 0, height: int = 60, width: int = 80) -> np.ndarray:
    """Depth in whole millimetres of a floor, a back wall at 4 m and a box at 1.5 m."""
    rows = np.arange(height)[:, None] - height / 2 + 0.5
    floor = np.where(rows > 0, 0.6 * width / np.maximum(rows, 0.1), 99.0)
    depth = np.minimum(floor, 4.0) * np.ones((height, width))
    depth[height // 3 : height // 2, width // 4 : width // 2] = 1.5
    depth += np.random.default_rng(seed).normal(0, 0.002, depth.shape)
    return np.round(depth * 1000).astype(np.uint16)


def holed(mm: np.ndarray, seed: int = 0) -> np.ndarray:
    result = mm.copy()
    result[np.random.default_rng(seed).random(mm.shape) < 0.2] = 0
    result[5:12, 30:50] = 0
    return result


def in_metres(mm: np.ndarray) -> np.ndarray:
    return np.where(mm == 0, np.nan, mm / 1000).astype(np.float32)


def test_closeness_by_hand() -> None:
    depth = np.array([[0.5, 1.0, 2.0, 8.0, 0.1, 100.0]], np.float32)
    inverse = encode("depth", depth, DepthSettings("inverse", near_m=0.5, far_m=8.0))
    # 1/0.5 - 1/8 = 1.875; (1/1 - 1/8) / 1.875 = 0.46667; (1/2 - 1/8) / 1.875 = 0.2.
    np.testing.assert_allclose(inverse.data[0, 0], [1, 0.466667, 0.2, 0, 1, 0], atol=1e-5)
    log = encode("depth", depth, DepthSettings("log", near_m=0.5, far_m=8.0))
    # From 0.5 m to 8 m there are four doublings; 1 m is one away and 2 m two.
    np.testing.assert_allclose(log.data[0, 0], [1, 0.75, 0.5, 0, 1, 0], atol=1e-5)
    assert inverse.valid.all()
    assert log.data.dtype == np.float32


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), representation=st.sampled_from(["log", "inverse"]))
def test_units_do_not_matter(seed: int, representation: str) -> None:
    mm = holed(room(seed), seed)
    expected = encode("depth", mm, DepthSettings(representation))
    metres = in_metres(mm)
    with np.errstate(divide="ignore"):
        disparity = np.where(mm == 0, 0, 500 * 0.12 / np.maximum(mm / 1000, 1e-9))
    stereo = {"unit": "disparity", "focal_px": 500.0, "baseline_m": 0.12}
    others = [
        encode("depth", metres, DepthSettings(representation)),
        encode("depth", mm.astype(np.float32), DepthSettings(representation, unit="mm")),
        encode("depth", mm * 5, DepthSettings(representation, unit="m", scale=1 / 5000)),
        encode("depth", disparity.astype(np.float32), DepthSettings(representation, **stereo)),
        encode(
            "depth",
            (disparity * 16).astype(np.float32),
            DepthSettings(representation, scale=1 / 16, **stereo),
        ),
    ]
    for planes in others:
        assert np.array_equal(planes.valid, expected.valid)
        np.testing.assert_allclose(planes.data, expected.data, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), representation=st.sampled_from(["log", "inverse"]))
def test_nearer_is_never_lower(seed: int, representation: str) -> None:
    values = np.random.default_rng(seed).uniform(0.05, 120, 240)
    values[:2] = 0.3, 90
    values.sort()
    depth = values.reshape(6, 40).astype(np.float32)
    closeness = encode("depth", depth, DepthSettings(representation)).data[0].ravel()
    assert (np.diff(closeness) <= 0).all()
    assert closeness[0] == 1.0
    assert closeness[-1] == 0.0


@pytest.mark.parametrize("mark", [0.0, -1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("representation", ["log", "inverse"])
def test_holes_are_invalid_zero_and_do_not_leak(mark: float, representation: str) -> None:
    whole = in_metres(room())
    hole = np.zeros(whole.shape, bool)
    hole[20:33, 25:60] = True
    marked = np.where(hole, np.float32(mark), whole)
    planes = encode("depth", marked, DepthSettings(representation))
    assert np.array_equal(planes.valid, ~hole)
    assert (planes.data[:, hole] == 0).all()
    reference = encode(
        "depth", np.where(hole, np.float32(np.nan), whole), DepthSettings(representation)
    )
    assert np.array_equal(planes.data, reference.data)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), representation=st.sampled_from(["log", "inverse"]))
def test_around_holes_a_flat_wall_stays_flat(seed: int, representation: str) -> None:
    rng = np.random.default_rng(seed)
    wall = np.full((96, 128), 3.0, np.float32)
    wall[rng.random(wall.shape) < rng.uniform(0, 0.9)] = 0
    row, column = rng.integers(0, 70, 2)
    wall[row : row + 26, column : column + 40] = np.nan
    planes = encode("depth", wall, DepthSettings(representation))
    shape = planes.data[1:, planes.valid]
    # With any holes, a wall has no relief and no tilt.
    assert np.abs(shape - 0.5).max() < 2e-3


def test_the_largest_uint16_is_a_hole_and_another_mark_may_be_named() -> None:
    mm = np.array([[1000, 65535, 2000, 9999]], np.uint16)
    assert encode("depth", mm).valid.tolist() == [[True, False, True, True]]
    named = encode("depth", mm, DepthSettings(invalid=9999))
    assert named.valid.tolist() == [[True, False, True, False]]
    metres = np.array([[1.0, 9.999]], np.float32)
    assert encode("depth", metres, DepthSettings(invalid=9.999)).valid.tolist() == [[True, False]]


@pytest.mark.parametrize("representation", ["log", "inverse"])
def test_relief_shows_the_box_and_tilt_the_floor(representation: str) -> None:
    planes = encode("depth", room(0, 240, 320), DepthSettings(representation))
    relief, tilt = planes.data[1], planes.data[2]
    assert relief[85:115, 85:155].mean() > 0.58
    assert relief[85:115, 165:172].mean() < 0.45
    assert abs(tilt[10:60, 200:300].mean() - 0.5) < 0.02
    # s = height / (rows below the horizon): at row 200 of 240 it is 240 / 80, so 0.5 + 3 / 8.
    assert tilt[200, 20:300].mean() == pytest.approx(0.875, abs=0.01)


@pytest.mark.parametrize(("representation", "gain"), [("log", 6.0), ("inverse", 3.0)])
def test_relief_by_hand(representation: str, gain: float) -> None:
    """Beside a step, 15 of 31 columns around are beyond it: a sixteenth of the height each way."""
    depth = np.full((240, 320), 3.0, np.float32)
    depth[:, 160:] = 2.8
    planes = encode("depth", depth, DepthSettings(representation))
    closeness, relief = planes.data[0, 120].astype(float), planes.data[1, 120]
    step = closeness[160] - closeness[159]
    assert step > 0.005
    assert relief[160] == pytest.approx(0.5 + gain * step * 15 / 31, abs=1e-4)
    assert relief[159] == pytest.approx(0.5 - gain * step * 15 / 31, abs=1e-4)
    assert relief[[144, 175]] == pytest.approx([0.5, 0.5], abs=1e-4)
    assert relief[145] == pytest.approx(0.5 - gain * step / 31, abs=1e-4)


@pytest.mark.parametrize("representation", ["log", "inverse"])
def test_holes_do_not_change_the_tilt_of_a_floor(representation: str) -> None:
    floor = room(0, 240, 320)
    whole = encode("depth", floor, DepthSettings(representation)).data[2]
    rng = np.random.default_rng(0)
    floor[rng.random(floor.shape) < 0.3] = 0
    floor[190:205, 40:90] = 0
    planes = encode("depth", floor, DepthSettings(representation))
    off = np.abs(planes.data[2] - whole)[175:235][planes.valid[175:235]]
    assert off.max() < 0.03
    assert off.mean() < 0.004


def test_tilt_of_a_ceiling_is_that_of_the_floor_turned() -> None:
    floor = room(0, 240, 320)[130:]
    up = encode("depth", floor).data[2]
    down = encode("depth", floor[::-1].copy()).data[2]
    np.testing.assert_allclose(down[::-1], 1 - up, atol=0.01)


def test_an_image_of_holes_alone_is_valid_nowhere() -> None:
    for representation in ("log", "inverse"):
        planes = encode("depth", np.zeros((20, 30), np.uint16), DepthSettings(representation))
        assert not planes.valid.any()
        assert (planes.data == 0).all()


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 130), width=st.integers(1, 130))
def test_every_size_is_taken(height: int, width: int) -> None:
    planes = encode("depth", np.full((height, width), 1500, np.uint16))
    assert planes.data.shape == (3, height, width)
    assert planes.valid.all()
    np.testing.assert_allclose(planes.data[1:], 0.5, atol=1e-4)


@pytest.mark.parametrize(
    ("reading", "unit", "words"),
    [
        (np.full((6, 8), 1800, np.float32), "auto", "1800, .* looks like millimetres"),
        (np.full((6, 8), 1800, np.uint16), "m", "millimetres .1.8 m.: .*'mm'"),
        (np.full((6, 8), 2.5, np.float32), "mm", "looks like metres .2.5 m.: .*'m'"),
        (np.full((6, 8), 7, np.uint16), "auto", "looks like metres"),
        (np.full((6, 8), 1e9, np.float32), "m", "set the scale"),
    ],
)
def test_an_implausible_unit_is_named(reading: np.ndarray, unit: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        encode("depth", reading, DepthSettings(unit=unit))


def test_a_baseline_in_millimetres_is_suspected() -> None:
    stereo = DepthSettings(unit="disparity", focal_px=700.0, baseline_m=120.0)
    with pytest.raises(InputError, match=r"check focal_px \(pixels\), baseline_m"):
        encode("depth", np.full((6, 8), 40, np.float32), stereo)


def test_a_sky_at_a_thousand_metres_is_no_wrong_unit() -> None:
    depth = np.full((40, 60), 1000, np.float32)
    depth[25:] = 12.0
    assert encode("depth", depth).valid.all()


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), "three channels .*picture"),
        (np.zeros((4, 4), np.uint8), "uint8, too coarse"),
        (np.zeros((4, 4), np.int32), "int32; .*uint16 .mm. or float32 .m."),
        (np.zeros(4, np.uint16), r"shape \(4,\)"),
        (np.zeros((0, 4), np.uint16), r"shape \(0, 4\)"),
    ],
)
def test_bad_readings_are_refused_in_words(reading: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        encode("depth", reading)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"representation": "jet"}, "'jet' is unknown; .*log"),
        ({"unit": "cm"}, "unit 'cm' is unknown"),
        ({"near_m": 5.0, "far_m": 2.0}, "expected 0 < near_m < far_m"),
        ({"scale": 0.0}, "scale is 0.0"),
        ({"height_limit_m": -1.0}, "height_limit_m is -1.0"),
        ({"unit": "disparity"}, "focal_px above 0 .*None"),
        ({"unit": "disparity", "focal_px": 500.0}, "baseline_m above 0"),
        ({"gravity": (0.0, 0.0, 0.0)}, "gravity direction"),
        ({"gravity": (1.0, 0.0)}, "gravity direction"),
    ],
)
def test_bad_settings_are_refused_in_words(bad: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        DepthSettings(**bad)
