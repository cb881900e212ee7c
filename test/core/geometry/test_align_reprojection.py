# SPDX-License-Identifier: Apache-2.0
"""Depth seen from another camera's position: geometry, occlusion, no holes in surfaces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection, reproject

BARREL = np.array([-0.2, 0.05, 0.001, -0.002, 0.0])


def camera(width: int = 64, d: np.ndarray | None = None, model: str = "plumb_bob") -> CameraModel:
    """60 degrees wide, 4:3."""
    height, focal = width * 3 // 4, width * 0.87
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return CameraModel(width, height, k, np.zeros(0) if d is None else d, model)


def moved(
    x: float = 0, y: float = 0, z: float = 0, yaw_deg: float = 0, roll_deg: float = 0
) -> np.ndarray:
    """rgb_from_x of a rotated RGB camera at (x, y, z) in the depth camera's frame."""
    a, b = np.radians([yaw_deg, roll_deg])
    yaw = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    roll = np.array([[np.cos(b), np.sin(b), 0], [-np.sin(b), np.cos(b), 0], [0, 0, 1]])
    result = np.eye(4)
    result[:3, :3] = roll @ yaw
    result[:3, 3] = -result[:3, :3] @ [x, y, z]
    return result


def plane_seen(by: CameraModel, pose: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """Depth, in the camera at rgb_from_x `pose`, of the plane normal . p = offset of the depth
    camera's axes."""
    turned = pose[:3, :3] @ normal
    distance = offset + turned @ pose[:3, 3]
    rays = np.concatenate([by.rays, np.ones((by.height, by.width, 1))], -1)
    return distance / (rays @ turned)


@pytest.mark.parametrize(("d", "model"), [(None, "plumb_bob"), (BARREL, "plumb_bob")])
def test_the_same_camera_changes_nothing(d: np.ndarray | None, model: str) -> None:
    depth = np.random.default_rng(0).uniform(1, 5, (48, 64)).astype(np.float32)
    depth[np.random.default_rng(1).random(depth.shape) < 0.3] = np.nan
    one = camera(64, d, model)
    done = reproject(depth, Reprojection(one, one, np.eye(4)))
    np.testing.assert_allclose(done, depth, rtol=1e-6)


LENSES = {
    "none": camera(96),
    "barrel": camera(96, BARREL),
    "rational": camera(
        96, np.array([0.3, 0.1, 0.001, 0, 0.01, 0.2, 0.05, 0.02]), "rational_polynomial"
    ),
    "fisheye": camera(96, np.array([0.02, -0.01, 0.003, 0.001]), "equidistant"),
}


@pytest.mark.parametrize("x_lens", LENSES)
@pytest.mark.parametrize("rgb_lens", LENSES)
def test_a_slanted_plane_is_the_same_plane_without_holes(x_lens: str, rgb_lens: str) -> None:
    normal = np.array([0.2, -0.3, 0.93])
    pose = moved(0.1, -0.05, 0.2, yaw_deg=6, roll_deg=4)
    depth = plane_seen(LENSES[x_lens], np.eye(4), normal, 3.0).astype(np.float32)
    expected = plane_seen(LENSES[rgb_lens], pose, normal, 3.0)
    done = reproject(depth, Reprojection(LENSES[x_lens], LENSES[rgb_lens], pose))
    known = np.isfinite(done)
    assert known.mean() > 0.7
    np.testing.assert_allclose(done[known], expected[known], rtol=0.02)
    assert np.isfinite(done[20:52, 25:70]).all()


@settings(max_examples=20, deadline=None)
@given(
    width=st.sampled_from([32, 64, 100, 160, 237]),
    yaw=st.floats(-5, 5),
    roll=st.floats(-45, 45),
    ahead=st.floats(-0.5, 1.0),
)
def test_upsampling_leaves_no_holes_in_a_surface(
    width: int, yaw: float, roll: float, ahead: float
) -> None:
    pose = moved(0, 0, ahead, yaw, roll)
    depth = np.full((48, 64), 4.0, np.float32)
    target = camera(width)
    done = reproject(depth, Reprojection(camera(64), target, pose))
    h, w = done.shape
    inner = np.s_[h * 3 // 10 : h * 7 // 10, w * 3 // 10 : w * 7 // 10]
    assert np.isfinite(done[inner]).all()
    expected = plane_seen(target, pose, np.array([0, 0, 1.0]), 4.0)[inner]
    np.testing.assert_allclose(done[inner], expected, rtol=0.02)


def scene_with_a_pole() -> np.ndarray:
    depth = np.full((48, 64), 5.0, np.float32)
    depth[:, 30:34] = 1.0
    return depth


@pytest.mark.parametrize("width", [64, 160])
def test_what_stands_before_hides_what_is_behind(width: int) -> None:
    target = camera(width)
    done = reproject(scene_with_a_pole(), Reprojection(camera(64), target, moved(x=0.1)))
    # The pole, 1 m away, moves left by 0.1 / 1 of the focal length; the wall by a fifth of that.
    per_pixel = width / 64
    shift = 0.1 * 0.87 * 64
    left, right = (29.5 - shift + 0.5) * per_pixel - 0.5, (33.5 - shift + 0.5) * per_pixel - 0.5
    pole = np.arange(int(np.ceil(left + 0.5)), int(np.floor(right - 0.5)) + 1)
    np.testing.assert_allclose(done[:, pole], 1.0, rtol=1e-5)
    # Right of it is the part that the depth camera could not see, and then the wall without holes.
    uncovered = np.isnan(done[24]).nonzero()[0]
    shadow = uncovered[uncovered < width * 0.9]
    gap = 0.1 * (1 - 1 / 5) * 0.87 * width
    assert abs(len(shadow) - gap) <= 2
    assert shadow.min() > pole.max()
    assert np.array_equal(shadow, np.arange(shadow.min(), shadow.max() + 1))
    values = done[np.isfinite(done)]
    assert np.isclose(values[:, None], [1.0, 5.0], rtol=1e-4).any(1).all()
    # From the other side everything is mirrored, independent of the order of the pixels.
    mirrored = reproject(
        scene_with_a_pole()[:, ::-1], Reprojection(camera(64), target, moved(x=-0.1))
    )
    np.testing.assert_allclose((mirrored[:, ::-1] == 1.0).mean(), (done == 1.0).mean(), atol=0.02)
    np.testing.assert_allclose(mirrored[:, width - 1 - pole], 1.0, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.9), width=st.sampled_from([48, 64, 150]))
def test_holes_stay_holes_and_never_become_a_depth(seed: int, share: float, width: int) -> None:
    rng = np.random.default_rng(seed)
    depth = np.full((48, 64), 3.0, np.float32)
    depth[rng.random(depth.shape) < share] = np.nan
    depth[10:30, 20:40] = np.nan
    done = reproject(depth, Reprojection(camera(64), camera(width), moved(x=0.02)))
    values = done[np.isfinite(done)]
    np.testing.assert_allclose(values, 3.0, rtol=1e-5)
    scale = width / 64
    inside = done[int(12 * scale) : int(28 * scale), int(22 * scale) : int(37 * scale)]
    assert np.isnan(inside).all()


def test_holes_alone_are_no_error() -> None:
    empty = np.full((48, 64), np.nan, np.float32)
    done = reproject(empty, Reprojection(camera(), camera(80), np.eye(4)))
    assert done.shape == (60, 80)
    assert np.isnan(done).all()


def test_sizes_and_extrinsics_that_do_not_fit_are_named() -> None:
    depth = np.full((48, 64), 3.0, np.float32)
    with pytest.raises(InputError, match=r"depth image is 64x48 .*80x60"):
        reproject(depth, Reprojection(camera(80), camera(80), np.eye(4)))
    with pytest.raises(InputError, match=r"None of .*3072 points"):
        reproject(depth, Reprojection(camera(), camera(), moved(z=100)))
    for matrix, words in (
        (np.eye(3), r"shape \(3, 3\); .*4x4"),
        (np.diag([2.0, 2, 2, 1]), "not a rigid transform: .*off by 3;"),
        (np.diag([1.0, 1, -1, 1]), "not a rigid transform: .*off by 0;"),
        (np.eye(4)[::-1], "not a rigid transform: .*off by 1;"),
    ):
        with pytest.raises(InputError, match=words):
            Reprojection(camera(), camera(), matrix)
