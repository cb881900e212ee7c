# SPDX-License-Identifier: Apache-2.0
"""How the cameras stand to each other, as camera_info and TF say while the node runs."""

from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformException, TransformListener

from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.reprojection import Reprojection
from segrgbx_core.readings import Planes, Reading
from segrgbx_ros.bags.cameras import transform_between
from segrgbx_ros.messages.cameras import camera_of, is_rectified
from segrgbx_ros.messages.clouds import CloudView
from segrgbx_ros.messages.readings import XDecoder, XInput, is_cloud
from segrgbx_ros.node.conversions import convert_live, read_points_live
from segrgbx_ros.node.encoding import make_encoder
from segrgbx_ros.node.inputs import CameraInfoInput
from segrgbx_ros.node.parameters.parameters import NodeSettings


class LiveGeometry:
    """Makes the encoder that the settings ask for, at once or when the geometry is known."""

    def __init__(self, node: Node, settings: NodeSettings, rgb_info: CameraInfoInput) -> None:
        self._node, self._settings, self._rgb_info = node, settings, rgb_info
        self._x_info: CameraInfoInput | None = None
        self._listener: Any = None
        self._buffer: Any = None
        self.reprojection: Reprojection | None = None
        if settings.x_align == "reproject":
            self._x_info = CameraInfoInput(node, "x/camera_info")
        if settings.x_align == "reproject" or settings.x_transport == "points":
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, node)
        plain = make_encoder(settings)
        self.encoder = plain if self._x_info is None or plain is None else _LateEncoder(self)

    def decoder(self, topic: str) -> XDecoder | None:
        """Reads X; None for RGB alone."""
        if self._settings.modality == "none":
            return None
        if self._settings.x_transport == "points":
            return _CloudDecoder(self, topic)
        return XDecoder(self._settings.modality, topic, convert_live)

    def cloud_view(self, cloud_frame: str) -> CloudView:
        """From where clouds of that frame are seen. Raises InputError while a part is missing."""
        info = self._rgb_info.newest
        if info is None:
            raise InputError(
                f"Point clouds wait for the RGB camera's calibration on {self._rgb_info.topic}; "
                "start its publisher."
            )
        topic = self._node.resolve_topic_name("rgb/image_raw")
        camera = camera_of(info, topic, is_rectified(topic))
        return CloudView(camera, self._transform(info.header.frame_id, cloud_frame))

    def close(self) -> None:
        """No more calibrations and transforms."""
        if self._x_info is not None:
            self._x_info.close()
        if self._listener is not None:
            self._listener.unregister()

    def make(self) -> Encoder:
        """The encoder that reprojects. Raises InputError, which says what is still missing."""
        self.reprojection = self._reprojection()
        made = make_encoder(self._settings, self.reprojection)
        assert made is not None
        return made

    def _reprojection(self) -> Reprojection:
        infos = (self._rgb_info, self._x_info)
        for info in infos:
            if info is None or info.newest is None:
                topic = "x/camera_info" if info is None else info.topic
                raise InputError(
                    f"x.align reproject waits for a calibration on {topic}; start its publisher, "
                    "or set x.align to none where X is aligned already."
                )
        rgb, x = (info.newest for info in infos if info is not None and info.newest is not None)
        cameras = [
            camera_of(info, topic, is_rectified(self._node.resolve_topic_name(topic)))
            for info, topic in ((rgb, "rgb/image_raw"), (x, "x/image_raw"))
        ]
        moved = self._transform(rgb.header.frame_id, x.header.frame_id)
        return Reprojection(cameras[1], cameras[0], moved)

    def _transform(self, rgb_frame: str, x_frame: str) -> npt.NDArray[np.float64]:
        try:
            found = self._buffer.lookup_transform(rgb_frame, x_frame, Time())
        except TransformException as err:
            raise InputError(
                f"Depth waits for TF from '{x_frame}' to '{rgb_frame}' ({err}); "
                "publish the sensors' static transform."
            ) from err
        matrix = transform_between([_Stamped(rgb_frame, x_frame, found)], rgb_frame, x_frame)
        assert matrix is not None
        return matrix


class _Stamped:
    """A looked-up transform under the two names that were asked for."""

    def __init__(self, parent: str, child: str, found: Any) -> None:
        self.header, self.transform = found.header, found.transform
        self.header.frame_id, self.child_frame_id = parent, child


class _CloudDecoder(XDecoder):
    """Sees clouds from the RGB camera, once its place is known."""

    def __init__(self, geometry: LiveGeometry, topic: str) -> None:
        super().__init__("depth", topic, convert_live, read_points_live)
        self._geometry = geometry

    def __call__(self, x: XInput) -> Reading:
        if self._cloud_view is None and is_cloud(x):
            self._cloud_view = self._geometry.cloud_view(x.header.frame_id)
        return super().__call__(x)


class _LateEncoder(Encoder):
    """Refuses each frame with a reason until the cameras are known, then encodes."""

    def __init__(self, geometry: LiveGeometry) -> None:
        self._geometry = geometry
        self._made: Encoder | None = None

    def __call__(self, reading: Reading, rgb_size: tuple[int, int]) -> Planes:
        if self._made is None:
            self._made = self._geometry.make()
        return self._made(reading, rgb_size)

    def reset(self) -> None:
        if self._made is not None:
            self._made.reset()
