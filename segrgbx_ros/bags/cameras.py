# SPDX-License-Identifier: Apache-2.0
"""How two frames of a recording stand to each other, by its /tf_static."""

from collections import deque
from collections.abc import Iterable
from typing import Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from rosbags.serde import SerdeError

from segrgbx_core.geometry.calibration import rotation_matrix
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.messages.images import Header
from segrgbx_ros.messages.types import typestore

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
    """Everything on /tf_static; nothing where there is no such topic."""
    topic = bag.topic(TF_STATIC)
    if topic is None or topic.msgtype != TF_TYPE:
        return []
    found: list[TransformStamped] = []
    for message in bag.messages([TF_STATIC]):
        try:
            msg = typestore().deserialize_cdr(message.data, TF_TYPE)
        except SerdeError:
            continue
        found += cast(_TFMessage, msg).transforms
    return found


def transform_between(
    transforms: Iterable[TransformStamped], target: str, source: str
) -> Matrix | None:
    """(4, 4), takes points in the source frame to the target frame, in metres.

    The chain with the fewest transforms; None where the two frames are not connected.
    """
    steps: dict[str, dict[str, Matrix]] = {}
    for stamped in transforms:
        parent, child = _name(stamped.header.frame_id), _name(stamped.child_frame_id)
        parent_from_child = _matrix(stamped.transform)
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


def _name(frame: str) -> str:
    return frame.lstrip("/")


def _matrix(transform: _Transform) -> Matrix:
    move, turn = transform.translation, transform.rotation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w], np.float64)
    done = np.eye(4)
    done[:3, :3] = rotation_matrix(quaternion / max(float(np.linalg.norm(quaternion)), 1e-12))
    done[:3, 3] = (move.x, move.y, move.z)
    return done
