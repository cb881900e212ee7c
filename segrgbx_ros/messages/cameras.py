# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/CameraInfo to a camera model, with binning, region of interest, rectification."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import DISTORTION_COUNTS, CameraModel
from segrgbx_ros.messages.types import CAMERA_INFO, Header, guarded_message, message

Floats: TypeAlias = npt.NDArray[np.float64]


class RegionOfInterest(Protocol):
    """sensor_msgs/RegionOfInterest."""

    x_offset: int
    y_offset: int
    height: int
    width: int


class CameraInfoMessage(Protocol):
    """sensor_msgs/CameraInfo."""

    header: Header
    height: int
    width: int
    distortion_model: str
    d: Floats
    k: Floats
    p: Floats
    binning_x: int
    binning_y: int
    roi: RegionOfInterest


@guarded_message
def camera_from_info(info: CameraInfoMessage, topic: str, rectified: bool = False) -> CameraModel:
    """The camera of the images that belong to this CameraInfo.

    rectified: the images are already undistorted (image_rect); their matrix is part of the
    projection matrix. Raises InputError, which names the topic, if the calibration is not filled
    in.
    """
    k = np.asarray(info.p, np.float64).reshape(3, 4)[:, :3] if rectified else _matrix(info.k)
    d = np.zeros(0) if rectified else np.asarray(info.d, np.float64)
    k, size = _as_published(k, info)
    model = info.distortion_model or "plumb_bob"
    try:
        return CameraModel(size[0], size[1], k, d, model if d.size else "plumb_bob")
    except InputError as err:
        raise InputError(f"The calibration on topic {topic} cannot be used: {err}") from err


def info_of(camera: CameraModel, stamped: Header) -> CameraInfoMessage:
    """sensor_msgs/CameraInfo of a camera that is neither cropped, binned nor rectified."""
    usual = next(count for count in DISTORTION_COUNTS[camera.model][::-1] if count <= 5)
    d = np.pad(camera.d, (0, max(0, usual - camera.d.size)))
    no_region = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
    info: CameraInfoMessage = message(
        CAMERA_INFO,
        header=stamped,
        height=camera.height,
        width=camera.width,
        distortion_model=camera.model,
        d=d,
        k=camera.k.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([camera.k, np.zeros((3, 1))]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=message("sensor_msgs/msg/RegionOfInterest", **no_region),
    )
    return info


@dataclass(frozen=True)
class Intrinsics:
    """The fields of a CameraInfo that say which pixel a ray meets; k: 9 and p: 12 numbers."""

    width: int
    height: int
    k: Floats
    p: Floats


def resized_intrinsics(info: CameraInfoMessage, size: tuple[int, int]) -> Intrinsics:
    """Those of the published images after resizing to (height, width).

    Region of interest and binning are part of the numbers then, not fields beside them.
    """
    k, p = _matrix(info.k), np.reshape(np.asarray(info.p, np.float64), (3, 4))
    k, (width, height) = _as_published(k, info)
    left, _ = _as_published(p[:, :3], info)
    by = np.array([size[1] / width, size[0] / height])
    # The fourth column is a focal length times a distance, and changes with the focal length.
    shift = p[:, 3:].copy()
    shift[:2, 0] *= by / (max(1, info.binning_x), max(1, info.binning_y))
    whole = np.hstack([_resized(left, by), shift])
    return Intrinsics(size[1], size[0], _resized(k, by).ravel(), whole.ravel())


def published_size(info: CameraInfoMessage) -> tuple[int, int]:
    """(height, width) of the images that belong to this CameraInfo."""
    width, height = _as_published(np.eye(3), info)[1]
    return height, width


def is_rectified(image_topic: str) -> bool:
    """Whether the topic's images are undistorted, by the naming of image_proc."""
    return "rect" in image_topic.rpartition("/")[2]


def _matrix(values: Floats) -> Floats:
    return np.asarray(values, np.float64).reshape(3, 3)


def _resized(k: Floats, by: Floats) -> Floats:
    """The matrix after resizing by factors (x, y); whole numbers are pixels' centres."""
    done = k.copy()
    done[:2, 2] = (k[:2, 2] + 0.5) * by - 0.5
    done[:2, :2] *= by[:, None]
    return np.asarray(done, np.float64)


def _as_published(k: Floats, info: CameraInfoMessage) -> tuple[Floats, tuple[int, int]]:
    """The matrix and (width, height) after cropping to the region of interest and binning."""
    roi = info.roi
    width, height = roi.width or info.width, roi.height or info.height
    by = np.array([max(1, info.binning_x), max(1, info.binning_y)], np.float64)
    done = k.copy()
    done[0, 2] -= roi.x_offset
    done[1, 2] -= roi.y_offset
    # Pixel centres have integer coordinates: the first binned pixel's centre is at (by - 1) / 2.
    done[:2, 2] = (done[:2, 2] - (by - 1) / 2) / by
    done[0, :2] /= by[0]
    done[1, :2] /= by[1]
    return done, (int(width // by[0]), int(height // by[1]))
