# SPDX-License-Identifier: Apache-2.0
"""Each second sensor live: from the messages of its drivers to the mask."""

import importlib.util
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live_stage import (
    MS,
    PATIENCE_S,
    START_NS,
    Stage,
    rgb_message,
    sixteen_bits,
    stage,
    write_tiny_model,
)

from segrgbx_core.modality import MODALITIES

pytestmark = pytest.mark.ros

needs_events = pytest.mark.skipif(
    importlib.util.find_spec("event_camera_msgs") is None,
    reason="event_camera_msgs is not installed for this ROS 2",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny", tuple(MODALITIES)))


def image(values: np.ndarray, encoding: str, stamp_ns: int = START_NS) -> Any:
    message = sixteen_bits(np.zeros((1, 1), np.uint16), stamp_ns, encoding)
    message.height, message.width = values.shape[:2]
    message.step = values.strides[0]
    message.data = values.tobytes()
    return message


def begin(played: Stage, x_topic: str, x_kind: Any, *outputs: str) -> None:
    played.listen("status", "mask", *outputs)
    for topic, kind in (("rgb/image_raw", type(rgb_message(1))), (x_topic, x_kind)):
        played._publishers[topic] = played.driver.create_publisher(kind, topic, 1000)
    assert played.spin_until(lambda: played.node.run is not None), played.node.failure
    played.connect("rgb/image_raw", x_topic)


def check_mask(played: Stage, modality: str) -> None:
    assert played.spin_until(lambda: bool(played.heard["status"] and played.heard["mask"])), (
        played.node.run.dropped(),
        played.node.run.refusal(),
    )
    status = played.heard["status"][0]
    assert (status.modality, status.x_used) == (modality, True), status.x_reason
    mask = played.heard["mask"][0]
    assert (mask.encoding, mask.height, mask.width) == ("mono8", 48, 64)
    assert mask.header.frame_id == "rgb_frame"


def test_depth_in_millimetres_and_in_metres(model: str) -> None:
    for values, encoding in (
        (np.linspace(800, 9000, 48 * 64).reshape(48, 64).astype(np.uint16), "16UC1"),
        (np.linspace(0.8, 9, 48 * 64).reshape(48, 64).astype(np.float32), "32FC1"),
    ):
        with stage(model=model, modality="depth") as played:
            message = image(values, encoding)
            begin(played, "x/image_raw", type(message))
            played.publish("x/image_raw", message)
            played.publish("rgb/image_raw", rgb_message(START_NS))
            check_mask(played, "depth")


def test_polarization_mosaic(model: str) -> None:
    values = np.random.default_rng(1).integers(10, 200, (48, 64)).astype(np.uint8)
    with stage(model=model, modality="polarization", polarization__layout="0,45,90,135") as played:
        message = image(values, "mono8")
        begin(played, "x/image_raw", type(message))
        played.publish("x/image_raw", message)
        played.publish("rgb/image_raw", rgb_message(START_NS))
        check_mask(played, "polarization")


def test_light_field_tiles(model: str) -> None:
    values = np.random.default_rng(1).integers(0, 255, (3 * 24, 3 * 32)).astype(np.uint8)
    told: dict[str, Any] = {"light_field__rows": 3, "light_field__columns": 3}
    with stage(model=model, modality="light_field", **told) as played:
        message = image(values, "mono8")
        begin(played, "x/image_raw", type(message))
        played.publish("x/image_raw", message)
        played.publish("rgb/image_raw", rgb_message(START_NS))
        check_mask(played, "light_field")


def packet(stamp_ns: int, duration_ns: int, rng: np.random.Generator) -> Any:
    """event_camera_msgs/EventPacket of encoding "mono": polarity bit 63, y 48, x 32, dt ns."""
    from event_camera_msgs.msg import EventPacket

    count = 400
    x = rng.integers(0, 64, count).astype(np.uint64)
    y = rng.integers(0, 48, count).astype(np.uint64)
    up = rng.integers(0, 2, count).astype(np.uint64)
    dt = np.sort(rng.integers(0, duration_ns, count)).astype(np.uint64)
    words = up << np.uint64(63) | y << np.uint64(48) | x << np.uint64(32) | dt
    message = EventPacket(height=48, width=64, encoding="mono", is_bigendian=False)
    message.time_base = stamp_ns - START_NS + 5_000 * MS
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.events = words.tobytes()
    return message


@needs_events
def test_events_up_to_the_rgb_stamp(model: str) -> None:
    from event_camera_msgs.msg import EventPacket

    rng = np.random.default_rng(1)
    with stage(model=model, modality="event") as played:
        begin(played, "x/events", EventPacket)
        for number in range(12):
            message = packet(START_NS + number * 10 * MS, 10 * MS, rng)
            message.seq = number + 1
            played.publish("x/events", message)
        assert played.spin_until(lambda: played.node.run.inputs[1].count == 12)
        played.publish("rgb/image_raw", rgb_message(START_NS + 100 * MS))
        check_mask(played, "event")
        assert stamps_of(played) == [START_NS + 100 * MS]
        assert played.heard["status"][0].skew_ms == 0.0


@needs_events
def test_packets_that_came_faster_than_they_are_decoded_are_given_up(model: str) -> None:
    from event_camera_msgs.msg import EventPacket
    from rclpy.duration import Duration
    from rclpy.qos import QoSReliabilityPolicy

    rng = np.random.default_rng(1)
    with stage(model=model, modality="event") as played:
        begin(played, "x/events", EventPacket)
        source = played.node.run.inputs[1]
        asked = source._subscriber.sub.qos_profile.reliability
        assert asked == QoSReliabilityPolicy.RELIABLE
        # Half a second of packets waits, as after a starved moment.
        waiting = [packet(START_NS + number * 10 * MS, 10 * MS, rng) for number in range(50)]
        source._timer.cancel()
        for message in waiting:
            played.publish("x/events", message)
        assert played._publishers["x/events"].wait_for_all_acked(Duration(seconds=PATIENCE_S))
        source._take()
        assert source.given_up == 24
        assert source.count == 26
        assert source.health().given_up_hz > 0
        source._timer.reset()
        played.publish("rgb/image_raw", rgb_message(START_NS + 480 * MS))
        check_mask(played, "event")


def stamps_of(played: Stage) -> list[int]:
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in played.heard["mask"]]


