# SPDX-License-Identifier: Apache-2.0
"""The sensors page names every setting, and its pictures exist."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from segrgbx_core.encoding import encoding_of
from segrgbx_core.files.images import read_rgb
from segrgbx_core.modality import MODALITIES

HEADINGS = {
    "event": "Events",
    "thermal": "Thermal",
    "depth": "Depth",
    "polarization": "Polarization",
    "light_field": "Light field",
}
OBJECTS = {"camera"}


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "sensors.md").read_text("utf-8")


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_setting_has_its_line(page: str, modality: str) -> None:
    section = page.split(f"\n## {HEADINGS[modality]}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {f.name for f in fields(encoding_of(modality).settings)} - OBJECTS <= told


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_sensor_has_its_picture(page: str, repository: Path, modality: str) -> None:
    name = f"images/sensor_{modality}.jpg"
    assert f"]({name})" in page
    picture = read_rgb(repository / "docs" / name)
    assert picture.shape[1] >= 960
    assert (repository / "docs" / name).stat().st_size < 250_000
