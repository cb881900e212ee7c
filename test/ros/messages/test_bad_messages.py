# SPDX-License-Identifier: Apache-2.0
"""Messages that state more than they hold, or contradict themselves: one sentence each."""

import struct
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from segrgbx_core.errors import BagError, InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_ros.bags.cameras import transform_between
from segrgbx_ros.events.packets import EventChunk, EventDecoder
from segrgbx_ros.messages.clouds import CloudView, read_points
from segrgbx_ros.messages.compressed_depth import decode_compressed_depth
from segrgbx_ros.messages.images import reading_from_message, rgb_from_message
from segrgbx_ros.messages.readings import XDecoder
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    EVENT_PACKET,
    IMAGE,
    LABEL_INFO,
    POINT_CLOUD,
    UnreadableMessageError,
    deserialized,
    guarded_message,
    header,
    message,
)

RVL = "16UC1; compressedDepth rvl"
HEADER = header(10**18, "camera")


def rvl(width: int, height: int, code: bytes) -> np.ndarray:
    return np.frombuffer(bytes(12) + struct.pack("<II", width, height) + code, np.uint8)


@pytest.mark.parametrize("groups", [11, 21, 22, 24])
def test_a_number_too_long_for_a_pixel_ends_at_once(groups: int) -> None:
    """The sign bit of 21 groups once made a run of negative length, which never ended."""
    nibbles = [*[0xF] * (groups - 1), 0x4, *[0] * 8]
    nibbles = nibbles[: len(nibbles) // 8 * 8]
    words = [nibbles[i : i + 8] for i in range(0, len(nibbles), 8)]
    code = b"".join(int("".join(f"{g:x}" for g in w), 16).to_bytes(4, "little") for w in words)
    with pytest.raises(BagError, match="expected whole RVL data"):
        decode_compressed_depth(rvl(4, 4, code), RVL, "/d")


def test_a_size_without_data_is_bounded_by_the_rgb_image() -> None:
    # One run of zeros, as long as the image is stated to be.
    code = bytes.fromhex("000888c9")[::-1]
    with pytest.raises(BagError, match=r"states 16384x16384 pixels.*at most 67108864"):
        decode_compressed_depth(rvl(16384, 16384, code), RVL, "/d")
    with pytest.raises(BagError, match=r"states 4096x4096 .*at most 4194304 beside an RGB image"):
        decode_compressed_depth(rvl(4096, 4096, code), RVL, "/d", (120, 160))
    pictures = message(COMPRESSED_IMAGE, header=HEADER, format=RVL, data=rvl(4096, 4096, code))
    with pytest.raises(BagError, match="states 4096x4096"):
        XDecoder("depth", "/d")(pictures, (120, 160))


def test_a_calibration_far_larger_than_the_image_makes_no_grid() -> None:
    camera = CameraModel(8000, 8000, np.array([4.0, 0, 3.5, 0, 4.0, 2.5, 0, 0, 1]))
    decode = XDecoder("depth", "/c", cloud_view=CloudView(camera, np.eye(4)))
    with pytest.raises(InputError, match="8000x8000, far larger than the RGB image"):
        decode(cloud(), (480, 640))
    with pytest.raises(InputError, match="100000x100000, more pixels than any camera"):
        CameraModel(100_000, 100_000, np.eye(3))


@pytest.mark.parametrize("read", [rgb_from_message, reading_from_message])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_compressed_message_states_no_more_than_it_holds(read: Any, suffix: str) -> None:
    data = bytearray(cv2.imencode(suffix, np.zeros((5, 7), np.uint8))[1].tobytes())
    if suffix == ".png":
        struct.pack_into(">II", data, 16, 60000, 60000)
    else:
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 60000, 60000)
    image = message(
        COMPRESSED_IMAGE, header=HEADER, format="x", data=np.frombuffer(data, np.uint8)
    )
    with pytest.raises(BagError, match="states 60000x60000 pixels"):
        read(image, "/x")


def test_a_flipped_chunk_length_of_a_compressed_message_is_a_cut_picture() -> None:
    data = bytearray(cv2.imencode(".png", np.zeros((5, 7), np.uint8))[1].tobytes())
    data[data.index(b"IDAT") - 4] ^= 0x40
    image = message(
        COMPRESSED_IMAGE, header=HEADER, format="png", data=np.frombuffer(data, np.uint8)
    )
    with pytest.raises(BagError, match="cannot be decoded"):
        reading_from_message(image, "/x")
    depth = np.concatenate([np.zeros(12, np.uint8), np.frombuffer(data, np.uint8)])
    with pytest.raises(BagError, match="expected whole PNG data"):
        decode_compressed_depth(depth, "16UC1; compressedDepth png", "/x")


