# SPDX-License-Identifier: Apache-2.0
"""Camera models: the same pixels as OpenCV, and back."""

import cv2
import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel

K = np.array([[500.0, 0, 310], [0, 505.0, 250], [0, 0, 1]])
LENSES = {
    "none": ("plumb_bob", []),
    "four": ("plumb_bob", [-0.2, 0.05, 0.001, -0.002]),
    "five": ("plumb_bob", [-0.2, 0.05, 0.001, -0.002, 0.01]),
    "rational": ("rational_polynomial", [0.3, 0.1, 0.001, -0.002, 0.01, 0.2, 0.05, 0.02]),
    "thin prism": (
        "rational_polynomial",
        [0.3, 0.1, 0.001, -0.002, 0.01, 0.2, 0.05, 0.02, 0.004, -0.002, 0.003, 0.001],
    ),
    "tilted": (
        "rational_polynomial",
        [0.3, 0.1, 0.001, -0.002, 0.01, 0.2, 0.05, 0.02, 0.004, -0.002, 0.003, 0.001, 0.02, -0.03],
    ),
    "only tilted": ("rational_polynomial", [0.0] * 12 + [0.05, 0.0]),
    "fisheye": ("equidistant", [0.02, -0.01, 0.003, 0.001]),
    "pure fisheye": ("equidistant", []),
}


def points(count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack(
        [rng.uniform(-1, 1, count), rng.uniform(-0.8, 0.8, count), rng.uniform(2, 4, count)]
    )


@pytest.mark.parametrize("lens", LENSES)
def test_points_fall_where_opencv_puts_them(lens: str) -> None:
    model, d = LENSES[lens]
    camera = CameraModel(640, 480, K, np.array(d), model)
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    there = np.array(d) if d else np.zeros(4)
    expected = project(points().T[:, None].copy(), np.zeros(3), np.zeros(3), K, there)[0]
    np.testing.assert_allclose(camera.project(points()), expected[:, 0].T, atol=1e-9)
    single = camera.project(points().astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected[:, 0].T, atol=2e-3)


@pytest.mark.parametrize("lens", LENSES)
def test_rays_lead_back_to_their_pixels(lens: str) -> None:
    model, d = LENSES[lens]
    camera = CameraModel(64, 48, K / 10, np.array(d), model)
    rays = camera.rays
    assert rays.shape == (48, 64, 2)
    there = camera.project(
        np.stack([rays[..., 0].ravel(), rays[..., 1].ravel(), np.ones(48 * 64)])
    )
    v, u = np.mgrid[0:48, 0:64]
    np.testing.assert_allclose(there, np.stack([u.ravel(), v.ravel()]), atol=1e-6)


def test_points_behind_or_far_aside_are_unseen() -> None:
    # This lens's polynomial has its maximum at a slope of 1.6 and would map 1.9 into the image.
    camera = CameraModel(640, 480, K, np.array([-0.13, 0.0, 0.0, 0.0]))
    aside = np.array([[0.0, 0.0, 2.6, 0.3], [0, 0, 0, 0], [-1.0, 0.0, 1.0, 1.0]])
    seen = np.isfinite(camera.project(aside)).all(0)
    assert seen.tolist() == [False, False, False, True]


def test_the_matrix_may_come_flat_as_in_camera_info() -> None:
    assert CameraModel(640, 480, K.ravel()).k.tolist() == K.tolist()


@pytest.mark.parametrize(("model", "kept"), [("plumb_bob", 5), ("equidistant", 4)])
def test_zeros_behind_a_models_last_coefficient_are_none(model: str, kept: int) -> None:
    given = np.array([0.1, 0.02, 0.001, 0.002, 0.0, 0.0, 0.0, 0.0])
    assert CameraModel(640, 480, K, given, model).d.tolist() == given[:kept].tolist()


def test_coefficients_of_another_number_are_refused_where_they_are_not_zero() -> None:
    with pytest.raises(InputError, match=r"8 distortion .*calibrate it with that model"):
        CameraModel(640, 480, K, np.array([0.1, 0, 0, 0, 0, 0, 0, 0.1]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((640, 480, K, np.zeros(5), "fisheye62"), "'fisheye62' is unknown"),
        ((0, 0, K), "size is 0x0; .*CameraInfo"),
        ((640, 480, np.zeros(9)), "focal lengths above 0"),
        ((640, 480, np.ones(6)), "expected 3x3 numbers"),
        ((640, 480, K, np.zeros(3)), "3 distortion coefficients .*0, 4, 5 finite"),
        ((640, 480, K, np.full(4, np.nan)), "4 distortion coefficients .*nan"),
        ((640, 480, K, np.full(5, 0.01), "equidistant"), "'equidistant' has 0, 4 finite"),
        ((640, 480, K, np.full(14, 0.01)), "'plumb_bob' has 0, 4, 5 finite ones: calibrate"),
    ],
)
def test_cameras_that_cannot_be_are_refused(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        CameraModel(*arguments)
