# SPDX-License-Identifier: Apache-2.0
"""A real plenoptic camera's views: a flower before grass."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.encoding import LightFieldSettings, encode, read_x
from segrgbx_core.encoding.light_field.disparity import Slopes, slopes
from segrgbx_core.encoding.light_field.views import from_views, related
from segrgbx_core.readings import LightFieldViews

pytestmark = pytest.mark.shared_data

FLOWER = (slice(110, 200), slice(60, 210))
GRASS = (slice(0, 50), slice(80, 240))


@pytest.fixture(scope="module")
def views(shared_data: Path) -> LightFieldViews:
    reading = read_x(shared_data / "light_field" / "lytro_10x10", "light_field")
    assert isinstance(reading, LightFieldViews)
    assert reading.views.shape == (100, 256, 256, 3)
    middle = (np.abs(reading.rows - 5) < 4) & (np.abs(reading.columns - 5) < 4)
    return LightFieldViews(reading.views[middle], reading.rows[middle], reading.columns[middle])


def slopes_of(views: LightFieldViews, numbering: str) -> Slopes:
    return slopes(related(from_views(views), numbering), -4, 8)


def test_the_names_number_columns_first(views: LightFieldViews) -> None:
    right, wrong = slopes_of(views, "right,down"), slopes_of(views, "down,right")
    assert right.error.mean() < 0.4 * wrong.error.mean()


def test_the_flower_is_nearer_than_the_grass(views: LightFieldViews) -> None:
    disparity = slopes_of(views, "right,down").disparity
    # Phase correlation of views four apart: 2.0 to 2.2 pixels at the flower, 2.8 in the grass.
    assert np.median(disparity[FLOWER]) == pytest.approx(-0.53, abs=0.05)
    assert np.median(disparity[GRASS]) == pytest.approx(-0.7, abs=0.05)
    planes = encode("light_field", views, LightFieldSettings(numbering="right,down"))
    assert np.median(planes.data[(0, *FLOWER)]) > np.median(planes.data[(0, *GRASS)]) + 0.4
    assert planes.valid.all()
