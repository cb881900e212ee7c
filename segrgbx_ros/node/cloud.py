# SPDX-License-Identifier: Apache-2.0
"""Depth and labels as one organised cloud with the width and height of the mask."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2

from segrgbx_core.encoding.depth.metres import DepthSettings, depth_in_metres
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.reprojection import Reprojection, reproject
from segrgbx_ros.messages.cameras import camera_from_info
from segrgbx_ros.pipeline import SegmentedFrame

FIELDS = (
    ("x", 0, PointField.FLOAT32),
    ("y", 4, PointField.FLOAT32),
    ("z", 8, PointField.FLOAT32),
    ("label", 12, PointField.UINT8),
    ("confidence", 13, PointField.UINT8),
)
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("label", "u1"), ("confidence", "u1")])


class CloudMaker:
    """Makes the clouds of one stream; keeps the RGB camera's rays until its calibration changes.

    settings: of the depth encoding; None means the defaults. The clouds have fields x, y, z
    float32 metres in the RGB camera's optical frame (NaN without a measurement), label uint8 (255
    unlabelled) and confidence uint8 (255 is 1).
    """

    def __init__(self, settings: DepthSettings | None) -> None:
        self._settings = settings or DepthSettings()
        self._rays: npt.NDArray[np.float32] = np.empty((0, 0, 2), np.float32)
        self._of: tuple[float, ...] = ()

    def __call__(
        self, done: SegmentedFrame, header: Any, rgb_info: Any, reprojection: Reprojection | None
    ) -> PointCloud2:
        """A cloud with one point per pixel of the mask, row by row.

        reprojection: maps the depth to the RGB grid; None if depth is already on it, at any size.
        Raises InputError if depth cannot be read as metres, or if the calibration does not match
        the RGB images.
        """
        labels = done.segmentation.labels
        metres = _on_rgb_grid(done.frame.x, self._settings, reprojection, labels.shape)
        rays = self._rays_of(rgb_info, labels.shape)
        points = np.empty(labels.shape, POINT)
        points["x"], points["y"] = metres * rays[..., 0], metres * rays[..., 1]
        points["z"], points["label"] = metres, labels
        points["confidence"] = done.segmentation.confidence_image()
        fields = [PointField(name=n, offset=o, datatype=t, count=1) for n, o, t in FIELDS]
        cloud = point_cloud2.create_cloud(header, fields, points.ravel())
        # create_cloud assumes that the first axis of an organised array is the width.
        cloud.height, cloud.width = labels.shape
        cloud.row_step = cloud.width * cloud.point_step
        return cloud

    def _rays_of(self, rgb_info: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        now = (rgb_info.width, rgb_info.height, *rgb_info.k, *rgb_info.d)
        if now == self._of and self._rays.shape[:2] == shape:
            return self._rays
        camera = camera_from_info(rgb_info, "rgb/camera_info")
        if (camera.height, camera.width) != shape:
            raise InputError(
                f"rgb/camera_info is of images of {camera.width}x{camera.height}, but the masks "
                f"are {shape[1]}x{shape[0]}; ~/cloud needs the calibration of the images "
                "themselves."
            )
        self._rays, self._of = camera.rays.astype(np.float32), now
        return self._rays


def _on_rgb_grid(
    reading: Any,
    settings: DepthSettings,
    reprojection: Reprojection | None,
    shape: tuple[int, ...],
) -> npt.NDArray[np.float32]:
    if not isinstance(reading, np.ndarray):
        raise InputError("~/cloud needs a depth image; this frame has none.")
    metres = depth_in_metres(reading, settings)
    if reprojection is not None:
        metres = reproject(metres, reprojection)
    if metres.shape == shape:
        return metres
    resized = cv2.resize(metres, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.float32)
