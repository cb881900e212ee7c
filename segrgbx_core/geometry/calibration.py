# SPDX-License-Identifier: Apache-2.0
"""Cameras, homographies and extrinsics from YAML files in the forms that ROS tools write."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.geometry.align import Homography
from segrgbx_core.geometry.camera_model import CameraModel, Floats

T = TypeVar("T")


@dataclass(frozen=True)
class _Values:
    data: tuple[float, ...]


@dataclass(frozen=True)
class _CameraFile:
    """The fields of camera_calibration's file that are used here."""

    image_width: int
    image_height: int
    camera_matrix: _Values
    distortion_coefficients: _Values
    distortion_model: str | None = None


@dataclass(frozen=True)
class _MatrixFile:
    matrix: tuple[float, ...] | tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class _PoseFile:
    """rotation: x, y, z, w; a matrix may be given instead of both."""

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


def read_camera(path: Path) -> CameraModel:
    """A calibration file as camera_calibration saves it and camera_info_url refers to.

    Raises InputError for a file that is missing, has another form, or does not fit a camera.
    """
    form = "a calibration as camera_calibration writes it"
    saved = _read_as(_CameraFile, _content(path), path, form)
    try:
        return CameraModel(
            saved.image_width,
            saved.image_height,
            np.array(saved.camera_matrix.data, np.float64),
            np.array(saved.distortion_coefficients.data, np.float64),
            saved.distortion_model or "plumb_bob",
        )
    except InputError as err:
        raise InputError(f"{path}: {err}") from err


def read_homography(path: Path) -> Homography:
    """`matrix`: 3x3, maps X pixels to RGB pixels. Raises InputError for anything else."""
    return Homography(_matrix(path, _content(path), 3, "the homography from X to RGB pixels"))


def read_extrinsic(path: Path) -> Floats:
    """(4, 4): transforms points from X's optical frame to RGB's, in metres.

    The file holds `matrix`, 4x4, or `translation` (x, y, z) and `rotation` (x, y, z, w), as
    `ros2 run tf2_ros tf2_echo RGB_FRAME X_FRAME` prints them. Raises InputError for anything
    else.
    """
    content = _content(path)
    if isinstance(content, dict) and "matrix" in content:
        return _matrix(path, content, 4, "the transform from X to RGB")
    form = "`matrix`, 4x4, or `translation: [x, y, z]` and `rotation: [x, y, z, w]`"
    pose = _read_as(_PoseFile, content, path, form)
    turn = np.array(pose.rotation, np.float64)
    length = float(np.linalg.norm(turn))
    if not abs(length - 1.0) < 1e-3:
        raise InputError(
            f"The rotation in {path} has length {length:.4g}; expected a unit quaternion "
            "[x, y, z, w]."
        )
    done = np.eye(4)
    done[:3, :3] = rotation_matrix(turn / length)
    done[:3, 3] = pose.translation
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


def _read_as(kind: type[T], content: object, path: Path, form: str) -> T:
    """The file's content; further keys are ignored. InputError names the expected form."""
    try:
        return filled(kind, content, str(path), InputError, further=True)
    except InputError as err:
        raise InputError(f"{str(err).removesuffix('.')}; the file should hold {form}.") from err


def _content(path: Path) -> object:
    if not path.is_file():
        raise InputError(f"{path} does not exist; check the path of the calibration.")
    return read_yaml(path, InputError)


def _matrix(path: Path, content: object, size: int, what: str) -> Floats:
    rows = _read_as(_MatrixFile, content, path, f"`matrix`, {size}x{size}, row by row").matrix
    flat = [value for row in rows for value in (row if isinstance(row, tuple) else (row,))]
    if len(flat) != size * size:
        raise InputError(
            f"{path} has a `matrix` of {len(flat)} numbers; expected {size}x{size}, {what}, row "
            "by row."
        )
    return np.array(flat, np.float64).reshape(size, size)
