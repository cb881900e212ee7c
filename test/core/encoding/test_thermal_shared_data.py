# SPDX-License-Identifier: Apache-2.0
"""Thermal encoding on real images: raw radiometric counts, and bytes after AGC."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.encoding import ThermalSettings, encode
from segrgbx_core.errors import InputError

pytestmark = pytest.mark.shared_data
PERSON = 2


def radiometric(shared_data: Path) -> list[np.ndarray]:
    paths = sorted((shared_data / "thermal16").glob("*.png"))
    assert len(paths) == 6
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]


def test_raw_counts_use_the_whole_range(shared_data: Path) -> None:
    for counts in radiometric(shared_data):
        assert counts.dtype == np.uint16
        planes = encode("thermal", counts)
        assert planes.valid.all()
        assert planes.data[0].min() == 0.0
        assert planes.data[0].max() == 1.0
        assert planes.data[1].std() > 0.2
        ordered = planes.data[:2].reshape(2, -1)[:, np.argsort(counts, axis=None, kind="stable")]
        assert (np.diff(ordered) >= 0).all()


def test_raw_counts_are_not_taken_for_a_temperature(shared_data: Path) -> None:
    for counts in radiometric(shared_data):
        with pytest.raises(InputError, match=r"median of \d+, .*kelvin"):
            encode("thermal", counts, ThermalSettings(unit="kelvin"))


def test_people_at_night_stand_out(shared_data: Path) -> None:
    folder = shared_data / "mfnet"
    names = [n for n in (folder / "test.txt").read_text().split() if n.endswith("N")]
    relief, rank, rest = [], [], []
    for name in names:
        image = cv2.imread(str(folder / "images" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        labels = cv2.imread(str(folder / "labels" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        planes = encode("thermal", np.ascontiguousarray(image[..., 3]))
        if (labels == PERSON).any():
            relief.append(planes.data[2][labels == PERSON].mean())
            rank.append(planes.data[1][labels == PERSON].mean())
            rest.append(planes.data[2][labels == 0].mean())
    assert len(relief) >= 5
    assert np.median(relief) > np.median(rest) + 0.15
    assert np.median(rank) > 0.7