def cloud(**changes: Any) -> Any:
    fields = [
        message("sensor_msgs/msg/PointField", name=n, offset=o, datatype=7, count=1)
        for n, o in (("x", 0), ("y", 4), ("z", 8))
    ]
    given: dict[str, Any] = {
        "header": HEADER,
        "height": 1,
        "width": 1,
        "fields": fields,
        "is_bigendian": False,
        "point_step": 12,
        "row_step": 12,
        "data": np.zeros(12, np.uint8),
        "is_dense": True,
    }
    return message(POINT_CLOUD, **{**given, **changes})


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_a_cloud_without_points_may_have_any_layout(size: tuple[int, int]) -> None:
    far = [SimpleNamespace(name=n, offset=2**31, datatype=7, count=1) for n in "xyz"]
    empty = cloud(
        width=size[0], height=size[1], fields=far, point_step=2**32 - 1,
        row_step=size[0] * (2**32 - 1), data=np.zeros(0, np.uint8),
    )  # fmt: skip
    assert read_points(empty, "/c").shape == (0, 3)


def test_a_field_beyond_its_point_is_named() -> None:
    far = [SimpleNamespace(name=n, offset=2**31, datatype=7, count=1) for n in "xyz"]
    with pytest.raises(BagError, match="ends at byte 2147483652 of points of 12 bytes"):
        read_points(cloud(fields=far), "/c")


def test_the_guard_names_the_topic_and_lets_our_errors_through() -> None:
    @guarded_message
    def read(_msg: object, _topic: str, err: Exception) -> None:
        raise err

    with pytest.raises(BagError, match=r"topic /t cannot be read \(KeyError: 'y'\)"):
        read(object(), "/t", KeyError("y"))
    with pytest.raises(InputError, match=r"^ours$"):
        read(object(), "/t", InputError("ours"))
    with pytest.raises(BagError, match="Memory ran out while a message on topic /t"):
        read(object(), "/t", MemoryError())


def packet(time_base: int, encoding: str = "mono") -> Any:
    return message(
        EVENT_PACKET,
        header=HEADER,
        height=4,
        width=4,
        seq=0,
        time_base=time_base,
        encoding=encoding,
        is_bigendian=False,
        events=np.zeros(16, np.uint8),
    )


@pytest.mark.parametrize("encoding", ["mono", "trigger", "libcaer", "libcaer_cmp", "evt3"])
@pytest.mark.parametrize("time_base", [2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_time_base_beyond_64_bits_costs_only_its_own_message(
    encoding: str, time_base: int
) -> None:
    decoder = EventDecoder("/e")
    got = decoder.decode_all([packet(10**9, encoding), packet(time_base, encoding),
                              packet(10**9, encoding)])  # fmt: skip
    assert isinstance(got[1], BagError)
    assert f"time base {time_base} ns, after the year 2116" in str(got[1])
    assert isinstance(got[0], EventChunk)
    assert isinstance(got[2], EventChunk)


def transform(child: str, quaternion: tuple[float, ...], x: float = 0.1) -> Any:
    turn = dict(zip("xyzw", quaternion, strict=True))
    return message(
        "geometry_msgs/msg/TransformStamped",
        header=HEADER,
        child_frame_id=child,
        transform=message(
            "geometry_msgs/msg/Transform",
            translation=message("geometry_msgs/msg/Vector3", x=x, y=0.0, z=0.0),
            rotation=message("geometry_msgs/msg/Quaternion", **turn),
        ),
    )


@pytest.mark.parametrize(
    "bad",
    [
        transform("lidar", (0.0, 0.0, 0.0, 0.0)),
        transform("lidar", (np.nan, 0.0, 0.0, 1.0)),
        transform("lidar", (np.inf, 0.0, 0.0, 1.0)),
        transform("lidar", (0.0, 0.0, 0.0, 1.0), np.inf),
        transform("lidar", (0.0, 0.0, 0.0, 1.0), 1e300),
    ],
)
def test_a_transform_that_is_none_costs_only_itself(bad: Any) -> None:
    good = transform("x", (0.0, 0.0, 0.0, 1.0))
    assert transform_between([bad, good], "camera", "lidar") is None
    found = transform_between([bad, good], "camera", "x")
    assert found is not None
    assert found[0, 3] == 0.1


@pytest.mark.parametrize("kind", [IMAGE, LABEL_INFO, POINT_CLOUD])
def test_bytes_of_no_message_are_ours_to_refuse(kind: str) -> None:
    for data in (b"", b"\0\1\0\0", b"\xff" * 64, bytes(7)):
        with pytest.raises(UnreadableMessageError, match=f"no whole {kind}"):
            deserialized(data, kind)
