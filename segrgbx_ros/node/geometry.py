# SPDX-License-Identifier: Apache-2.0
"""The cameras from camera_info and TF in the running node, and the steps that need them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformException, TransformListener

from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection
from segrgbx_core.readings import Planes, Reading
from segrgbx_core.sensor import Cameras, SensorSettings, make_encoder, needs_x_camera
from segrgbx_ros.bags.cameras import transform_between
from segrgbx_ros.messages.cameras import camera_from_info, is_rectified
from segrgbx_ros.messages.clouds import CloudView
from segrgbx_ros.messages.readings import XDecoder, XInput, is_cloud
from segrgbx_ros.node.conversions import convert_live, read_points_live
from segrgbx_ros.node.inputs import CameraInfoInput


class LiveCameras:
    """`segrgbx_core.sensor.Cameras` from camera_info and TF.

    Subscribes to what the sensor needs. Raises InputError, which names what is still missing.
    """

    def __init__(
        self, node: Node, rgb_info: CameraInfoInput, needs_x: bool, needs_transform: bool
    ) -> None:
        self._node, self._rgb_info = node, rgb_info
        self._x_info = CameraInfoInput(node, "x/camera_info") if needs_x else None
        self._buffer: Any = Buffer() if needs_transform else None
        self._listener: Any = TransformListener(self._buffer, node) if needs_transform else None

    def rgb_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        return self._camera(purpose, self._rgb_info, "rgb/image_raw")

    def x_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        return self._camera(purpose, self._x_info, "x/image_raw")

    def rgb_from_x(self, purpose: str) -> npt.NDArray[np.float64]:
        """See Cameras; the frame of X is that of its camera_info."""
        x_frame = _newest(purpose, self._x_info, "x/camera_info").header.frame_id
        return self.rgb_from(x_frame, purpose)

    def rgb_from(self, frame: str, purpose: str) -> npt.NDArray[np.float64]:
        """(4, 4) float64, maps points in metres from that frame to the RGB camera's frame.

        Raises InputError if the transform is not known.
        """
        rgb_frame = _newest(purpose, self._rgb_info, "rgb/camera_info").header.frame_id
        try:
            stamped = self._buffer.lookup_transform(rgb_frame, frame, Time())
        except TransformException as err:
            raise InputError(
                f"{purpose} waits for TF from '{frame}' to '{rgb_frame}' ({err}); "
                "publish the sensors' static transform."
            ) from err
        matrix = transform_between([_Stamped(rgb_frame, frame, stamped)], rgb_frame, frame)
        if matrix is None:
            raise InputError(
                f"{purpose} needs a transform from '{frame}' to '{rgb_frame}', but the one on TF "
                "is not filled in; correct its publisher."
            )
        return matrix

    def close(self) -> None:
        """Unsubscribes from calibrations and transforms."""
        if self._x_info is not None:
            self._x_info.close()
        if self._listener is not None:
            self._listener.unregister()

    def _camera(self, purpose: str, source: CameraInfoInput | None, image: str) -> CameraModel:
        info = _newest(purpose, source, image.replace("image_raw", "camera_info"))
        topic = self._node.resolve_topic_name(image)
        return camera_from_info(info, topic, is_rectified(topic))


def _newest(purpose: str, source: CameraInfoInput | None, relative: str) -> Any:
    if source is None or source.newest is None:
        topic = relative if source is None else source.topic
        otherwise = next((words for name, words in _OTHERWISE.items() if name in purpose), "")
        raise InputError(
            f"{purpose} waits for a calibration on {topic}; start its publisher{otherwise}."
        )
    return source.newest


_OTHERWISE = {
    "reproject": ", or set x.align to none where X is aligned already",
    "hha": ", or set another representation in x.settings",
}


class _Stamped:
    """A looked-up transform with the two frame names of the request."""

    def __init__(self, parent: str, child: str, stamped: Any) -> None:
        self.header, self.transform = stamped.header, stamped.transform
        self.header.frame_id, self.child_frame_id = parent, child


class LateEncoder:
    """`pipeline.XEncoder` that is made with the first frame for which the cameras are known.

    It refuses earlier frames with the reason.
    """

    def __init__(self, modality: str, sensor: SensorSettings, cameras: Cameras) -> None:
        self._modality, self._sensor, self._cameras = modality, sensor, cameras
        self._made: Encoder | None = None

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        """Like `Encoder`; raises InputError also if a calibration is still missing."""
        if self._made is None:
            self._made = make_encoder(self._modality, self._sensor, self._cameras)
        return self._made(reading, rgb_size)

    def reset(self) -> None:
        """Like `Encoder`."""
        if self._made is not None:
            self._made.reset()

    @property
    def reprojection(self) -> Reprojection | None:
        """The reprojection of X into the RGB camera; None if not known yet or not used."""
        alignment = None if self._made is None else self._made.alignment
        return alignment if isinstance(alignment, Reprojection) else None


class CloudDecoder(XDecoder):
    """Decodes clouds as seen from the RGB camera, once its pose is known."""

    def __init__(self, modality: str, topic: str, cameras: LiveCameras) -> None:
        super().__init__(modality, topic, convert_live, read_points_live)
        self._cameras = cameras

    def __call__(self, x: XInput, rgb_size: tuple[int, int] | None = None) -> Reading:
        """Like XDecoder; raises InputError also if a calibration is still missing."""
        if self._cloud_view is None and is_cloud(x):
            purpose = "Seeing point clouds from the RGB camera"
            camera = self._cameras.rgb_camera(purpose)
            self._cloud_view = CloudView(
                camera, self._cameras.rgb_from(x.header.frame_id, purpose)
            )
        return super().__call__(x, rgb_size)


def live_cameras(
    node: Node, rgb_info: CameraInfoInput, modality: str, sensor: SensorSettings, clouds: bool
) -> LiveCameras:
    """LiveCameras for the needs of the sensor; clouds: X is a topic of point clouds."""
    needs_x = not clouds and needs_x_camera(modality, sensor)
    return LiveCameras(node, rgb_info, needs_x, needs_transform=clouds or sensor.reprojects)
