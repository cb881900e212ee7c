# SPDX-License-Identifier: Apache-2.0
"""A sensor or pairing setting has the same effect in the live node and in the replay.

One table has every node parameter of that kind beside the replay's option, with a value that is
not the default. Neither half needs ROS: the node's half is the settings of its parameters.
"""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segrgbx_core.commands import arguments
from segrgbx_core.encoding import encoding_of
from segrgbx_core.modality import MODALITIES
from segrgbx_core.plausible import BIT_DEPTHS, BYTE_ORDERS
from segrgbx_core.readings import LightFieldViews, Reading
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_core.sensor import ALIGNMENTS, CameraFiles, check_sensor, make_encoder
from segrgbx_core.tiles import tiled
from segrgbx_ros.commands.replay import add_parser, rgb_from, sync_from
from segrgbx_ros.messages.rgb_words import RgbSettings
from segrgbx_ros.messages.sensors import SENSORS
from segrgbx_ros.node.parameters import sensor as node_sensor
from segrgbx_ros.node.parameters.parameters import PARAMETERS, settings_from
from segrgbx_ros.pairing.matching import MISSING_X, SYNC_POLICIES, SyncSettings

# Parameter, value, arguments of the replay.
SYNC: tuple[tuple[str, object, tuple[str, ...]], ...] = (
    ("sync.policy", "exact", ("--sync-policy", "exact")),
    ("sync.slop", 0.2, ("--slop", "0.2")),
    ("sync.queue_size", 7, ("--queue-size", "7")),
    ("sync.x_time_offset", -0.5, ("--x-time-offset", "-0.5")),
    ("sync.x_timeout", 0.4, ("--x-timeout", "0.4")),
    ("missing_x", "hold_last", ("--missing-x", "hold_last")),
    ("hold_limit", 3.0, ("--hold-limit", "3")),
    ("reset_on_time_jump", False, ("--no-reset-on-time-jump",)),
    ("event.window_ms", 20.0, ("--window-ms", "20")),
    ("event.window_events", 500, ("--window-events", "500")),
)
RGB: tuple[tuple[str, object, tuple[str, ...]], ...] = (
    ("rgb.encoding", "bgr8", ("--rgb-encoding", "bgr8")),
    ("rgb.bits", 12, ("--rgb-bits", "12")),
    ("rgb.byte_order", "swapped", ("--rgb-byte-order", "swapped")),
)
# Modality, parameters, arguments of the replay.
SENSOR: tuple[tuple[str, dict[str, object], tuple[str, ...]], ...] = (
    (
        "thermal",
        {
            "x.scale": 0.01,
            "x.offset": -273.0,
            "x.clip_min": -30.0,
            "x.clip_max": 40.0,
            "x.invalid": 0.0,
        },
        ("scale=0.01", "offset=-273", "clip_min=-30", "clip_max=40", "invalid=0"),
    ),
    (
        "depth",
        {"x.scale": 2.0, "x.clip_min": 0.5, "x.clip_max": 20.0, "x.invalid": 7.0},
        ("scale=2", "near_m=0.5", "far_m=20", "invalid=7"),
    ),
    ("polarization", {"polarization.layout": "0,45,135,90"}, ("layout=0,45,135,90",)),
    ("light_field", {"light_field.rows": 3, "light_field.columns": 3}, ("rows=3", "columns=3")),
    (
        "event",
        {"event.representation": "time_surface", "event.use_incomplete": True},
        ("representation=time_surface", "use_incomplete=true"),
    ),
)
# Settings that the node accepts only in x.settings, with a value that is not the default.
FURTHER = {
    "event": {"full_scale": "3", "percentile": "90", "response": "linear", "decay_ms": "5",
              "hot_pixel_ratio": "2", "hot_pixel_rate_hz": "5"},
    "thermal": {"low_percentile": "5", "high_percentile": "90", "unit": "celsius",
                "range_memory": "0.5", "saturation": "250", "dead_pixels": "[[1, 2]]",
                "telemetry_rows": "2", "telemetry_at": "top", "color_map": "gray",
                "byte_order": "swapped"},
    "depth": {"representation": "inverse", "unit": "mm", "focal_px": "500", "baseline_m": "0.1",
              "gravity": "[0, 1, 0]", "height_limit_m": "2", "byte_order": "swapped"},
    "polarization": {"demosaic": "superpixel", "saturation": "250", "black_level": "1",
                     "dark": "3", "byte_order": "swapped"},
    "light_field": {"views": "8", "numbering": "right,down", "disparity_min": "-2",
                    "disparity_max": "3", "scaling": "range"},
}  # fmt: skip


