# SPDX-License-Identifier: Apache-2.0
"""Scenes that models were trained on stay unchanged when sensors are added.

The classes' pixels were counted when the thermal camera was the generator's only second sensor and
panes were still building; brightness and temperature were recorded when panes became glass,
brightness at night when the night sky became darker and motion blur was added. Other processors or
NumPy versions may round differently, so a few values may differ slightly.
"""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_core.scenes.street.materials import Label

COUNTS = [4859, 134, 426, 3460, 1460, 1430, 105, 348, 29, 37]
PANES = 542
GREEN = {
    "day": [
        [61, 175, 255, 255, 139, 108],
        [96, 182, 255, 255, 135, 108],
        [97, 87, 126, 109, 137, 111],
        [92, 89, 91, 94, 90, 90],
        [115, 93, 91, 91, 92, 94],
    ],
    "night": [
        [95, 98, 93, 76, 73, 73],
        [71, 114, 112, 106, 64, 64],
        [78, 96, 146, 91, 54, 255],
        [56, 71, 93, 87, 65, 54],
        [83, 80, 99, 112, 82, 66],
    ],
}
KELVIN = {
    "day": [
        [27725, 28073, 25920, 25901, 28185, 27501],
        [27824, 27508, 26430, 28059, 28148, 28136],
        [27863, 28013, 28305, 28656, 27514, 27509],
        [28657, 28694, 28709, 28687, 28691, 28695],
        [28209, 28657, 28668, 28668, 28682, 28716],
    ],
    "night": [
        [26865, 27048, 25212, 25193, 27158, 26972],
        [26847, 26818, 25723, 27056, 27126, 27109],
        [27125, 26957, 26905, 27190, 26818, 26979],
        [27172, 27209, 27224, 27202, 27206, 27214],
        [27001, 27171, 27182, 27182, 27196, 27230],
    ],
}


def differing(rendered: npt.NDArray[np.generic], expected: list[list[int]]) -> int:
    return int((np.abs(rendered.astype(int) - np.array(expected)) > 1).sum())


@pytest.mark.parametrize("condition", ["day", "night"])
def test_rgb_thermal_and_labels_of_a_seed_are_what_they_always_were(condition: str) -> None:
    drive = Drive(DriveSettings(width=128, height=96, seed=11, conditions=(condition,)))
    rgb, x = drive.rgb_at(0.5), drive.x_at(0.5)
    assert isinstance(x.reading, np.ndarray)
    counts = np.bincount(rgb.labels.ravel(), minlength=len(Label))
    assert abs(int(counts[Label.GLASS]) - PANES) <= 3
    counts[Label.BUILDING] += counts[Label.GLASS]
    assert np.abs(counts[:-1] - COUNTS).sum() <= 6
    assert differing(rgb.image[8::20, 8::20, 1], GREEN[condition]) <= 1
    assert differing(x.reading[4::10, 4::10], KELVIN[condition]) <= 1


@pytest.mark.parametrize("modality", ["event", "depth", "polarization", "light_field"])
def test_rgb_and_labels_do_not_depend_on_the_x_sensor(modality: str) -> None:
    first, second = (
        Drive(DriveSettings(modality=m, width=64, height=48, seed=2)).rgb_at(0.3)
        for m in ("thermal", modality)
    )
    assert (first.labels == Label.GLASS).any()
    assert first.image.tobytes() == second.image.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
