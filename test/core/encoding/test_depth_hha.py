# SPDX-License-Identifier: Apache-2.0
"""HHA: normals, gravity, height and angle on surfaces with known ground truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.encoding import DepthSettings, encode
from segrgbx_core.encoding.depth.hha import estimated_gravity, surface_normals
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel

CAMERA = CameraModel(160, 120, np.array([[150.0, 0, 80], [0, 150.0, 60], [0, 0, 1]]))


def turned(pitch_deg: float, roll_deg: float) -> np.ndarray:
    """World axes (y down) in a camera that looks down by pitch and is tilted by roll."""
    p, r = np.radians([pitch_deg, roll_deg])
    pitch = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    roll = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return roll @ pitch.T


def hall(axes: np.ndarray, camera: CameraModel = CAMERA) -> np.ndarray:
    """Depth in metres: floor 1.5 m below, ceiling 1.5 m above, walls at 2 m, end at 6 m."""
    slopes = camera.rays
    rays = np.concatenate([slopes, np.ones((*slopes.shape[:2], 1))], -1) @ axes
    with np.errstate(divide="ignore", over="ignore"):
        reach = [1.5 / np.abs(rays[..., 1]), 2.0 / np.abs(rays[..., 0]), 6.0 / rays[..., 2]]
    reach[2][reach[2] < 0] = np.inf
    return np.min(reach, 0).astype(np.float32)


def test_normals_of_a_tilted_plane() -> None:
    normal = np.array([0.3, -0.5, -0.8])
    normal /= np.linalg.norm(normal)
    rays = np.concatenate([CAMERA.rays, np.ones((120, 160, 1))], -1)
    depth = (-2.0 / (rays @ normal)).astype(np.float32)
    depth[np.random.default_rng(0).random(depth.shape) < 0.3] = np.nan
    normals = surface_normals(depth, CAMERA)
    known = np.isfinite(depth)
    assert np.isnan(normals[~known]).all()
    np.testing.assert_allclose(
        normals[known], np.broadcast_to(normal, normals[known].shape), atol=0.01
    )


@settings(max_examples=15, deadline=None)
@given(pitch=st.floats(-25, 35), roll=st.floats(-20, 20))
def test_gravity_is_found(pitch: float, roll: float) -> None:
    axes = turned(pitch, roll)
    normals = surface_normals(hall(axes), CAMERA)
    gravity = estimated_gravity(normals.reshape(-1, 3))
    off = np.degrees(np.arccos(np.clip(gravity @ axes[:, 1], -1, 1)))
    assert off < 2.0


@pytest.mark.parametrize("pitch", [-20, 0, 30])
def test_a_floor_or_walls_alone_are_enough(pitch: float) -> None:
    axes = turned(pitch, 10)
    floor = -axes[:, 1] + np.random.default_rng(0).normal(0, 0.02, (50, 3))
    np.testing.assert_allclose(estimated_gravity(floor), axes[:, 1], atol=0.02)
    walls = np.concatenate([axes[:, 0] * np.ones((20, 1)), -axes[:, 2] * np.ones((20, 1))])
    np.testing.assert_allclose(estimated_gravity(walls), axes[:, 1], atol=1e-6)


def test_without_surfaces_the_camera_is_taken_as_level() -> None:
    assert estimated_gravity(np.full((5, 3), np.nan)).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("given_gravity", [False, True])
def test_planes_of_a_hall(given_gravity: bool) -> None:
    axes = turned(15, 5)
    x, y, z = axes[:, 1].tolist()
    options = DepthSettings(
        "hha",
        near_m=0.5,
        far_m=10.0,
        camera=CAMERA,
        gravity=(3 * x, 3 * y, 3 * z) if given_gravity else None,
        height_limit_m=3.0,
    )
    depth = hall(axes)
    planes = encode("depth", depth, options)
    rays = np.concatenate([CAMERA.rays, np.ones((120, 160, 1))], -1) @ axes
    points = rays * depth[..., None]
    above_floor = 1.5 - points[..., 1]
    np.testing.assert_allclose(planes.data[0], (1 / depth - 0.1) / 1.9, atol=1e-5)
    np.testing.assert_allclose(planes.data[1], np.clip(above_floor / 3, 0, 1), atol=0.02)
    floor, wall, ceiling = above_floor < 0.01, points[..., 2] > 5.99, above_floor > 2.99
    assert np.median(planes.data[2][floor]) == pytest.approx(1.0, abs=0.03)
    assert np.median(planes.data[2][wall]) == pytest.approx(0.5, abs=0.03)
    if ceiling.any():
        assert np.median(planes.data[2][ceiling]) == pytest.approx(0.0, abs=0.03)


def test_the_height_counts_from_a_floor_of_which_little_is_seen() -> None:
    """A wall at 3 m, and 1.1 m below the camera a floor in the last 4 of 120 rows."""
    row = (np.arange(120) - 60) / 150
    with np.errstate(divide="ignore"):
        depth = np.where(row > 0, np.minimum(1.1 / row, 3.0), 3.0)[:, None] * np.ones(160)
    options = DepthSettings("hha", camera=CAMERA, gravity=(0, 1, 0), height_limit_m=3.0)
    heights = encode("depth", depth.astype(np.float32), options).data[1]
    np.testing.assert_allclose(heights[116:], 0, atol=0.01)
    np.testing.assert_allclose(heights[60], 1.1 / 3, atol=0.01)


def test_holes_do_not_leak_and_lonely_pixels_have_no_angle() -> None:
    depth = hall(turned(10, 0))
    depth[30:60, 40:90] = np.nan
    options = DepthSettings("hha", camera=CAMERA)
    a = encode("depth", depth, options)
    marked = depth.copy()
    marked[30:60, 40:90] = 0
    b = encode("depth", marked, options)
    assert np.array_equal(a.data, b.data)
    assert (a.data[:, ~a.valid] == 0).all()
    lonely = np.full((120, 160), np.nan, np.float32)
    lonely[::12, ::12] = 2.0
    planes = encode("depth", lonely, options)
    assert (planes.data[2][planes.valid] == 0.5).all()


def test_units_and_an_empty_image() -> None:
    depth = hall(turned(10, 0))
    mm = np.round(depth * 1000).astype(np.uint16)
    options = DepthSettings("hha", camera=CAMERA)
    a = encode("depth", mm, options)
    b = encode("depth", (mm / 1000).astype(np.float32), options)
    np.testing.assert_allclose(a.data, b.data, atol=1e-3)
    empty = encode("depth", np.zeros((120, 160), np.uint16), options)
    assert not empty.valid.any()
    assert (empty.data == 0).all()


def test_missing_and_unfitting_intrinsics_are_named() -> None:
    depth = hall(turned(0, 0))
    with pytest.raises(InputError, match=r"'hha' .*intrinsics"):
        encode("depth", depth, DepthSettings("hha"))
    with pytest.raises(InputError, match=r"80x120 .*160x120"):
        encode("depth", depth[:, ::2].copy(), DepthSettings("hha", camera=CAMERA))
