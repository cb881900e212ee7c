# SPDX-License-Identifier: Apache-2.0
"""Polarization planes: angles of lines, no brightness, no noise, no effect of invalid pixels."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import PolarizationSettings, encode
from segrgbx_core.encoding.polarization.stokes import linear_polarization
from segrgbx_core.errors import InputError
from segrgbx_core.readings import Planes, PolarizationState, PolarizerImages

DEGREES = np.array([0, 45, 90, 135])
Floats = npt.NDArray[np.float32]


def light(dolp: Floats, aolp: Floats, level: float = 1000.0) -> Floats:
    """(4, H, W) behind the four polarizers, by Malus's law."""
    angles = np.deg2rad(DEGREES)[:, None, None]
    return (level / 2 * (1 + dolp * np.cos(2 * (aolp - angles)))).astype(np.float32)


def scene(seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    dolp = rng.uniform(0, 0.9, (12, 16)).astype(np.float32)
    return dolp, rng.uniform(0, np.pi, (12, 16)).astype(np.float32)


def mosaic(images: Floats) -> Floats:
    """A mosaic in the Sony layout, with constant light within each superpixel."""
    raw = np.empty((2 * images.shape[1], 2 * images.shape[2]), np.float32)
    for place, angle in enumerate((90, 45, 135, 0)):
        raw[place // 2 :: 2, place % 2 :: 2] = images[angle // 45]
    return raw


def dolp_of(planes: Planes) -> Floats:
    return planes.data[0] ** 2


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        # w = sqrt(0.25) = 0.5: (0.5, (1 + 0.5 sin 2a) / 2, (1 + 0.5 cos 2a) / 2).
        (0, (0.5, 0.5, 0.75)),
        (45, (0.5, 0.75, 0.5)),
        (90, (0.5, 0.5, 0.25)),
        (135, (0.5, 0.25, 0.5)),
        (180, (0.5, 0.5, 0.75)),
        (-45, (0.5, 0.25, 0.5)),
    ],
)
def test_planes_by_hand(degrees: int, expected: tuple[float, float, float]) -> None:
    dolp = np.full((3, 4), 0.25, np.float32)
    aolp = np.full((3, 4), np.deg2rad(degrees), np.float32)
    for reading in (PolarizationState(dolp, aolp), PolarizerImages(light(dolp, aolp))):
        planes = encode("polarization", reading)
        assert planes.data.shape == (3, 3, 4)
        assert planes.data.dtype == np.float32
        assert planes.data[:, 1, 1] == pytest.approx(expected, abs=1e-4)


def test_unpolarized_light_has_no_direction() -> None:
    planes = encode("polarization", np.full((8, 8), 100, np.uint8))
    assert planes.data[:, 2, 2].tolist() == [0.0, 0.5, 0.5]


def test_all_three_kinds_of_reading_agree() -> None:
    dolp, aolp = scene()
    images = light(dolp, aolp)
    given_state = encode("polarization", PolarizationState(dolp, aolp))
    four = encode("polarization", PolarizerImages(images))
    raw = encode("polarization", mosaic(images), PolarizationSettings(demosaic="superpixel"))
    assert four.data == pytest.approx(given_state.data, abs=2e-3)
    assert np.array_equal(four.data, raw.data)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), turns=st.integers(-3, 3))
def test_half_a_turn_of_the_angle_changes_nothing(seed: int, turns: int) -> None:
    dolp, aolp = scene(seed)
    turned = (aolp + turns * np.pi).astype(np.float32)
    a = encode("polarization", PolarizationState(dolp, aolp))
    b = encode("polarization", PolarizationState(dolp, turned))
    assert np.abs(a.data - b.data).max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(degrees=st.floats(-180, 180), step=st.floats(0.01, 1))
def test_nearby_angles_have_nearby_planes(degrees: float, step: float) -> None:
    dolp = np.ones((2, 2), np.float32)
    a, b = (
        encode("polarization", PolarizationState(dolp, np.full_like(dolp, np.deg2rad(angle))))
        for angle in (degrees, degrees + step)
    )
    assert np.abs(a.data - b.data).max() < 1.05 * np.deg2rad(step) + 1e-6


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 50))
def test_brightness_does_not_matter(seed: int, scale: float) -> None:
    images = light(*scene(seed))
    a = encode("polarization", mosaic(images))
    b = encode("polarization", mosaic((images * scale).astype(np.float32)))
    assert np.abs(a.data - b.data).max() < 2e-3


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), junk=st.integers(0, 1000))
def test_invalid_samples_never_leak(seed: int, junk: int) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.integers(10, 200, (24, 32)).astype(np.float32)
    bad = rng.random(raw.shape) < 0.02
    fill = np.random.default_rng(junk).choice([np.nan, np.inf, -np.inf, 250, 1e9], bad.sum())
    limit = PolarizationSettings(saturation=250)
    first, second = raw.copy(), raw.copy()
    first[bad], second[bad] = 250, fill
    a, b = encode("polarization", first, limit), encode("polarization", second, limit)
    assert np.array_equal(a.valid, b.valid)
    assert np.array_equal(a.data, b.data)
    assert (a.data[:, ~a.valid] == 0).all()
    assert np.isfinite(b.data).all()
    assert b.data.min() >= 0
    assert b.data.max() <= 1


