# SPDX-License-Identifier: Apache-2.0
"""Settings from text, and what alignment the options ask for."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.encoding import (
    ENCODINGS,
    DepthSettings,
    EventSettings,
    LightFieldSettings,
    PolarizationSettings,
    ThermalSettings,
)
from segrgbx_core.encoding.settings_text import setting_lines, settings_from_text, settings_text
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.modality import MODALITIES
from segrgbx_core.sensor import Geometry, SensorOptions, make_encoder
from segrgbx_ros.replay.sensor import cloud_view

CAMERA = CameraModel(64, 48, np.array([50.0, 0, 31.5, 0, 50, 23.5, 0, 0, 1]))


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
        ("thermal", "unit", "Setting 'unit' is not of the form name=value"),
        ("thermal", "unit=", "is not of the form name=value"),
        ("thermal", "hue=3", r"Thermal has no setting 'hue'; it has clip_min, .*info --settings"),
        ("thermal", "clip_min=warm", "Setting clip_min is 'warm'; expected number or none"),
        ("thermal", "telemetry_rows=1.5", "is '1.5'; expected whole number"),
        ("event", "use_incomplete=yes", "is 'yes'; expected true or false"),
        ("event", "representation=image", "expected voxel_grid or polarity_counts or time"),
        ("thermal", "dead_pixels=[[a,b]]", r"expected \[\[whole number, whole number\], ...\]"),
        ("thermal", "dead_pixels=[1,2]", "Setting dead_pixels is"),
        ("thermal", "dead_pixels=[[1,2,3]]", "Setting dead_pixels is"),
        ("thermal", "dead_pixels=[[1.5,2]]", "Setting dead_pixels is"),
        ("thermal", "dead_pixels=[[1,", "Setting dead_pixels is"),
        ("depth", "gravity=[a,b,c]", r"Setting gravity is '\[a,b,c\]'; expected"),
        ("depth", "gravity=[[0,1],0,0]", "Setting gravity is"),
        ("depth", "gravity=[0,1]", "Setting gravity is"),
        ("depth", "gravity=[true,1,0]", "Setting gravity is"),
        ("depth", "gravity=down", r"expected \[number, number, number\] or none"),
        ("light_field", "rows=0", "Light field rows 0 is not a number of views; give 1 to 32"),
        ("depth", "camera=3", "Depth has no setting 'camera'"),
    ],
)
def test_what_cannot_be_set_is_named(modality: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings_from_text(modality, [text])


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_listed_default_can_be_given(modality: str) -> None:
    """The table of `segrgbx info --settings` shows values as --set takes them."""
    lines = setting_lines(modality)
    assert lines
    made = settings_from_text(modality, [f"{line.name}={line.default}" for line in lines])
    assert made == ENCODINGS[modality].settings()
    for line in lines:
        assert line.name in settings_text(modality)


def test_the_files_say_what_alignment_is_meant(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    assert SensorOptions().alignment == "none"
    assert SensorOptions(homography=file).alignment == "homography"
    assert SensorOptions(extrinsic=file).alignment == "reproject"
    assert SensorOptions(extrinsic=file, align="none").alignment == "none"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"align": "warp"}, "Alignment 'warp' is unknown; expected one of none, resize,"),
        ({"align": "homography"}, "needs its matrix: give --homography FILE.yaml"),
        ({"align": "resize", "homography": Path("h")}, "given with --align resize; leave one of"),
        ({"window_ms": 0.0}, "event window is 0.0 ms; expected above 0"),
    ],
)
def test_contradictions_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SensorOptions(**options)  # type: ignore[arg-type]


def test_reprojecting_needs_both_cameras_and_the_transform() -> None:
    options = SensorOptions(align="reproject")
    for geometry, words in (
        (Geometry(), r"reproject needs the calibration of the RGB camera.*--rgb-camera FILE"),
        (Geometry(CAMERA), r"needs the calibration of the X camera.*--x-camera FILE"),
        (Geometry(CAMERA, CAMERA), r"needs the transform from X to RGB.*--extrinsic FILE"),
    ):
        with pytest.raises(InputError, match=words):
            make_encoder("depth", options, geometry)
    encoder = make_encoder("depth", options, Geometry(CAMERA, CAMERA, np.eye(4)))
    reading = np.full((48, 64), 2000, np.uint16)
    assert encoder(reading, (48, 64)).valid.mean() > 0.9


def test_only_depth_can_be_reprojected() -> None:
    with pytest.raises(InputError, match="'thermal' cannot be reprojected"):
        make_encoder(
            "thermal", SensorOptions(align="reproject"), Geometry(CAMERA, CAMERA, np.eye(4))
        )


def test_hha_takes_the_depth_cameras_intrinsics() -> None:
    options = SensorOptions(settings=("representation=hha",))
    with pytest.raises(InputError, match=r"hha needs the calibration of the depth camera"):
        make_encoder("depth", options, Geometry())
    rows = np.arange(48, dtype=np.float32)[:, None]
    floor = np.where(rows > 26, 75.0 / np.maximum(rows - 23.5, 1), 30.0) + np.zeros((48, 64))
    planes = make_encoder("depth", options, Geometry(x_camera=CAMERA))(
        floor.astype(np.float32), (48, 64)
    )
    assert planes.valid.any()


def test_clouds_need_a_camera_and_a_transform() -> None:
    with pytest.raises(InputError, match=r"Seeing the clouds of /points .* of the RGB camera"):
        cloud_view("/points", Geometry())
    with pytest.raises(InputError, match=r"record /tf_static, or give --extrinsic FILE"):
        cloud_view("/points", Geometry(CAMERA))
    assert cloud_view("/points", Geometry(CAMERA, None, np.eye(4))).camera is CAMERA


def test_files_come_before_what_was_recorded(tmp_path: Path) -> None:
    extrinsic = tmp_path / "x.yaml"
    extrinsic.write_text("matrix: [1,0,0,0.5, 0,1,0,0, 0,0,1,0, 0,0,0,1]")
    recorded = Geometry(CAMERA, CAMERA, np.eye(4))
    told = recorded.with_files(SensorOptions(extrinsic=extrinsic))
    assert told.rgb_from_x is not None
    assert told.rgb_from_x[0, 3] == 0.5
    assert told.rgb_camera is CAMERA
