# SPDX-License-Identifier: Apache-2.0
"""Cameras, homographies and extrinsics from YAML files, as ROS tools write and print them."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import yaml

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Homography
from segrgbx_core.geometry.camera_model import CameraModel

Floats: TypeAlias = npt.NDArray[np.float64]


def read_camera(path: Path) -> CameraModel:
    """A calibration as camera_calibration saves it and camera_info_url names it.

    Raises InputError for a file that is missing or lacks a part.
    """
    content = _content(path)
    try:
        return CameraModel(
            int(content["image_width"]),
            int(content["image_height"]),
            np.array(content["camera_matrix"]["data"], np.float64),
            np.array(content["distortion_coefficients"]["data"], np.float64),
            str(content.get("distortion_model") or "plumb_bob"),
        )
    except (KeyError, TypeError, ValueError) as err:
        raise InputError(
            f"{path} is no camera calibration ({_fault(err)}); expected "
            "image_width, image_height, camera_matrix and distortion_coefficients, as "
            "camera_calibration writes them."
        ) from err


def read_homography(path: Path) -> Homography:
    """`matrix`: 3x3, takes X pixels to RGB pixels. Raises InputError for anything else."""
    return Homography(_matrix(path, _content(path), 3, "the homography from X to RGB pixels"))


def read_extrinsic(path: Path) -> Floats:
    """(4, 4): takes points in X's optical frame to RGB's, in metres.

    The file holds `matrix`, 4x4, or `translation` (x, y, z) and `rotation` (x, y, z, w), as
    `ros2 run tf2_ros tf2_echo RGB_FRAME X_FRAME` prints them. Raises InputError for anything
    else.
    """
    content = _content(path)
    if "matrix" in content:
        return _matrix(path, content, 4, "the transform from X to RGB")
    try:
        turn = np.array(content["rotation"], np.float64).reshape(4)
        move = np.array(content["translation"], np.float64).reshape(3)
        length = float(np.linalg.norm(turn))
    except (KeyError, TypeError, ValueError) as err:
        raise InputError(
            f"{path} is no extrinsic ({_fault(err)}); expected `matrix` 4x4, or "
            "`translation: [x, y, z]` and `rotation: [x, y, z, w]`."
        ) from err
    if not abs(length - 1.0) < 1e-3:
        raise InputError(
            f"The rotation in {path} has length {length:.4g}; expected a unit quaternion "
            "[x, y, z, w]."
        )
    done = np.eye(4)
    done[:3, :3] = rotation_matrix(turn / length)
    done[:3, 3] = move
    return done


def rotation_matrix(quaternion: Floats) -> Floats:
    """(3, 3) from a unit quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} does not exist; check the path of the calibration.")
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise InputError(f"{path} is not readable YAML; check the calibration file.") from err
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no names with values; check the calibration file.")
    return content


def _fault(err: Exception) -> str:
    return f"it lacks {err.args[0]}" if isinstance(err, KeyError) else str(err)


def _matrix(path: Path, content: dict[str, Any], size: int, what: str) -> Floats:
    try:
        return np.array(content["matrix"], np.float64).reshape(size, size)
    except (KeyError, TypeError, ValueError) as err:
        raise InputError(
            f"{path} has no `matrix` of {size}x{size} numbers, {what}; write it row by row."
        ) from err
