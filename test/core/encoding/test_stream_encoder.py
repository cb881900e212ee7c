# SPDX-License-Identifier: Apache-2.0
"""The encoder of a video: equal to encode() for most sensors, and each alignment."""

import numpy as np
import pytest

from segrgbx_core.encoding import (
    DepthSettings,
    LightFieldSettings,
    PolarizationSettings,
    ThermalSettings,
    encode,
)
from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Homography, Resize, resize_planes, warp_planes
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection

SIZE = (60, 80)


def depth() -> np.ndarray:
    mm = np.full((30, 40), 3000, np.uint16)
    mm[10:20, 10:20] = 1500
    mm[5, 5:9] = 0
    return mm


def camera(width: int) -> CameraModel:
    height = width * 3 // 4
    k = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1]])
    return CameraModel(width, height, k)


def test_without_alignment_planes_keep_the_sensors_grid() -> None:
    settings = DepthSettings("inverse")
    planes = Encoder("depth", settings)(depth(), SIZE)
    expected = encode("depth", depth(), settings)
    assert np.array_equal(planes.data, expected.data)
    assert np.array_equal(planes.valid, expected.valid)


def test_resize_and_homography_work_on_planes() -> None:
    expected = encode("depth", depth())
    resized = Encoder("depth", alignment=Resize())(depth(), SIZE)
    assert np.array_equal(resized.data, resize_planes(expected, SIZE).data)
    double = Homography(np.diag([2.0, 2.0, 1.0]))
    warped = Encoder("depth", alignment=double)(depth(), SIZE)
    assert np.array_equal(warped.data, warp_planes(expected, double, SIZE).data)


def test_a_homography_of_a_mosaic_is_in_the_mosaics_pixels() -> None:
    mosaic = np.random.default_rng(0).integers(50, 200, SIZE).astype(np.uint8)
    identity = Homography(np.eye(3))
    planes = Encoder("polarization", alignment=identity)(mosaic, SIZE)
    assert planes.valid.shape == SIZE
    expected = resize_planes(encode("polarization", mosaic), SIZE)
    inner = np.s_[:, 4:-4, 4:-4]
    np.testing.assert_allclose(planes.data[inner], expected.data[inner], atol=1e-3)


def test_a_homography_of_a_tiled_light_field_is_in_one_views_pixels() -> None:
    view = np.random.default_rng(0).integers(50, 200, SIZE).astype(np.uint8)
    settings = LightFieldSettings(rows=2, columns=2)
    tiles = np.tile(view, (2, 2))
    planes = Encoder("light_field", settings, Homography(np.eye(3)))(tiles, SIZE)
    expected = encode("light_field", tiles, settings)
    assert np.array_equal(planes.valid, expected.valid)
    np.testing.assert_allclose(planes.data, expected.data, atol=1e-6)


def test_depth_is_reprojected_in_metres_before_it_is_encoded() -> None:
    pose = np.eye(4)
    pose[2, 3] = -0.5
    encoder = Encoder(
        "depth", DepthSettings("inverse"), Reprojection(camera(40), camera(80), pose)
    )
    planes = encoder(depth(), SIZE)
    # The RGB camera is half a metre ahead, so 3 m become 2.5 m.
    wall = encode("depth", np.full((1, 1), 2.5, np.float32), DepthSettings("inverse"))
    assert planes.data[0, 50, 70] == pytest.approx(wall.data[0, 0, 0], rel=1e-4)
    box = encode("depth", np.full((1, 1), 1.0, np.float32), DepthSettings("inverse"))
    assert planes.data[0, 30, 30] == pytest.approx(box.data[0, 0, 0], rel=1e-4)


def test_hha_after_a_reprojection_is_the_rgb_cameras() -> None:
    turn = np.eye(4)
    turn[:3, :3] = [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]
    settings = DepthSettings("hha", gravity=(0.0, 1.0, 0.0))
    rgb_camera = camera(80)
    encoder = Encoder("depth", settings, Reprojection(camera(40), rgb_camera, turn))
    planes = encoder(np.full((30, 40), 3000, np.uint16), SIZE)
    middle = np.full(SIZE, 3.0, np.float32)
    there = DepthSettings("hha", camera=rgb_camera, gravity=(-0.6, 0.8, 0.0))
    expected = encode("depth", middle, there)
    seen = planes.valid[10:50, 20:60]
    assert seen.all()
    slope = np.diff(planes.data[1, 10:50, 20:60], axis=0)
    np.testing.assert_allclose(slope, np.diff(expected.data[1, 10:50, 20:60], axis=0), atol=1e-3)


def test_validity_travels_along() -> None:
    for alignment in (Resize(), Reprojection(camera(40), camera(80), np.eye(4))):
        planes = Encoder("depth", alignment=alignment)(depth(), SIZE)
        assert not planes.valid[10:12, 11:17].any()
        assert (planes.data[:, ~planes.valid] == 0).all()
        assert planes.valid.mean() > 0.98


def test_mistakes_are_named() -> None:
    reprojection = Reprojection(camera(40), camera(80), np.eye(4))
    with pytest.raises(InputError, match="'thermal' cannot be reprojected"):
        Encoder("thermal", alignment=reprojection)
    with pytest.raises(InputError, match="'sonar' is unknown"):
        Encoder("sonar")
    with pytest.raises(InputError, match=r"ThermalSettings; .*DepthSettings"):
        Encoder("depth", ThermalSettings())
    with pytest.raises(InputError, match=r"RGB .*40x30 .*80x60"):
        Encoder("depth", alignment=reprojection)(depth(), (30, 40))
    with pytest.raises(InputError, match="type str"):
        Encoder("depth", alignment=reprojection)("depth.png", SIZE)
    with pytest.raises(InputError, match="type list"):
        Encoder("thermal")([1, 2], SIZE)
    with pytest.raises(InputError, match="expected EventSettings"):
        Encoder("event", PolarizationSettings())


@pytest.mark.parametrize("alignment", [np.eye(3), "homography"])
def test_an_alignment_of_another_type_is_refused(alignment: object) -> None:
    with pytest.raises(InputError, match=r"type (ndarray|str); .*Homography\(matrix\)"):
        Encoder("thermal", None, alignment)  # type: ignore[arg-type]
