# SPDX-License-Identifier: Apache-2.0
"""Which camera data the sensor's settings need, and which settings are refused."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.sensor import (
    CameraFiles,
    SeenFromRgb,
    SensorSettings,
    check_sensor,
    make_encoder,
    needs_x_camera,
)

CAMERA = CameraModel(64, 48, np.array([50.0, 0, 31.5, 0, 50, 23.5, 0, 0, 1]))
EYE = tuple(float(v) for v in np.eye(3).ravel())


@dataclass
class Known:
    """Cameras with known calibration that record the requests."""

    asked: list[str] = field(default_factory=list)

    def rgb_camera(self, purpose: str) -> CameraModel:
        assert purpose
        self.asked.append("rgb_camera")
        return CAMERA

    def x_camera(self, purpose: str) -> CameraModel:
        assert purpose
        self.asked.append("x_camera")
        return CAMERA

    def rgb_from_x(self, purpose: str) -> npt.NDArray[np.float64]:
        assert purpose
        self.asked.append("rgb_from_x")
        return np.eye(4)


@pytest.mark.parametrize(
    ("modality", "sensor", "asked"),
    [
        ("thermal", SensorSettings(("unit=kelvin",)), []),
        ("thermal", SensorSettings(align="homography", homography=EYE), []),
        ("depth", SensorSettings(("representation=inverse",)), []),
        ("depth", SensorSettings(("representation=hha",)), ["x_camera"]),
        ("depth", SensorSettings(align="reproject"), ["rgb_camera", "rgb_from_x", "x_camera"]),
        (
            "depth",
            SensorSettings(("representation=hha",), align="reproject"),
            ["rgb_camera", "rgb_from_x", "x_camera"],
        ),
    ],
)
def test_only_what_is_needed_is_asked(
    modality: str, sensor: SensorSettings, asked: list[str]
) -> None:
    cameras = Known()
    make_encoder(modality, sensor, cameras)
    assert sorted(cameras.asked) == asked
    assert needs_x_camera(modality, sensor) == ("x_camera" in asked)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"align": "warp"}, "'warp' is unknown; .*none, resize,"),
        ({"align": "homography"}, "0 numbers; .*9"),
        ({"align": "homography", "homography": (1.0,)}, "has 1 numbers"),
        ({"align": "homography", "homography": (0.0,) * 9}, "has no inverse"),
    ],
)
def test_what_cannot_be_is_refused(told: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SensorSettings(**told)  # type: ignore[arg-type]


def test_only_depth_can_be_reprojected() -> None:
    sensor = SensorSettings(align="reproject")
    with pytest.raises(InputError, match="'thermal' cannot be reprojected"):
        check_sensor("thermal", sensor)
    with pytest.raises(InputError, match="'thermal' cannot be reprojected"):
        make_encoder("thermal", sensor, Known())


def test_a_reprojecting_encoder_works() -> None:
    encoder = make_encoder("depth", SensorSettings(align="reproject"), Known())
    reading = np.full((48, 64), 2000, np.uint16)
    assert encoder(reading, (48, 64)).valid.mean() > 0.9


def test_hha_takes_the_depth_cameras_intrinsics() -> None:
    sensor = SensorSettings(("representation=hha",))
    with pytest.raises(InputError, match=r"hha .*the X camera.*--x-camera"):
        make_encoder("depth", sensor, CameraFiles())
    rows = np.arange(48, dtype=np.float32)[:, None]
    floor = np.where(rows > 26, 75.0 / np.maximum(rows - 23.5, 1), 30.0) + np.zeros((48, 64))
    planes = make_encoder("depth", sensor, Known())(floor.astype(np.float32), (48, 64))
    assert planes.valid.any()


def test_files_that_were_not_given_are_named(tmp_path: Path) -> None:
    extrinsic = tmp_path / "x.yaml"
    extrinsic.write_text("matrix: [1,0,0,0.5, 0,1,0,0, 0,0,1,0, 0,0,0,1]")
    files = CameraFiles(extrinsic=extrinsic)
    assert files.rgb_from_x("Alignment")[0, 3] == 0.5
    for ask, words in (
        (files.rgb_camera, "the RGB camera.*--rgb-camera FILE.yaml"),
        (files.x_camera, "the X camera.*--x-camera FILE.yaml"),
        (CameraFiles().rgb_from_x, "transform from X.*--extrinsic FILE.yaml"),
    ):
        with pytest.raises(InputError, match=f"Alignment .*{words}"):
            ask("Alignment")


def test_a_file_that_was_given_is_read_even_where_it_is_not_needed(tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"
    for files in (CameraFiles(rgb=absent), CameraFiles(x=absent), CameraFiles(extrinsic=absent)):
        with pytest.raises(InputError, match=r"absent\.yaml does not exist"):
            files.check()
    assert CameraFiles().check() == CameraFiles()


def test_a_depth_seen_from_the_rgb_camera_has_its_intrinsics() -> None:
    cameras = Known()
    make_encoder("depth", SensorSettings(("representation=hha",)), SeenFromRgb(cameras))
    assert cameras.asked == ["rgb_camera"]
