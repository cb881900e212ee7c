# SPDX-License-Identifier: Apache-2.0
"""Readings as the one image that a driver publishes: the planes stay as they were."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.encoding import (
    DepthSettings,
    EncodingSettings,
    LightFieldSettings,
    PolarizationSettings,
    ThermalSettings,
    encode,
    encoding_of,
)
from segrgbx_core.encoding.light_field.views import VIEW_SETS
from segrgbx_core.encoding.settings_text import settings_as_text, settings_from_text
from segrgbx_core.errors import InputError
from segrgbx_core.readings import LightFieldViews, PolarizationState, PolarizerImages, Reading

RNG = np.random.default_rng(5)
COUNTS = RNG.integers(1, 60000, (12, 16)).astype(np.uint16)
FOUR = RNG.uniform(3, 250, (4, 12, 16)).astype(np.float32)
FOUR[1, 2, 3] = np.nan


def views(name: str) -> LightFieldViews:
    """The places of one of UrbanLF's sets, in the order of their names."""
    places = np.array(sorted(VIEW_SETS[name]), np.int64)
    base = np.random.default_rng(1).integers(60, 200, (24, 40, 3))
    pixels = [np.roll(base, int(row + column), 1) for row, column in places]
    return LightFieldViews(np.stack(pixels).astype(np.uint8), places[:, 0], places[:, 1])


def imaged(modality: str, reading: Reading, settings: EncodingSettings) -> tuple[Any, Any]:
    made = encoding_of(modality).imaged
    assert made is not None
    return made(reading, settings)


@pytest.mark.parametrize(
    ("modality", "reading", "settings", "dtype"),
    [
        ("thermal", COUNTS, ThermalSettings(unit="centikelvin"), np.uint16),
        ("depth", COUNTS, DepthSettings(), np.uint16),
        ("depth", COUNTS, DepthSettings(unit="m", scale=1 / 1000.0), np.uint16),
        ("depth", COUNTS, DepthSettings(unit="m", scale=1 / 6528.0, invalid=900), np.float32),
        ("depth", COUNTS, DepthSettings(byte_order="swapped", far_m=30.0), np.float32),
        (
            "depth",
            COUNTS,
            DepthSettings(unit="disparity", focal_px=900.0, baseline_m=4.0),
            np.float32,
        ),
        ("depth", (COUNTS / 1000).astype(np.float32), DepthSettings(unit="m"), np.float32),
        ("polarization", FOUR[0].astype(np.uint8), PolarizationSettings(), np.uint8),
        ("polarization", PolarizerImages(FOUR), PolarizationSettings(dark=2.0), np.float32),
        (
            "polarization",
            PolarizerImages(np.nan_to_num(FOUR).astype(np.uint8)),
            PolarizationSettings(layout="0,45,135,90"),
            np.uint8,
        ),
        ("light_field", views("80"), LightFieldSettings(views="80"), np.uint8),
        ("light_field", views("33"), LightFieldSettings(views="33"), np.uint8),
        ("light_field", views("8"), LightFieldSettings(views="8"), np.uint8),
    ],
)
def test_the_image_gives_the_same_planes(
    modality: str, reading: Reading, settings: EncodingSettings, dtype: npt.DTypeLike
) -> None:
    image, told = imaged(modality, reading, settings)
    assert image.dtype == dtype
    again = settings_from_text(modality, settings_as_text(told)) or type(told)()
    assert again == told
    wanted, got = encode(modality, reading, settings), encode(modality, image, again)
    np.testing.assert_array_equal(got.valid, wanted.valid)
    np.testing.assert_array_equal(got.data, wanted.data)
    assert 0 < wanted.valid.mean() <= 1


def test_millimetres_stay_and_other_units_become_metres() -> None:
    image, _ = imaged("depth", COUNTS, DepthSettings(unit="m", scale=1 / 1000.0))
    np.testing.assert_array_equal(image, COUNTS)
    metres, told = imaged(
        "depth", np.full((2, 2), 6528, np.uint16), DepthSettings(scale=1 / 6.528)
    )
    np.testing.assert_allclose(metres, np.ones((2, 2)), rtol=1e-6)
    assert settings_as_text(told) == ()


def test_the_views_of_a_cross_lie_in_a_grid_of_nine() -> None:
    image, told = imaged("light_field", views("33"), LightFieldSettings(views="33"))
    assert image.shape == (9 * 24, 9 * 40, 3)
    assert settings_as_text(told) == ("rows=9", "columns=9")
    assert not image[:24, 40:80].any()


def test_angle_and_degree_are_no_mosaic() -> None:
    state = PolarizationState(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match=r"DoLP and AoLP.*four angles"):
        imaged("polarization", state, PolarizationSettings())


def test_events_are_no_image() -> None:
    assert encoding_of("event").imaged is None