def replay_arguments(modality: str, *given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    words = ["replay", "bag", "--modality", modality, "--out", "out", *given]
    return parser.parse_args(words)


def node_settings(modality: str, told: dict[str, object]) -> Any:
    return settings_from({"modality": modality, **told})


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(("name", "value", "given"), SYNC, ids=[row[0] for row in SYNC])
def test_a_pairing_setting(
    modality: str, name: str, value: object, given: tuple[str, ...]
) -> None:
    told: dict[str, object] = {"sync.x_timeout": 0.1, name: value}
    live = node_sensor.sync_settings(node_settings(modality, told))
    timeout = () if name == "sync.x_timeout" else ("--x-timeout", "0.1")
    offline = sync_from(replay_arguments(modality, *timeout, *given))
    assert live == offline
    assert live != SyncSettings(x_timeout_s=0.1)


def test_every_pairing_setting_is_in_the_table() -> None:
    alone = {name for name, _, _ in SYNC}
    assert len(SYNC) == len(fields(SyncSettings))
    kinds = ("sync.", "event.window", "missing_x", "hold_limit", "reset_on")
    assert alone == {name for name in PARAMETERS if name.startswith(kinds)}


@pytest.mark.parametrize(("name", "value", "given"), RGB, ids=[row[0] for row in RGB])
def test_what_the_rgb_messages_do_not_say(
    name: str, value: object, given: tuple[str, ...]
) -> None:
    live = node_sensor.rgb_settings(node_settings("thermal", {name: value}))
    assert live == rgb_from(replay_arguments("thermal", *given))
    assert live != RgbSettings()


def test_every_rgb_setting_is_in_the_table() -> None:
    named = {name for name, _, _ in RGB}
    assert named == {name for name in PARAMETERS if name.startswith("rgb.")}
    assert named == {f"rgb.{f.name}" for f in fields(RgbSettings)}


def both(modality: str, told: dict[str, object], texts: tuple[str, ...]) -> tuple[Any, Any]:
    """The sensor settings from the node and from the replay."""
    given = [word for text in texts for word in ("--set", text)]
    return (
        node_sensor.sensor_settings(node_settings(modality, told)),
        arguments.sensor_from(replay_arguments(modality, *given)),
    )


def reading_of(modality: str) -> Reading:
    """A reading of a synthetic street as in its bag; a light field as one tiled image."""
    settings = DriveSettings(modality=modality, seconds=0.5, rate_hz=10, width=64, height=48)
    reading = Drive(settings).x_at(0.2).reading
    return tiled(reading) if isinstance(reading, LightFieldViews) else reading


@pytest.mark.parametrize(("modality", "told", "texts"), SENSOR, ids=[row[0] for row in SENSOR])
def test_a_sensors_own_parameters(
    modality: str, told: dict[str, object], texts: tuple[str, ...]
) -> None:
    assert set(told) == set(SENSORS[modality].parameters)
    live, offline = both(modality, told, texts)
    assert check_sensor(modality, live) == check_sensor(modality, offline)
    assert check_sensor(modality, live) != encoding_of(modality).settings()
    reading = reading_of(modality)
    planes = [make_encoder(modality, s, CameraFiles())(reading, (48, 64)) for s in (live, offline)]
    np.testing.assert_array_equal(planes[0].data, planes[1].data)
    np.testing.assert_array_equal(planes[0].valid, planes[1].valid)


@pytest.mark.parametrize("modality", MODALITIES)
def test_all_other_settings(modality: str) -> None:
    texts = tuple(f"{name}={value}" for name, value in FURTHER[modality].items())
    live, offline = both(modality, {"x.settings": "; ".join(texts)}, texts)
    made = check_sensor(modality, live)
    assert made == check_sensor(modality, offline)
    default = encoding_of(modality).settings()
    for name in FURTHER[modality]:
        assert getattr(made, name) != getattr(default, name), name
    own = set(SENSORS[modality].parameters.values())
    named = {f.name for f in fields(default)} - {"camera"}
    assert named == own | set(FURTHER[modality])


def test_the_options_offer_what_the_settings_take() -> None:
    """The command line names the choices itself, since its help imports no pairing."""
    given = argparse.ArgumentParser()
    commands = given.add_subparsers()
    add_parser(commands)
    offered = {a.dest: a.choices for a in commands.choices["replay"]._actions}
    assert tuple(offered["sync_policy"] or ()) == SYNC_POLICIES
    assert tuple(offered["missing_x"] or ()) == MISSING_X
    assert tuple(offered["align"] or ()) == ALIGNMENTS
    assert tuple(offered["rgb_byte_order"] or ()) == BYTE_ORDERS
    assert tuple(offered["rgb_bits"] or ()) == (0, *BIT_DEPTHS)


@pytest.mark.parametrize("align", ["none", "resize", "homography", "reproject"])
def test_alignment(align: str, tmp_path: Path) -> None:
    matrix = [1.0, 0.0, 2.0, 0.0, 1.0, 3.0, 0.0, 0.0, 1.0]
    file = tmp_path / "h.yaml"
    file.write_text(f"matrix: {matrix}\n")
    told: dict[str, object] = {"x.align": align}
    given = ["--align", align]
    if align == "homography":
        told["x.homography"] = tuple(matrix)
        given += ["--homography", str(file)]
    live = node_sensor.sensor_settings(node_settings("depth", told))
    assert live == arguments.sensor_from(replay_arguments("depth", *given))
    assert live.align == align
