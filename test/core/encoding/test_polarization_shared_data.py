# SPDX-License-Identifier: Apache-2.0
"""Real polarization mosaics: the four angles are consistent only in the right layout."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.encoding import encode
from segrgbx_core.encoding.polarization.mosaic import parse_layout, split
from segrgbx_core.files.images import read_reading

pytestmark = pytest.mark.shared_data

NAMES = ("carps_IMX250MZR", "fruits_IMX250MZR")


def raw(shared_data: Path, name: str) -> npt.NDArray[np.uint8]:
    return read_reading(shared_data / "polarization" / f"{name}.png").astype(np.uint8)


def misfit(mosaic: npt.NDArray[np.uint8], layout: str) -> float:
    """Median of abs(I0 + I90 - I45 - I135) / S0, where nothing is saturated."""
    images = split(mosaic, parse_layout(layout), "superpixel")
    i0, i45, i90, i135 = images[:, images.max(axis=0) < 255]
    return float(np.median(np.abs(i0 + i90 - i45 - i135) / (i0 + i90)))


@pytest.mark.parametrize("name", NAMES)
def test_the_four_angles_fit_together(shared_data: Path, name: str) -> None:
    mosaic = raw(shared_data, name)
    assert 0.02 < misfit(mosaic, "90,45,135,0") < 0.028
    for wrong in ("90,0,45,135", "90,45,0,135"):
        assert misfit(mosaic, wrong) > 1.5 * misfit(mosaic, "90,45,135,0")


@pytest.mark.parametrize(("name", "strong"), [("carps_IMX250MZR", 0.5), ("fruits_IMX250MZR", 0.3)])
def test_planes_have_the_sensors_half_size_and_real_values(
    shared_data: Path, name: str, strong: float
) -> None:
    planes = encode("polarization", raw(shared_data, name))
    assert planes.data.shape == (3, 1024, 1224)
    assert planes.valid.mean() > 0.88
    dolp = planes.data[0, planes.valid] ** 2
    assert dolp.max() <= 1
    assert np.percentile(dolp, 99) > strong
    half = planes.data[1:, planes.valid] - 0.5
    direction = 2 * np.hypot(*half)
    assert np.abs(direction - planes.data[0, planes.valid]).max() < 1e-3
