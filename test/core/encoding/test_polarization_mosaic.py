# SPDX-License-Identifier: Apache-2.0
"""Raw mosaics: the polarizer of each sample, and the effect of edges."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segrgbx_core.encoding import PolarizationSettings, encode
from segrgbx_core.encoding.polarization.mosaic import (
    ANGLES,
    Demosaic,
    parse_layout,
    split,
    spoiled,
)
from segrgbx_core.errors import InputError

SONY = (90, 45, 135, 0)
LAYOUTS = [",".join(map(str, order)) for order in itertools.permutations(ANGLES)]


def mosaic_of(
    dolp: float, aolp: float, layout: tuple[int, ...] = SONY, size: int = 8, level: float = 100.0
) -> npt.NDArray[np.float32]:
    """Evenly polarized light by Malus's law, level counts behind no polarizer's half."""
    image = np.empty((size, size), np.float32)
    for place, angle in enumerate(layout):
        row, column = divmod(place, 2)
        part = level * (1 + dolp * np.cos(2 * (aolp - np.deg2rad(angle))))
        image[row::2, column::2] = part
    return image


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_finds_its_angles(layout: str) -> None:
    raw = np.array([[1, 2], [3, 4]], np.uint8).repeat(1, 0)
    raw = np.tile(raw, (4, 4))
    images = split(raw, parse_layout(layout), "superpixel")
    for place, angle in enumerate(layout.split(",")):
        assert (images[ANGLES.index(int(angle))] == place + 1).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_light_gives_one_encoding_in_every_layout(layout: str) -> None:
    raw = mosaic_of(0.36, 0.4, parse_layout(layout))
    planes = encode("polarization", raw, PolarizationSettings(layout=layout))
    # w = sqrt(0.36) = 0.6; sin 0.8 = 0.71736, cos 0.8 = 0.69671.
    assert planes.data.shape == (3, 4, 4)
    assert planes.valid.all()
    expected = (0.6, 0.5 + 0.3 * 0.71736, 0.5 + 0.3 * 0.69671)
    for plane, value in zip(planes.data, expected, strict=True):
        assert plane == pytest.approx(value, abs=1e-5)


def test_a_ramp_of_light_is_interpolated_to_the_superpixels_centre() -> None:
    rows, columns = np.mgrid[:12, :16].astype(np.float32)
    images = split(3 * rows + 5 * columns, SONY, "interpolate")
    centre_rows, centre_columns = np.mgrid[0.5:12:2, 0.5:16:2]
    expected = 3 * centre_rows + 5 * centre_columns
    for image in images:
        assert image[1:-1, 1:-1] == pytest.approx(expected[1:-1, 1:-1])


def test_an_angle_takes_nothing_from_the_others() -> None:
    raw = np.zeros((12, 12), np.float32)
    raw[1::2, 0::2] = np.random.default_rng(0).uniform(1, 99, (6, 6))
    images = split(raw, SONY, "interpolate")
    assert (images[ANGLES.index(135)] > 0).all()
    for angle in (0, 45, 90):
        assert (images[ANGLES.index(angle)] == 0).all()


def _false_dolp(raw: npt.NDArray[np.float32], demosaic: Demosaic) -> float:
    i0, i45, i90, i135 = split(raw, SONY, demosaic)
    return float((np.hypot(i0 - i90, i45 - i135) / (i0 + i90)).mean())


def test_an_edge_of_unpolarized_light_looks_less_polarized_when_interpolated() -> None:
    y, x = np.mgrid[:64, :64]
    raw = (60 + 50 * np.tanh((np.hypot(x - 31, y - 30) - 18) / 1.5)).astype(np.float32)
    assert _false_dolp(raw, "interpolate") < 0.5 * _false_dolp(raw, "superpixel")


@given(row=st.integers(0, 11), column=st.integers(0, 11))
def test_exactly_what_a_sample_reaches_is_spoiled_by_it(row: int, column: int) -> None:
    bad = np.zeros((12, 12), np.bool_)
    bad[row, column] = True
    demosaics: tuple[Demosaic, ...] = ("interpolate", "superpixel")
    for demosaic in demosaics:
        before = split(np.zeros((12, 12), np.float32), SONY, demosaic)
        after = split(bad.astype(np.float32), SONY, demosaic)
        reached = (after != before).any(axis=0)
        covered = spoiled(bad, demosaic)
        assert (covered | ~reached).all()
        assert covered.sum() <= 4


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("90,45,135", "'90,45,135' .*0, 45, 90 and 135 once each"),
        ("90,45,135,135", "once each"),
        ("90,45,135,30", "once each"),
        ("rggb", "once each"),
        ("", "once each"),
    ],
)
def test_bad_layouts_are_refused_in_words(layout: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        PolarizationSettings(layout=layout)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (np.zeros((5, 4), np.uint8), "4x5 pixels, .*2x2"),
        (np.zeros((4, 5), np.uint16), "5x4 pixels"),
        (np.zeros((4, 4, 3), np.uint8), r"shape \(4, 4, 3\), .*debayered"),
        (np.zeros(16, np.uint8), r"shape \(16,\); .*\(height, width\)"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\); expected"),
        (np.zeros((4, 4), np.int32), "int32; expected uint8, uint16 or float32"),
        (np.zeros((4, 4), np.float64), "values of type float64"),
    ],
)
def test_bad_mosaics_are_refused_in_words(raw: npt.NDArray[np.uint8], words: str) -> None:
    with pytest.raises(InputError, match=words):
        encode("polarization", raw)
