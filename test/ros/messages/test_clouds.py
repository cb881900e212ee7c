# SPDX-License-Identifier: Apache-2.0
"""Point clouds to depth images, compared with points placed by hand and with sensor_msgs_py."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.errors import BagError, InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_ros.messages.clouds import (
    CloudView,
    PointCloudMessage,
    depth_from_points,
    read_points,
)

CAMERA = CameraModel(8, 6, np.array([4.0, 0, 3.5, 0, 4.0, 2.5, 0, 0, 1]))
AT_CAMERA = CloudView(CAMERA, np.eye(4))
POINTS = np.array([[0.5, -1.25, 2.0], [1e-3, 7.0, -3.5], [np.nan, 0.0, 1.0], [4.0, 5.0, 6.0]])
KINDS = {"f4": 7, "f8": 8, "i2": 3}


def cloud(
    points: npt.NDArray[np.float64],
    kind: str = "f4",
    order: str = "xyz",
    before: int = 0,
    after: int = 0,
    row_padding: int = 0,
    height: int = 1,
    big: bool = False,
) -> PointCloudMessage:
    """A message of these points: fields in `order`, with bytes of 0xEE around them and after a
    row.
    """
    size = np.dtype(kind).itemsize
    step = before + 3 * size + after
    columns = [points[:, "xyz".index(axis)] for axis in order]
    values = np.stack(columns, 1).astype((">" if big else "<") + kind)
    raw = np.full((len(points), step), 0xEE, np.uint8)
    raw[:, before : before + 3 * size] = values.view(np.uint8).reshape(len(points), -1)
    width = len(points) // height
    rows = np.pad(
        raw.reshape(height, width * step), ((0, 0), (0, row_padding)), constant_values=0xEE
    )
    fields = [
        SimpleNamespace(name=axis, offset=before + i * size, datatype=KINDS[kind], count=1)
        for i, axis in enumerate(order)
    ]
    return cast(
        PointCloudMessage,
        SimpleNamespace(
            height=height,
            width=width,
            fields=fields,
            is_bigendian=big,
            point_step=step,
            row_step=rows.shape[1],
            data=rows.reshape(-1),
        ),
    )


@given(
    kind=st.sampled_from(["f4", "f8"]),
    order=st.permutations("xyz").map("".join),
    before=st.integers(0, 9),
    after=st.integers(0, 9),
    row_padding=st.integers(0, 9),
    height=st.sampled_from([1, 2, 4]),
    big=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_layout_gives_the_same_points(
    kind: str, order: str, before: int, after: int, row_padding: int, height: int, big: bool
) -> None:
    msg = cloud(
        POINTS,
        kind=kind,
        order=order,
        before=before,
        after=after,
        row_padding=row_padding,
        height=height,
        big=big,
    )
    expected = POINTS.astype(kind).astype(np.float64)
    np.testing.assert_array_equal(read_points(msg, "/points"), expected)


def test_whole_numbers() -> None:
    whole = np.array([[1.0, -2.0, 3.0]])
    np.testing.assert_array_equal(read_points(cloud(whole, "i2"), "/points"), whole)


def test_points_land_on_their_pixels_and_the_nearest_wins() -> None:
    """u = 4 x / z + 3.5, v = 4 y / z + 2.5."""
    points = np.array(
        [
            [0.125, 0.125, 1.0],  # pixel (4, 3)
            [0.25, 0.25, 2.0],  # the same pixel, behind it
            [-0.875, -0.625, 1.0],  # pixel (0, 0)
            [0.125, 0.125, -1.0],  # behind the camera
            [40.0, 0.0, 1.0],  # beside the image
            [np.nan, 0.0, 1.0],
            [0.0, np.inf, 1.0],
        ]
    )
    for order in (points, points[::-1]):
        depth = depth_from_points(order, AT_CAMERA)
        assert depth.shape == (6, 8)
        assert depth.dtype == np.float32
        assert depth[3, 4] == 1.0
        assert depth[0, 0] == 1.0
        assert np.isfinite(depth).sum() == 2


def test_the_extrinsic_takes_lidar_axes_to_the_cameras() -> None:
    """x forward, y left, z up to x right, y down, z forward, and 1 m further back."""
    camera_from_lidar = np.array(
        [[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 1.0], [0, 0, 0, 1]], np.float64
    )
    depth = depth_from_points(np.array([[3.0, -0.5, 0.5]]), CloudView(CAMERA, camera_from_lidar))
    assert depth[2, 4] == 4.0


def test_a_wall_of_points_is_a_whole_image() -> None:
    u, v = np.meshgrid(np.arange(8), np.arange(6))
    wall = np.stack([(u - 3.5) / 4 * 3, (v - 2.5) / 4 * 3, np.full((6, 8), 3.0)], -1)
    depth = depth_from_points(wall.reshape(-1, 3), AT_CAMERA)
    assert (depth == 3.0).all()


def test_nothing_in_the_image_is_named() -> None:
    with pytest.raises(InputError, match=r"cloud's 1 points .*8x6; .*extrinsic"):
        depth_from_points(np.array([[0.0, 0.0, -1.0]]), AT_CAMERA)


def test_malformed_clouds_have_their_sentences() -> None:
    flat = cloud(POINTS)
    flat.fields = list(flat.fields)[:2]
    with pytest.raises(BagError, match="fields x, y, without z"):
        read_points(flat, "/points")
    cut = cloud(POINTS)
    cut.data = cut.data[:-1]
    with pytest.raises(BagError, match=r"47 bytes .*4x1 points of 12"):
        read_points(cut, "/points")
    short = cloud(POINTS)
    short.point_step = 8
    with pytest.raises(BagError, match=r"Field z .*byte 12 .*8 bytes"):
        read_points(short, "/points")
    strange = cloud(POINTS)
    strange.fields[0].datatype = 99
    with pytest.raises(BagError, match=r"Field x .*datatype 99 .*count 1"):
        read_points(strange, "/points")


@pytest.mark.ros
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("row_padding", [0, 7])
@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize(("kind", "order", "after"), [("f4", "xyz", 4), ("f8", "zxy", 0)])
def test_sensor_msgs_py_reads_the_same(
    kind: str, order: str, after: int, height: int, row_padding: int, big: bool
) -> None:
    from array import array

    from sensor_msgs.msg import PointCloud2, PointField

    from segrgbx_ros.node.conversions import read_points_live

    made = cloud(
        POINTS,
        kind=kind,
        order=order,
        after=after,
        row_padding=row_padding,
        height=height,
        big=big,
    )
    msg = PointCloud2(
        height=made.height,
        width=made.width,
        is_bigendian=big,
        point_step=made.point_step,
        row_step=made.row_step,
        fields=[
            PointField(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
            for f in made.fields
        ],
    )
    msg.data = array("B", made.data.tobytes())
    live, offline = read_points_live(msg, "/points"), read_points(msg, "/points")
    np.testing.assert_array_equal(live, POINTS.astype(kind).astype(np.float64))
    np.testing.assert_array_equal(live, offline)


@pytest.mark.ros
def test_sensor_msgs_py_is_what_reads_a_plain_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    from sensor_msgs_py import point_cloud2
    from std_msgs.msg import Header

    from segrgbx_ros.node.conversions import read_points_live

    asked = []
    genuine = point_cloud2.read_points
    monkeypatch.setattr(point_cloud2, "read_points", lambda *a: asked.append(a[1]) or genuine(*a))
    msg = point_cloud2.create_cloud_xyz32(Header(), POINTS.tolist())
    np.testing.assert_array_equal(
        read_points_live(msg, "/points"), POINTS.astype(np.float32).astype(np.float64)
    )
    assert asked == [["x", "y", "z"]]
