# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 messages to points, and points to the depth image of a camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import BagError, InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_ros.messages.types import Header, guarded_message

# sensor_msgs/PointField: INT8, UINT8, INT16, UINT16, INT32, UINT32, FLOAT32, FLOAT64.
FIELD_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
AXES = ("x", "y", "z")

Points = npt.NDArray[np.float64]


class PointField(Protocol):
    """sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int


class PointCloudMessage(Protocol):
    """sensor_msgs/PointCloud2."""

    header: Header
    height: int
    width: int
    fields: Sequence[PointField]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CloudView:
    """The camera that sees a cloud.

    camera_from_cloud: (4, 4) float64, maps points in metres from the cloud's frame to the camera's
    optical frame.
    """

    camera: CameraModel
    camera_from_cloud: npt.NDArray[np.float64]


ReadPoints: TypeAlias = Callable[[PointCloudMessage, str], Points]
"""Reads (N, 3) points in metres from a cloud and its topic, also those without a measurement."""


@guarded_message
def read_points(msg: PointCloudMessage, topic: str) -> Points:
    """(N, 3) float64 metres in the cloud's frame, row by row, NaN without a measurement.

    The fields x, y and z may have any order, offset and number type; any padding and both byte
    orders are supported. Raises BagError if a field is missing or does not fit, or if the data has
    the wrong length.
    """
    data = np.frombuffer(msg.data, np.uint8)
    row = msg.width * msg.point_step
    if msg.row_step < row or data.size != msg.row_step * msg.height:
        raise BagError(
            f"A cloud on topic {topic} has {data.size} bytes of data, but states "
            f"{msg.width}x{msg.height} points of {msg.point_step} bytes in rows of "
            f"{msg.row_step}; it is cut short or its header is wrong."
        )
    _check_fields(msg, topic)
    if not row * msg.height:
        return np.empty((0, len(AXES)))
    rows = np.ascontiguousarray(data.reshape(msg.height, msg.row_step)[:, :row])
    points = rows.reshape(-1).view(_layout(msg))
    return np.stack([points[axis].astype(np.float64) for axis in AXES], axis=1)


def _check_fields(msg: PointCloudMessage, topic: str) -> None:
    fields = {field.name: field for field in msg.fields}
    missing = [axis for axis in AXES if axis not in fields]
    if missing:
        raise BagError(
            f"The clouds on topic {topic} have the fields {', '.join(fields) or 'none'}, without "
            f"{', '.join(missing)}; expected points with x, y and z in metres."
        )
    for axis in AXES:
        field = fields[axis]
        if field.datatype not in FIELD_TYPES or field.count > 1:
            raise BagError(
                f"Field {axis} of the clouds on topic {topic} has datatype {field.datatype} and "
                f"count {field.count}; expected one number of a type 1 to 8 of PointField."
            )
        end = field.offset + np.dtype(FIELD_TYPES[field.datatype]).itemsize
        if end > msg.point_step:
            raise BagError(
                f"Field {axis} of the clouds on topic {topic} ends at byte {end} of points of "
                f"{msg.point_step} bytes; the message's point_step or offset is wrong."
            )


def _layout(msg: PointCloudMessage) -> np.dtype[np.void]:
    """The structured type of one point, with only x, y and z."""
    fields = {field.name: field for field in msg.fields}
    order = ">" if msg.is_bigendian else "<"
    return np.dtype(
        {
            "names": list(AXES),
            "formats": [order + FIELD_TYPES[fields[axis].datatype] for axis in AXES],
            "offsets": [fields[axis].offset for axis in AXES],
            "itemsize": msg.point_step,
        }
    )


def depth_from_points(points: Points, view: CloudView) -> npt.NDArray[np.float32]:
    """The camera's view of the points: (H, W) float32 metres along the optical axis.

    points: (N, 3) metres. Each pixel has the nearest of its points, or NaN if it has none. Raises
    InputError if no point falls into the image.
    """
    camera, matrix = view.camera, view.camera_from_cloud
    measured = points[np.isfinite(points).all(1)]
    seen = matrix[:3, :3] @ measured.T + matrix[:3, 3:]
    column, row = np.rint(camera.project(seen))
    with np.errstate(invalid="ignore"):
        inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    if not inside.any():
        raise InputError(
            f"None of the cloud's {len(measured)} points falls into the image of "
            f"{camera.width}x{camera.height}; check the extrinsic, which takes points to the "
            "camera's optical frame (x right, y down, z forward)."
        )
    pixel = (row[inside] * camera.width + column[inside]).astype(np.int64)
    depth = np.full(camera.height * camera.width, np.inf, np.float32)
    np.minimum.at(depth, pixel, seen[2, inside].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth.reshape(camera.height, camera.width)