def test_a_saturated_sample_spoils_what_is_interpolated_from_it() -> None:
    raw = np.full((12, 12), 100, np.uint8)
    raw[4, 6] = 255
    planes = encode("polarization", raw)
    # Row 4 and column 6 are the near sample of superpixel (2, 3) and the far one of (1, 2).
    bad = sorted(zip(*map(np.ndarray.tolist, np.nonzero(~planes.valid)), strict=True))
    assert bad == [(1, 2), (1, 3), (2, 2), (2, 3)]
    alone = encode("polarization", raw, PolarizationSettings(demosaic="superpixel"))
    assert np.argwhere(~alone.valid).tolist() == [[2, 3]]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("at_the_high_end", [False, True])
def test_the_bit_depth_of_16_bit_words_is_found(bits: int, at_the_high_end: bool) -> None:
    rng = np.random.default_rng(0)
    raw = rng.integers(1 << (bits - 2), (1 << bits) - 1, (32, 32)).astype(np.uint16)
    clean = raw << (16 - bits) if at_the_high_end else raw
    assert encode("polarization", clean).valid.all()
    raw[8, 8] = (1 << bits) - 1
    burnt = raw << (16 - bits) if at_the_high_end else raw
    assert (~encode("polarization", burnt).valid).sum() == 4


def test_a_set_saturation_holds_for_every_depth() -> None:
    raw = np.full((8, 8), 3900, np.uint16)
    assert encode("polarization", raw).valid.all()
    assert not encode("polarization", raw, PolarizationSettings(saturation=3900)).valid.any()


def test_dark_pixels_are_invalid_from_a_mean_of_two_counts_down() -> None:
    raw = np.zeros((8, 8), np.uint8)
    raw[:, 4:] = 3
    settings = PolarizationSettings(demosaic="superpixel")
    assert encode("polarization", raw, settings).valid.tolist() == [[False, False, True, True]] * 4
    above_black = PolarizationSettings(demosaic="superpixel", black_level=1)
    assert not encode("polarization", raw, above_black).valid.any()
    bright = PolarizationSettings(demosaic="superpixel", dark=0)
    assert not encode("polarization", raw, bright).valid[:, :2].any()


def test_the_black_level_is_not_light() -> None:
    dolp, aolp = np.full((4, 4), 0.5, np.float32), np.full((4, 4), 0.3, np.float32)
    images = PolarizerImages(light(dolp, aolp) + np.float32(64))
    assert dolp_of(encode("polarization", images)) == pytest.approx(
        0.5 * 1000 / (1000 + 128), abs=1e-4
    )
    known = encode("polarization", images, PolarizationSettings(black_level=64))
    assert dolp_of(known) == pytest.approx(0.5, abs=1e-4)


def test_noise_is_not_taken_for_polarization() -> None:
    rng = np.random.default_rng(3)
    images = rng.normal(20, 2, (4, 120, 160)).astype(np.float32)
    i0, i45, i90, i135 = images
    plain = np.hypot(i0 - i90, i45 - i135) / (images.sum(axis=0) / 2)
    # Rayleigh: sqrt(pi / 2) times the deviation of S1 / S0, 2 sqrt(2) / 40.
    assert plain.mean() == pytest.approx(0.0886, rel=0.02)
    assert dolp_of(encode("polarization", PolarizerImages(images))).mean() < 0.25 * plain.mean()


def test_noise_is_filtered_by_the_valid_pixels_alone() -> None:
    """Half of the pixels are missing: the others are not biased towards 0.

    Their noise is not much higher than without missing pixels (0.015).
    """
    rng = np.random.default_rng(5)
    dolp = np.full((120, 160), 0.4, np.float32)
    images = light(dolp, np.ones_like(dolp), 60) + rng.normal(0, 2, (4, 120, 160))
    images[:, rng.random((120, 160)) < 0.5] = np.nan
    planes = encode("polarization", PolarizerImages(images.astype(np.float32)))
    assert planes.valid.mean() == pytest.approx(0.5, abs=0.02)
    measured = dolp_of(planes)[planes.valid]
    assert measured.mean() == pytest.approx(0.4, abs=0.005)
    assert measured.std() < 0.03


