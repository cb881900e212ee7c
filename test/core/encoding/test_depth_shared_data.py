# SPDX-License-Identifier: Apache-2.0
"""Depth encodings and reprojection on real recordings."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.encoding import DepthSettings, encode
from segrgbx_core.encoding.depth.hha import estimated_gravity, surface_normals
from segrgbx_core.encoding.depth.metres import depth_in_metres
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection, reproject

pytestmark = pytest.mark.shared_data
FRAMES = range(0, 251, 50)
FLOOR, WALL = 1, 0


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> Path:
    return shared_data / "depth" / "seven_scenes"


@pytest.fixture(scope="module")
def kinect(scenes: Path) -> CameraModel:
    return CameraModel(640, 480, np.loadtxt(scenes / "camera-intrinsics.txt"))


def frame(scenes: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth in mm and world_from_camera."""
    name = scenes / f"frame-{number:06d}"
    depth = cv2.imread(f"{name}.depth.png", cv2.IMREAD_UNCHANGED)
    return depth, np.loadtxt(f"{name}.pose.txt")


@pytest.mark.parametrize("number", FRAMES)
@pytest.mark.parametrize("representation", ["log", "inverse", "hha"])
def test_planes_of_real_depth(
    scenes: Path, kinect: CameraModel, number: int, representation: str
) -> None:
    mm, _ = frame(scenes, number)
    planes = encode("depth", mm, DepthSettings(representation, camera=kinect))
    assert np.array_equal(planes.valid, (mm > 0) & (mm < 65535))
    assert np.isfinite(planes.data).all()
    assert planes.data.min() >= 0
    assert planes.data.max() <= 1
    assert (planes.data[:, planes.valid].std(1) > 0.02).all()


@pytest.mark.parametrize(("first", "second"), [(0, 50), (100, 150), (250, 200)])
def test_one_frame_reprojected_is_the_other(
    scenes: Path, kinect: CameraModel, first: int, second: int
) -> None:
    (mm, pose), (other, other_pose) = frame(scenes, first), frame(scenes, second)
    seen = depth_in_metres(other, DepthSettings())
    move = np.linalg.inv(other_pose) @ pose
    done = reproject(depth_in_metres(mm, DepthSettings()), Reprojection(kinect, kinect, move))
    both = np.isfinite(done) & np.isfinite(seen)
    assert both.mean() > 0.4
    off = np.abs(done - seen)[both] / seen[both]
    assert np.median(off) < 0.015
    unmoved = np.abs(depth_in_metres(mm, DepthSettings()) - seen) / seen
    assert np.median(off) < 0.3 * np.nanmedian(unmoved)


def test_gravity_points_the_same_way_from_every_pose(scenes: Path, kinect: CameraModel) -> None:
    directions = []
    for number in FRAMES:
        mm, pose = frame(scenes, number)
        normals = surface_normals(depth_in_metres(mm, DepthSettings()), kinect)
        directions.append(pose[:3, :3] @ estimated_gravity(normals[::4, ::4].reshape(-1, 3)))
    mean = np.mean(directions, 0) / np.linalg.norm(np.mean(directions, 0))
    off = np.degrees(np.arccos(np.array(directions) @ mean))
    assert off.max() < 3.0


def test_hha_knows_floor_and_wall(shared_data: Path) -> None:
    folder = shared_data / "depth" / "nyuv2"
    depth = cv2.imread(str(folder / "depth_gt_000464.png"), cv2.IMREAD_UNCHANGED)
    labels = cv2.imread(str(folder / "segm_gt_000464.png"), cv2.IMREAD_UNCHANGED)
    # The intrinsics that NYUDepthV2's toolbox gives for its colour camera.
    k = np.array([[518.86, 0, 325.58], [0, 519.47, 253.74], [0, 0, 1]])
    options = DepthSettings("hha", unit="m", scale=1 / 5000, camera=CameraModel(640, 480, k))
    planes = encode("depth", depth, options)
    floor, wall = (planes.valid & (labels == kind) for kind in (FLOOR, WALL))
    assert min(floor.sum(), wall.sum()) > 5000
    height, angle = planes.data[1], planes.data[2]
    assert np.median(height[floor]) < 0.04
    assert np.median(height[wall]) > 0.3
    assert np.median(angle[floor]) > 0.95
    assert np.median(angle[wall]) == pytest.approx(0.5, abs=0.05)
