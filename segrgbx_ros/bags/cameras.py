# SPDX-License-Identifier: Apache-2.0
"""Camera calibrations of a recording: from files, its CameraInfo topics and /tf_static."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from segrgbx_core.geometry.calibration import rotation_matrix
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.sensor import CameraFiles, unknown_part
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.topics import TopicsTaken
from segrgbx_ros.messages.cameras import CameraInfoMessage, camera_from_info, is_rectified
from segrgbx_ros.messages.images import AnyImage
from segrgbx_ros.messages.types import Header, UnreadableMessageError, deserialized

TF_STATIC, TF_TYPE = "/tf_static", "tf2_msgs/msg/TFMessage"

Matrix: TypeAlias = npt.NDArray[np.float64]


class _Vector(Protocol):
    x: float
    y: float
    z: float


class _Quaternion(_Vector, Protocol):
    w: float


class _Transform(Protocol):
    translation: _Vector
    rotation: _Quaternion


class TransformStamped(Protocol):
    """geometry_msgs/TransformStamped."""

    header: Header
    child_frame_id: str
    transform: _Transform


class _TFMessage(Protocol):
    transforms: list[TransformStamped]


def recorded_transforms(bag: BagReader) -> list[TransformStamped]:
    """All transforms on /tf_static; an empty list if there is no such topic."""
    topic = bag.topic(TF_STATIC)
    if topic is None or topic.msgtype != TF_TYPE:
        return []
    transforms: list[TransformStamped] = []
    for message in bag.messages([TF_STATIC]):
        try:
            msg: _TFMessage = deserialized(message.data, TF_TYPE)
        except UnreadableMessageError:
            continue
        transforms += msg.transforms
    return transforms


def transform_between(
    transforms: Iterable[TransformStamped], target: str, source: str
) -> Matrix | None:
    """(4, 4) float64, maps points in metres from the source frame to the target frame.

    Uses the chain with the fewest transforms. None if the two frames are not connected.
    """
    steps: dict[str, dict[str, Matrix]] = {}
    for stamped in transforms:
        parent, child = _name(stamped.header.frame_id), _name(stamped.child_frame_id)
        parent_from_child = _matrix(stamped.transform)
        if parent_from_child is None:
            continue
        steps.setdefault(child, {})[parent] = parent_from_child
        steps.setdefault(parent, {})[child] = np.asarray(
            np.linalg.inv(parent_from_child), np.float64
        )
    reached: dict[str, Matrix] = {_name(source): np.eye(4)}
    waiting = deque(reached)
    while waiting:
        frame = waiting.popleft()
        for neighbour, neighbour_from_frame in steps.get(frame, {}).items():
            if neighbour not in reached:
                reached[neighbour] = neighbour_from_frame @ reached[frame]
                waiting.append(neighbour)
    return reached.get(_name(target))


_LEAST_LENGTH, _FARTHEST_M = 1e-6, 1e12


def _name(frame: str) -> str:
    return frame.lstrip("/")


def _matrix(transform: _Transform) -> Matrix | None:
    """None for figures that are no transform: not finite, or a rotation that is not filled in."""
    move, turn = transform.translation, transform.rotation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w], np.float64)
    done = np.eye(4)
    done[:3, 3] = (move.x, move.y, move.z)
    length = float(np.linalg.norm(quaternion))
    if not (_LEAST_LENGTH < length < np.inf and np.abs(done).max() < _FARTHEST_M):
        return None
    done[:3, :3] = rotation_matrix(quaternion / length)
    return done


class RecordedCameras:
    """`segrgbx_core.sensor.Cameras` of a recording; calibration files take precedence over it.

    Reads the recording only for the part that is requested. Raises InputError also if a recorded
    calibration is not filled in.
    """

    def __init__(self, bag: BagReader, topics: TopicsTaken, files: CameraFiles) -> None:
        self._bag, self._topics, self._files = bag, topics, files

    def rgb_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        if self._files.rgb is not None:
            return self._files.rgb_camera(purpose)
        camera = self._camera(self._topics.camera_info, self._topics.rgb)
        if camera is None:
            what = "calibration of the RGB camera"
            raise unknown_part(purpose, what, "--rgb-camera", "its camera_info")
        return camera

    def x_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        if self._files.x is not None:
            return self._files.x_camera(purpose)
        camera = self._camera(self._topics.x_camera_info, self._topics.x)
        if camera is None:
            what = "calibration of the X camera"
            raise unknown_part(purpose, what, "--x-camera", "its camera_info")
        return camera

    def rgb_from_x(self, purpose: str) -> Matrix:
        """See Cameras."""
        if self._files.extrinsic is not None:
            return self._files.rgb_from_x(purpose)
        matrix = self._recorded_transform()
        if matrix is None:
            what = "transform from X to the RGB camera"
            raise unknown_part(purpose, what, "--extrinsic", "/tf_static")
        return matrix

    def _camera(self, info_topic: str | None, image_topic: str | None) -> CameraModel | None:
        info: CameraInfoMessage | None = (
            None if info_topic is None else _first(self._bag, info_topic)
        )
        if info_topic is None or image_topic is None or info is None:
            return None
        return camera_from_info(info, info_topic, is_rectified(image_topic))

    def _recorded_transform(self) -> Matrix | None:
        rgb, x = self._frame(self._topics.rgb), self._frame(self._topics.x)
        if rgb is None or x is None:
            return None
        if rgb == x and rgb:
            return np.eye(4)
        return transform_between(recorded_transforms(self._bag), rgb, x)

    def _frame(self, topic: str | None) -> str | None:
        msg: AnyImage | None = None if topic is None else _first(self._bag, topic)
        return None if msg is None else msg.header.frame_id


def _first(bag: BagReader, topic: str) -> Any:
    """The topic's first message; None if there is none or it cannot be read."""
    first = bag.first(topic)
    if first is None:
        return None
    try:
        return deserialized(first.data, first.msgtype)
    except UnreadableMessageError:
        return None
