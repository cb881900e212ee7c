# SPDX-License-Identifier: Apache-2.0
"""The second sensors of the scenes, in one table: camera and model of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from segrgbx_core.readings import Reading
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.sensors import depth, events, light_field, polarization, thermal
from segrgbx_core.scenes.street.world import World

FIELD_OF_VIEW_DEG = 70.0
X_STREAM = 5

MakeCamera = Callable[[int, int, str], PinholeCamera]
Read = Callable[[World, PinholeCamera, float, np.random.Generator], Reading]


@dataclass(frozen=True)
class EventStreamSource:
    """A sensor that reports continuously: the windows of a drive, and their count.

    windows: yields each window's end time in seconds and its reading.
    """

    windows: Callable[[World, PinholeCamera, float], Iterator[tuple[float, Reading]]]
    count: Callable[[float], int]


@dataclass(frozen=True)
class Sensor:
    """camera: of an RGB image's width and height; read: the reading at a time in seconds;
    stream: None for a sensor that takes frames. views: whether a reading is GRID x GRID views."""

    camera: MakeCamera
    read: Read
    stream: EventStreamSource | None = None
    views: bool = False


def _half(width: int, height: int, frame_id: str) -> PinholeCamera:
    size = (width // 2, height // 2)
    return PinholeCamera.with_field_of_view(*size, FIELD_OF_VIEW_DEG, frame_id)


def _whole(width: int, height: int, frame_id: str) -> PinholeCamera:
    return PinholeCamera.with_field_of_view(width, height, FIELD_OF_VIEW_DEG, frame_id)


def _even(width: int, height: int, frame_id: str) -> PinholeCamera:
    return _whole(width - width % 2, height - height % 2, frame_id)


SENSORS: dict[str, Sensor] = {
    "event": Sensor(
        _half, events.read, EventStreamSource(events.event_packets, events.window_count)
    ),
    "thermal": Sensor(_half, thermal.read),
    "depth": Sensor(_whole, depth.read),
    "polarization": Sensor(_even, polarization.read),
    "light_field": Sensor(_half, light_field.read, views=True),
}
