# SPDX-License-Identifier: Apache-2.0
"""Cameras and transforms from files and messages, against numbers worked out by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.calibration import read_camera, read_extrinsic, read_homography
from segrgbx_ros.bags.cameras import TransformStamped, transform_between
from segrgbx_ros.messages.cameras import (
    CameraInfoMessage,
    camera_from_info,
    is_rectified,
    published_size,
    resized_intrinsics,
)

CAMERA_YAML = """
image_width: 640
image_height: 480
camera_name: rgb
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 510, 240, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.1, 0.01, 0, 0, 0]}
"""
HALF = np.sqrt(0.5)


def info(**changes: object) -> CameraInfoMessage:
    content: dict[str, object] = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": np.array([-0.1, 0.01, 0, 0, 0]),
        "k": np.array([500.0, 0, 320, 0, 510, 240, 0, 0, 1]),
        "p": np.array([450.0, 0, 310, 0, 0, 460, 230, 0, 0, 0, 1, 0]),
        "binning_x": 0,
        "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return cast(CameraInfoMessage, SimpleNamespace(**{**content, **changes}))


def stamped(
    parent: str, child: str, move: tuple[float, ...], turn: tuple[float, ...] = (0, 0, 0, 1)
) -> TransformStamped:
    x, y, z, w = turn
    return cast(
        TransformStamped,
        SimpleNamespace(
            header=SimpleNamespace(frame_id=parent),
            child_frame_id=child,
            transform=SimpleNamespace(
                translation=SimpleNamespace(x=move[0], y=move[1], z=move[2]),
                rotation=SimpleNamespace(x=x, y=y, z=z, w=w),
            ),
        ),
    )


def test_a_camera_info() -> None:
    camera = camera_from_info(info(), "/rgb/camera_info")
    assert (camera.width, camera.height, camera.model) == (640, 480, "plumb_bob")
    assert camera.k.tolist() == [[500, 0, 320], [0, 510, 240], [0, 0, 1]]
    assert camera.d.tolist() == [-0.1, 0.01, 0, 0, 0]


def test_a_rectified_image_has_the_projection_and_no_distortion() -> None:
    camera = camera_from_info(info(), "/rgb/camera_info", rectified=True)
    assert camera.k.tolist() == [[450, 0, 310], [0, 460, 230], [0, 0, 1]]
    assert not camera.d.any()
    assert is_rectified("/camera/depth/image_rect_raw")
    assert not is_rectified("/camera/rectangle/image_raw")


def test_region_and_binning() -> None:
    """Pixels 100..419 by twos: the binned pixel 0 is the mean of 100 and 101, centre 100.5."""
    roi = SimpleNamespace(x_offset=100, y_offset=50, width=320, height=240)
    camera = camera_from_info(info(roi=roi, binning_x=2, binning_y=2), "/rgb/camera_info")
    assert (camera.width, camera.height) == (160, 120)
    assert camera.k[0].tolist() == [250, 0, (320 - 100 - 0.5) / 2]
    assert camera.k[1].tolist() == [0, 255, (240 - 50 - 0.5) / 2]


def test_a_resized_image_keeps_its_rays() -> None:
    """Through the same point of the scene, before and after; cropped and binned before."""
    roi = SimpleNamespace(x_offset=100, y_offset=50, width=320, height=240)
    p = np.array([450.0, 0, 310, -45, 0, 460, 230, 92, 0, 0, 1, 0])
    before = info(roi=roi, binning_x=2, binning_y=2, d=np.zeros(0), p=p)
    assert published_size(before) == (120, 160)
    small = resized_intrinsics(before, (60, 40))
    assert (small.width, small.height) == (40, 60)
    assert small.k.tolist() == [62.5, 0, (109.75 + 0.5) / 4 - 0.5, 0, 127.5, 47.125, 0, 0, 1]
    assert small.p.reshape(3, 4)[:2, 3].tolist() == [-45 / 8, 92 / 4]
    assert small.p.reshape(3, 4)[0, :3].tolist() == [56.25, 0, (104.75 + 0.5) / 4 - 0.5]


def test_an_empty_camera_info_is_named() -> None:
    with pytest.raises(InputError, match=r"/rgb/camera_info cannot be used: .*0\.0, 0\.0"):
        camera_from_info(info(k=np.zeros(9)), "/rgb/camera_info")


def test_a_camera_file(tmp_path: Path) -> None:
    file = tmp_path / "camera.yaml"
    file.write_text(CAMERA_YAML)
    camera = read_camera(file)
    assert (camera.width, camera.height, camera.k[1, 1], camera.d[0]) == (640, 480, 510, -0.1)


def test_a_homography_file(tmp_path: Path) -> None:
    file = tmp_path / "h.yaml"
    file.write_text("matrix:\n- [1, 0, 5]\n- [0, 1, 6]\n- [0, 0, 1]\n")
    assert read_homography(file).matrix[:, 2].tolist() == [5, 6, 1]


def test_an_extrinsic_as_tf2_prints_it(tmp_path: Path) -> None:
    """A quarter turn about z maps x to y."""
    file = tmp_path / "e.yaml"
    file.write_text(f"translation: [1, 2, 3]\nrotation: [0, 0, {HALF}, {HALF}]\n")
    rgb_from_x = read_extrinsic(file)
    np.testing.assert_allclose(rgb_from_x @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "read", "words"),
    [
        ("a: [", read_camera, "not readable YAML"),
        ("- 1", read_camera, r"is \[1\]; .*mapping"),
        ("image_width: 3", read_camera, "image_height"),
        ("matrix: [1, 2]", read_homography, "`matrix` of 2 numbers; .*3x3"),
        ("matrix: [0,0,0,0,0,0,0,0,0]", read_homography, "has no inverse"),
        ("rotation: [0, 0, 0, 1]", read_extrinsic, "translation"),
        (
            "translation: [0, 0, 0]\nrotation: [0, 0, 0, 2]",
            read_extrinsic,
            "length 2; .*unit quaternion",
        ),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, read: object, words: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        read(file)  # type: ignore[operator]
    with pytest.raises(InputError, match=r"nowhere\.yaml does not exist"):
        read(tmp_path / "nowhere.yaml")  # type: ignore[operator]


def test_a_chain_of_transforms_in_both_directions() -> None:
    """rgb and x are both below the base: up one branch, down the other."""
    tree = [
        stamped("base", "rgb", (1, 0, 0)),
        stamped("base", "mast", (0, 0, 2)),
        stamped("mast", "x", (0, 1, 0), (0, 0, HALF, HALF)),
    ]
    rgb_from_x = transform_between(tree, "rgb", "/x")
    assert rgb_from_x is not None
    np.testing.assert_allclose(rgb_from_x @ [1, 0, 0, 1], [-1, 2, 2, 1], atol=1e-12)
    x_from_rgb = transform_between(tree, "x", "rgb")
    assert x_from_rgb is not None
    np.testing.assert_allclose(x_from_rgb @ rgb_from_x, np.eye(4), atol=1e-12)
    assert transform_between(tree, "rgb", "nowhere") is None
