# SPDX-License-Identifier: Apache-2.0
"""The camera presets: valid, of one sensor each, sourced, and what a typical reading becomes."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.encoding import encode
from segrgbx_core.errors import InputError
from segrgbx_core.modality import MODALITIES
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.node.parameters.parameters import NodeSettings, settings_from
from segrgbx_ros.node.parameters.presets import (
    CameraPreset,
    camera_preset,
    preset_for,
    preset_names,
    transport_of,
)
from segrgbx_ros.node.parameters.sensor import check_tiles, encoding_settings, rgb_settings

THERMAL = tuple(n for n in preset_names() if camera_preset(n).modality == "thermal")
DEPTH = tuple(n for n in preset_names() if camera_preset(n).modality == "depth")


def settings_of(name: str) -> NodeSettings:
    preset = camera_preset(name)
    return settings_from({**preset.parameters, "modality": preset.modality})


def test_every_sensor_has_a_preset() -> None:
    assert {camera_preset(name).modality for name in preset_names()} == set(MODALITIES)


@pytest.mark.parametrize("name", preset_names())
def test_the_node_takes_it(name: str) -> None:
    settings = settings_of(name)
    encoding_settings(settings)
    rgb_settings(settings)
    check_tiles(settings)
    assert settings.sync_x_timeout > 1.0 / (camera_preset(name).rate_hz or 1000.0)


@pytest.mark.parametrize("name", preset_names())
def test_its_facts_are_sourced(name: str) -> None:
    preset = camera_preset(name)
    assert preset.sources
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", preset.checked)
    assert preset.bring_up or preset.driver == "none"


@pytest.mark.parametrize("name", preset_names())
def test_its_topics_are_relative_and_agree_with_the_transports(name: str) -> None:
    preset, settings = camera_preset(name), settings_of(name)
    assert not preset.rgb_topic.startswith("/")
    assert not preset.x_topic.startswith("/")
    if preset.rgb_topic:
        assert preset.parameters["rgb_transport"] == transport_of(preset.rgb_topic)
    if is_windowed(preset.modality):
        assert preset.x_topic.endswith("/events")
        assert settings.event_message.endswith("EventPacket")
    elif preset.x_topic:
        assert preset.parameters["x_transport"] == transport_of(preset.x_topic)


def typical_thermal(name: str) -> np.ndarray:
    """20 to 30 degrees C as that preset's driver sends it, with rows of telemetry where it has."""
    celsius = np.linspace(20.0, 30.0, 120 * 160).reshape(120, 160)
    if name == "seek":
        return celsius.astype(np.float32)
    if name in ("boson_tlinear", "lepton_tlinear", "lepton_telemetry"):
        kelvin = np.round(100.0 * (celsius + 273.15)).astype(np.uint16)
        rows = 2 if name == "lepton_telemetry" else 0
        return np.vstack([kelvin, np.full((rows, 160), 60000, np.uint16)])
    return np.round(7000 + 40 * celsius).astype(np.uint16)


@pytest.mark.parametrize("name", THERMAL)
def test_a_typical_thermal_image_is_understood(name: str) -> None:
    planes = encode("thermal", typical_thermal(name), encoding_settings(settings_of(name)))
    assert planes.data.shape == (3, 120, 160)
    assert planes.valid.all()
    assert planes.data[0, 0, 0] == 0.0
    assert planes.data[0, 60, 0] == pytest.approx(0.5, abs=0.02)
    assert planes.data[0, -1, -1] == 1.0


@pytest.mark.parametrize("name", ["boson_tlinear", "lepton_tlinear", "lepton_telemetry", "seek"])
def test_counts_are_no_temperatures(name: str) -> None:
    counts = np.full((122, 160), 8000, np.uint16)
    with pytest.raises(InputError, match="thermal image has a median of 8000"):
        encode("thermal", counts, encoding_settings(settings_of(name)))