def test_an_event_type_that_is_not_installed_is_named(model: str) -> None:
    told = {"event__message": "prophesee_event_msgs/msg/EventArray"}
    with stage(model=model, modality="event", autostart=False, **told) as played:
        played.node.trigger_configure()
        assert "prophesee_event_msgs" in played.node.failure
        assert "apt install" in played.node.failure
        assert played.node.model is None
        assert played.node.state_name == "unconfigured"


def camera_info(stamp_ns: int = START_NS) -> Any:
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo(height=48, width=64, distortion_model="plumb_bob")
    info.k = [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]
    info.p = [50.0, 0.0, 31.5, 0.0, 0.0, 50.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.header.stamp.sec, info.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    info.header.frame_id = "rgb_frame"
    return info


def depth_scene() -> np.ndarray:
    values = np.full((48, 64), 2000, np.uint16)
    values[10:20, 10:20] = 0
    values[30:, 40:] = 4000
    return values


def test_labelled_organised_cloud(model: str) -> None:
    from sensor_msgs_py import point_cloud2

    with stage(model=model, modality="depth", publish_cloud=True) as played:
        message = image(depth_scene(), "16UC1")
        begin(played, "x/image_raw", type(message), "cloud")
        played.publish("rgb/camera_info", camera_info())
        played.connect("rgb/camera_info")
        played.publish("rgb/camera_info", camera_info())
        assert played.spin_until(lambda: played.node.run.rgb_info.newest is not None)
        played.publish("x/image_raw", message)
        played.publish("rgb/image_raw", rgb_message(START_NS))
        assert played.spin_until(lambda: bool(played.heard["cloud"])), played.node.run.refusal()
        assert played.spin_until(lambda: bool(played.heard["mask"]))
    cloud, mask = played.heard["cloud"][0], played.heard["mask"][0]
    assert (cloud.width, cloud.height) == (mask.width, mask.height) == (64, 48)
    assert cloud.header == mask.header
    points = point_cloud2.read_points(cloud).reshape(48, 64)
    labels = np.frombuffer(mask.data, np.uint8).reshape(48, 64)
    assert (points["label"] == labels).all()
    assert np.isnan(points["z"][15, 15])
    assert points["z"][40, 50] == pytest.approx(4.0)
    assert points["x"][40, 50] == pytest.approx(4.0 * (50 - 31.5) / 50, rel=1e-5)
    assert points["y"][40, 50] == pytest.approx(4.0 * (40 - 23.5) / 50, rel=1e-5)


def test_at_the_networks_size_mask_calibration_and_cloud_agree(tmp_path: Path) -> None:
    from sensor_msgs_py import point_cloud2

    model = str(write_tiny_model(tmp_path / "m", ("depth",), short_side=48))
    told = {"publish_cloud": True, "output_size": "network"}
    with stage(model=model, modality="depth", **told) as played:
        message = image(depth_scene(), "16UC1")
        begin(played, "x/image_raw", type(message), "cloud", "camera_info", "overlay")
        large = camera_info()
        large.width, large.height = 128, 96
        large.k = [100.0, 0.0, 63.5, 0.0, 100.0, 47.5, 0.0, 0.0, 1.0]
        played.publish("rgb/camera_info", large)
        played.connect("rgb/camera_info")
        played.publish("rgb/camera_info", large)
        assert played.spin_until(lambda: played.node.run.rgb_info.newest is not None)
        played.publish("x/image_raw", message)
        played.publish("rgb/image_raw", rgb_message(START_NS, (96, 128)))
        heard = played.heard
        names = ("mask", "cloud", "camera_info", "overlay")
        assert played.spin_until(lambda: all(heard[name] for name in names))
    mask, cloud, info, overlay = (heard[name][0] for name in names)
    assert {(m.width, m.height) for m in (mask, cloud, info, overlay)} == {(64, 48)}
    assert list(info.k) == [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]
    points = point_cloud2.read_points(cloud).reshape(48, 64)
    assert points["z"][40, 50] == pytest.approx(4.0)
    assert points["x"][40, 50] == pytest.approx(4.0 * (50 - 31.5) / 50, rel=1e-5)


def test_hha_waits_for_the_depth_cameras_calibration_then_works(model: str) -> None:
    told = {"x__settings": "representation=hha; gravity=[0, 1, 0]"}
    with stage(model=model, modality="depth", **told) as played:
        message = image(depth_scene(), "16UC1")
        begin(played, "x/image_raw", type(message))
        played.publish("x/image_raw", message)
        played.publish("rgb/image_raw", rgb_message(START_NS))
        assert played.spin_until(lambda: played.node.run.refusal() is not None)
        assert "calibration on /x/camera_info" in played.node.run.refusal()
        played.publish("x/camera_info", camera_info())
        played.connect("x/camera_info")
        played.publish("x/camera_info", camera_info())
        numbers = count(1)

        def feed() -> None:
            stamp = START_NS + next(numbers) * 100 * MS
            played.publish("x/image_raw", image(depth_scene(), "16UC1", stamp))
            played.publish("rgb/image_raw", rgb_message(stamp))

        assert played.feed_until(lambda: bool(played.heard["mask"]), feed)
        check_mask(played, "depth")


def test_reprojection_waits_for_calibration_and_tf_then_works(model: str) -> None:
    from geometry_msgs.msg import TransformStamped
    from rclpy.qos import QoSDurabilityPolicy, QoSProfile
    from tf2_msgs.msg import TFMessage

    with stage(model=model, modality="depth", x__align="reproject") as played:
        message = image(depth_scene(), "16UC1")
        begin(played, "x/image_raw", type(message))
        played.publish("x/image_raw", message)
        played.publish("rgb/image_raw", rgb_message(START_NS))
        assert played.spin_until(lambda: played.node.run.refusal() is not None)
        assert "calibration on /rgb/camera_info" in played.node.run.refusal()
        link = TransformStamped(child_frame_id="x_frame")
        link.header.frame_id = "rgb_frame"
        link.transform.translation.x = 0.05
        link.transform.rotation.w = 1.0
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        played.publish("/tf_static", TFMessage(transforms=[link]), latched)
        x_info = camera_info()
        x_info.header.frame_id = "x_frame"
        numbers = count(1)

        def feed() -> None:
            played.publish("rgb/camera_info", camera_info())
            played.publish("x/camera_info", x_info)
            stamp = START_NS + next(numbers) * 100 * MS
            played.publish("x/image_raw", image(depth_scene(), "16UC1", stamp))
            played.publish("rgb/image_raw", rgb_message(stamp))

        assert played.feed_until(lambda: bool(played.heard["status"]), feed)
        check_mask(played, "depth")


def test_point_cloud_as_depth(model: str) -> None:
    from sensor_msgs.msg import PointCloud2
    from sensor_msgs_py import point_cloud2
    from std_msgs.msg import Header

    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    z = np.full(columns.shape, 3.0)
    wall = np.stack([(columns - 31.5) / 50 * z, (rows - 23.5) / 50 * z, z], -1).reshape(-1, 3)
    with stage(model=model, modality="depth", x_transport="points") as played:
        header = Header(frame_id="rgb_frame")
        header.stamp.sec, header.stamp.nanosec = divmod(START_NS, 10**9)
        begin(played, "x/points", PointCloud2)
        played.publish("rgb/camera_info", camera_info())
        played.connect("rgb/camera_info")
        played.publish("rgb/camera_info", camera_info())
        assert played.spin_until(lambda: played.node.run.rgb_info.newest is not None)
        played.publish("x/points", point_cloud2.create_cloud_xyz32(header, wall))
        played.publish("rgb/image_raw", rgb_message(START_NS))
        check_mask(played, "depth")