def stokes_by_hand(images: Floats, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(3, H, W) DoLP, S1 and S2 over their length: the module's formulas, pixel by pixel."""
    height, width = valid.shape
    share = np.where(valid, 2 / images.sum(axis=0, dtype=np.float64), 0)
    i0, i45, i90, i135 = images.astype(np.float64) * share
    s = np.stack([i0 - i90, i45 - i135], -1)
    redundant = (i0 + i90 - i45 - i135) ** 2
    made = np.zeros((3, height, width))
    for row, column in np.argwhere(valid):
        rows = [mirrored(row + k, height) for k in range(-2, 3)]
        columns = [mirrored(column + k, width) for k in range(-2, 3)]
        around = [(r, c) for r in rows for c in columns if valid[r, c]]
        noise = np.mean([redundant[at] for at in around])
        mean = np.mean([s[at] for at in around], axis=0)
        variance = np.mean([((s[at] - mean) ** 2).sum() for at in around])
        kept = max(variance - noise, 0) / max(variance, 1e-9)
        left = mean + kept * (s[row, column] - mean)
        power = left @ left
        dolp = np.sqrt(max(power - noise * (kept**2 + 1 / len(around)), 0))
        made[:, row, column] = [min(dolp, 1), *left / np.sqrt(power)]
    return made


def mirrored(at: int, size: int) -> int:
    return size - 1 - abs(size - 1 - abs(at))


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_noise_is_removed_as_the_formulas_say(missing: float) -> None:
    rng = np.random.default_rng(9)
    dolp = np.where(np.arange(16) < 8, 0.1, 0.5) * np.ones((12, 16))
    images = light(dolp.astype(np.float32), np.full_like(dolp, 0.7, np.float32), 60)
    images += rng.normal(0, 2, images.shape).astype(np.float32)
    valid = rng.random(dolp.shape) >= missing
    images[:, ~valid] = rng.uniform(1, 200, (4, (~valid).sum()))
    made = linear_polarization(images, images.sum(axis=0) / 2, valid)
    expected = stokes_by_hand(images, valid)
    assert expected[0, valid].std() > 0.05
    assert made.dolp[valid] == pytest.approx(expected[0, valid], abs=2e-4)
    assert made.cos2a[valid] == pytest.approx(expected[1, valid], abs=2e-4)
    assert made.sin2a[valid] == pytest.approx(expected[2, valid], abs=2e-4)


def test_polarized_light_stands_out_of_the_noise_with_its_edges() -> None:
    rng = np.random.default_rng(4)
    dolp = np.zeros((60, 80), np.float32)
    dolp[:, 40:] = 0.4
    images = light(dolp, np.full_like(dolp, 1.0), 60) + rng.normal(0, 2, (4, 60, 80))
    measured = dolp_of(encode("polarization", PolarizerImages(images.astype(np.float32))))
    assert measured[:, 42:].mean() == pytest.approx(0.4, abs=0.02)
    assert measured[:, 42:].std() < 0.04
    assert measured[:, :38].mean() < 0.05
    assert measured[:, 40].mean() > 0.33
    assert measured[:, 39].mean() < 0.12


@pytest.mark.parametrize(
    ("dolp", "aolp", "words"),
    [
        (35.0, 0.1, r"DoLP .*35..35; expected 0..1: .*100"),
        (-0.5, 0.1, "DoLP .*-0.5..-0.5"),
        (0.3, 170.0, "AoLP .*170, .*degrees; .*radians"),
    ],
)
def test_implausible_states_are_refused_in_words(dolp: float, aolp: float, words: str) -> None:
    state = PolarizationState(np.full((4, 4), dolp, np.float32), np.full((4, 4), aolp, np.float32))
    with pytest.raises(InputError, match=words):
        encode("polarization", state)


def test_a_state_of_integers_is_refused_in_words() -> None:
    levels = np.zeros((4, 4), np.uint8)
    with pytest.raises(InputError, match=r"DoLP .*uint8; expected float32"):
        encode("polarization", PolarizationState(levels, levels))


def test_missing_states_are_invalid_and_noise_above_1_is_1() -> None:
    dolp = np.array([[0.25, np.nan, 0.25, 1.3]], np.float32)
    aolp = np.array([[0.0, 0.0, np.nan, 0.0]], np.float32)
    planes = encode("polarization", PolarizationState(dolp, aolp))
    assert planes.valid.tolist() == [[True, False, False, True]]
    assert planes.data[:, 0].T.tolist() == [[0.5, 0.5, 0.75], [0] * 3, [0] * 3, [1.0, 0.5, 1.0]]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"demosaic": "bilinear"}, "'bilinear' is unknown; .*interpolate"),
        ({"black_level": -1.0}, "black_level -1.0 .*below 0"),
        ({"dark": -1.0}, "below 0 counts"),
        ({"black_level": float("nan")}, "black_level nan"),
        ({"saturation": 60.0, "black_level": 64.0}, "saturation 60.0 .*black_level"),
    ],
)
def test_bad_settings_are_refused_in_words(bad: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PolarizationSettings(**bad)


@pytest.mark.parametrize("value", [1e-40, 1e-20, 1e20, 3e38])
def test_light_beyond_what_sensors_measure_is_invalid(value: float) -> None:
    images = light(*scene())
    images[0, 3, 4] = value if value > 1 else images[0, 3, 4]
    images[:, 5, 6] = [value, 0, 0, value]
    planes = encode("polarization", PolarizerImages(images), PolarizationSettings())
    assert np.isfinite(planes.data).all()
    assert planes.data.min() >= 0
    assert planes.data.max() <= 1
    assert not planes.valid[5, 6]