@pytest.mark.parametrize("name", DEPTH)
def test_two_metres_are_two_metres(name: str) -> None:
    in_metres = settings_of(name).x_settings == "unit=m"
    image = np.full((48, 64), 2.0, np.float32) if in_metres else np.full((48, 64), 2000, np.uint16)
    image[0, 0] = np.nan if in_metres else 0
    planes = encode("depth", image, encoding_settings(settings_of(name)))
    expected = 1.0 - np.log(2.0 / 0.4) / np.log(80.0 / 0.4)
    assert planes.data[0, 20, 30] == pytest.approx(expected, abs=1e-5)
    assert not planes.valid[0, 0]
    assert planes.valid.sum() == planes.valid.size - 1


def test_an_unknown_name_lists_those_that_there_are() -> None:
    for name in ("boson", "../thermal", "cameras/boson_640", ""):
        with pytest.raises(InputError, match=r"was not found; there are azure_kinect, boson_320"):
            camera_preset(name)


def test_another_sensors_preset_says_so() -> None:
    assert preset_for("boson_640", "thermal").camera == "FLIR Boson 640"
    words = r"'boson_640' .* thermal.* light field: .* thermal\.launch\.py camera:=boson_640$"
    with pytest.raises(InputError, match=words):
        preset_for("boson_640", "light_field")


OWN = """\
camera: Mine
modality: {modality}
sends: counts
sources: [the manual]
checked: "2026-01-02"
driver: mine
parameters: {parameters}
"""


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN.format(modality="thermal", parameters="{sync.slop: 1, x.scale: 0.5}"))
    preset = preset_for(str(file), "thermal")
    assert dict(preset.parameters) == {"sync.slop": 1, "x.scale": 0.5}
    assert preset.rate_hz is None
    assert preset.x_topic == ""


@pytest.mark.parametrize(
    ("modality", "parameters", "words"),
    [
        ("radar", "{}", "Modality 'radar' is unknown"),
        ("thermal", "{modality: depth}", "modality is no parameter of a preset"),
        ("thermal", "[1]", "parameters is [1]; expected a mapping"),
        ("thermal", "{sync.slop: {}}", "parameters.sync.slop is {}; expected true or false or"),
        ("thermal", "{}\nrate: 9.0", "unknown keys rate; known: camera, modality, sends"),
        ("thermal", "{sync.slop: 1, sync.slop: 2}", "key 'sync.slop' is given twice"),
    ],
)
def test_a_malformed_file_is_one_sentence(
    tmp_path: Path, modality: str, parameters: str, words: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN.format(modality=modality, parameters=parameters))
    with pytest.raises(InputError) as caught:
        camera_preset(str(file))
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def preset_tables(modality: str) -> str:
    presets = {name: camera_preset(name) for name in preset_names()}
    own = {name: preset for name, preset in presets.items() if preset.modality == modality}
    rows = [_row(name, preset) for name, preset in own.items()]
    head = ["| `camera:=` | camera | sends | Hz | topics | driver |", "|---|---|---|---|---|---|"]
    commands = [line for name, preset in own.items() for line in (*_commands(name, preset), "")]
    return "\n".join([*head, *rows, "", "```bash", *commands[:-1], "```", ""])


def _row(name: str, preset: CameraPreset) -> str:
    rate = "-" if preset.rate_hz is None else f"{preset.rate_hz:g}"
    topics = _joined(f"`{topic}`" for topic in (preset.rgb_topic, preset.x_topic) if topic)
    return f"| `{name}` | {preset.camera} | {preset.sends} | {rate} | {topics} | {preset.driver} |"


def _joined(words: Iterable[str]) -> str:
    return ", ".join(words) or "-"


def _commands(name: str, preset: CameraPreset) -> list[str]:
    topics = "".join(
        f" {argument}:=/your/{topic}"
        for argument, topic, said in (
            ("rgb_topic", "rgb/image_raw", preset.rgb_topic),
            ("x_topic", "x/image_raw", preset.x_topic),
        )
        if not said
    )
    ours = f"ros2 launch segrgbx_ros {preset.modality}.launch.py camera:={name}{topics}"
    return [f"# {name}", *preset.bring_up, ours]


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_documentation_holds_the_tables(repository: Path, modality: str) -> None:
    text = (repository / "docs" / "cameras.md").read_text("utf-8")
    tables = preset_tables(modality)
    assert tables in text, f"docs/cameras.md is old; put in:\n{tables}"
