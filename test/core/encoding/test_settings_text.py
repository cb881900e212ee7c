# SPDX-License-Identifier: Apache-2.0
"""Settings of an encoding from `name=value` texts, and their table."""

from dataclasses import fields

import pytest

from segrgbx_core.encoding import (
    DepthSettings,
    EventSettings,
    LightFieldSettings,
    PolarizationSettings,
    ThermalSettings,
    encoding_of,
)
from segrgbx_core.encoding.settings_text import setting_lines, settings_from_text
from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES


def test_values_have_the_types_of_the_fields() -> None:
    thermal = settings_from_text(
        "thermal",
        [
            "unit=centikelvin",
            "clip_min=-10",
            "clip_max = 45.5",
            "telemetry_rows=2",
            "invalid=none",
            "dead_pixels=[[3, 4], [5, 6]]",
        ],
    )
    assert thermal == ThermalSettings(
        unit="centikelvin",
        clip_min=-10.0,
        clip_max=45.5,
        telemetry_rows=2,
        dead_pixels=((3, 4), (5, 6)),
    )
    assert isinstance(thermal, ThermalSettings)
    assert type(thermal.clip_min) is float
    assert type(thermal.telemetry_rows) is int


def test_each_modality_has_its_own() -> None:
    assert settings_from_text("light_field", ["rows=3", "columns=3"]) == LightFieldSettings(3, 3)
    layout = settings_from_text("polarization", ["layout=0,135,45,90"])
    assert layout == PolarizationSettings("0,135,45,90")
    whole = settings_from_text("event", ["use_incomplete=true", "representation=time_surface"])
    assert whole == EventSettings("time_surface", use_incomplete=True)
    depth = settings_from_text("depth", ["representation=inverse", "gravity=[0, 1, 0]"])
    assert depth == DepthSettings(representation="inverse", gravity=(0, 1, 0))
    assert settings_from_text("depth", []) is None


@pytest.mark.parametrize(
    ("modality", "text", "words"),
    [
        ("thermal", "unit", "'unit' .*name=value"),
        ("thermal", "unit=", "'unit=' .*name=value"),
        ("thermal", "hue=3", r"'hue'; .*clip_min, .*info --settings"),
        ("thermal", "clip_min=warm", "clip_min is 'warm'; .*number or none"),
        ("thermal", "telemetry_rows=1.5", "'1.5'; .*whole number"),
        ("event", "use_incomplete=yes", "'yes'; .*true or false"),
        ("event", "representation=image", "voxel_grid or polarity_counts or time"),
        ("thermal", "dead_pixels=[[a,b]]", r"expected \[\[whole number, whole number\], ...\]"),
        ("thermal", "dead_pixels=[1,2]", "Setting dead_pixels is"),
        ("thermal", "dead_pixels=[[1,2,3]]", "Setting dead_pixels is"),
        ("thermal", "dead_pixels=[[1.5,2]]", "Setting dead_pixels is"),
        ("thermal", "dead_pixels=[[1,", "Setting dead_pixels is"),
        ("depth", "gravity=[a,b,c]", r"gravity is '\[a,b,c\]'"),
        ("depth", "gravity=[[0,1],0,0]", "Setting gravity is"),
        ("depth", "gravity=[0,1]", "Setting gravity is"),
        ("depth", "gravity=[true,1,0]", "Setting gravity is"),
        ("depth", "gravity=down", r"expected \[number, number, number\] or none"),
        ("light_field", "rows=0", "rows is 0; .*1 to 32"),
        ("depth", "camera=3", "no setting 'camera'"),
    ],
)
def test_what_cannot_be_set_is_named(modality: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings_from_text(modality, [text])


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"scale .*twice.* 'scale=2'"):
        settings_from_text("thermal", ["scale=1", "offset=0", "scale=2"])


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_listed_default_can_be_given(modality: str) -> None:
    """The table of `segrgbx info --settings` shows values as --set takes them."""
    lines = setting_lines(modality)
    assert lines
    made = settings_from_text(modality, [f"{line.name}={line.default}" for line in lines])
    assert made == encoding_of(modality).settings()


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_setting_says_what_it_means(modality: str) -> None:
    texts = encoding_of(modality).setting_texts()
    assert set(texts) == {f.name for f in fields(encoding_of(modality).settings)}
    for text in texts.values():
        assert len(text.meaning.split()) > 2
        assert text.meaning[-1] not in ".;"
