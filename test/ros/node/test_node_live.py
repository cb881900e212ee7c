# SPDX-License-Identifier: Apache-2.0
"""The live node on a genuine rclpy: inputs, outputs and messages to the user."""

import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
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
    stage,
    write_tiny_model,
    x_message,
)

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


def stamps(messages: Sequence[Any]) -> list[int]:
    return [m.header.stamp.sec * 1_000_000_000 + m.header.stamp.nanosec for m in messages]


def send_pair(played: Stage, stamp_ns: int, qos: Any = 10) -> None:
    played.publish("x/image_raw", x_message(stamp_ns), qos)
    played.publish("rgb/image_raw", rgb_message(stamp_ns), qos)


def introduce(played: Stage, *outputs: str, qos: Any = 10) -> None:
    """Listens, creates the driver's publishers, and waits until all are connected."""
    played.listen(*outputs)
    for kind, topic in ((rgb_message, "rgb/image_raw"), (x_message, "x/image_raw")):
        played._publishers[topic] = played.driver.create_publisher(
            type(kind(START_NS)), topic, qos
        )
    played.ready()


def test_first_mask_has_the_encoding_size_stamp_and_frame(model: str) -> None:
    with stage(model=model) as played:
        introduce(played, "mask", "confidence", "color_mask", "overlay", "status", "label_info")
        send_pair(played, START_NS)
        assert played.spin_until(lambda: all(played.heard.values())), played.heard.keys()
    mask = played.heard["mask"][0]
    assert (mask.encoding, mask.height, mask.width, mask.step) == ("mono8", 48, 64, 64)
    assert stamps([mask]) == [START_NS]
    assert mask.header.frame_id == "rgb_frame"
    names = played.heard["label_info"][0].class_map
    assert set(np.unique(np.frombuffer(mask.data, np.uint8))) <= {*range(len(names)), 255}
    assert played.heard["confidence"][0].encoding == "mono8"
    assert [played.heard[n][0].encoding for n in ("color_mask", "overlay")] == ["rgb8", "rgb8"]
    assert len(played.heard["overlay"][0].data) == 48 * 64 * 3
    status = played.heard["status"][0]
    assert (status.modality, status.x_used, status.x_reason) == ("thermal", True, "")
    assert (status.skew_ms, status.frames_segmented) == (0.0, 1)
    assert sum(status.class_fractions) + status.unlabelled_fraction == pytest.approx(1, abs=1e-5)
    assert len(status.class_fractions) == len(names)


def test_live_masks_are_the_segmenters(model: str) -> None:
    from segrgbx_core import Segmenter
    from segrgbx_ros.messages.images import reading_from_message, rgb_from_message

    with stage(model=model) as played:
        introduce(played, "mask")
        send_pair(played, START_NS)
        assert played.spin_until(lambda: bool(played.heard["mask"]))
    mask = np.frombuffer(played.heard["mask"][0].data, np.uint8).reshape(48, 64)
    rgb = rgb_from_message(rgb_message(START_NS), "rgb")
    x = reading_from_message(x_message(START_NS), "x")
    expected = Segmenter(model, "cpu")(rgb, x, "thermal").labels
    assert (mask == expected).mean() > 0.99


def test_camera_info_bears_the_masks_header(model: str) -> None:
    from sensor_msgs.msg import CameraInfo

    with stage(model=model) as played:
        introduce(played, "mask", "camera_info")
        info = CameraInfo(height=48, width=64, k=[50.0, 0, 31.5, 0, 50.0, 23.5, 0, 0, 1.0])
        played.publish("rgb/camera_info", info)
        played.connect("rgb/camera_info")
        numbers = count()

        def feed() -> None:
            played.publish("rgb/camera_info", info)
            send_pair(played, START_NS + next(numbers) * 33 * MS)

        assert played.feed_until(lambda: bool(played.heard["camera_info"]), feed)
    sent = played.heard["camera_info"][0]
    assert sent.header in [m.header for m in played.heard["mask"]]
    assert sent.k[0] == 50.0


def test_best_effort_and_reliable_publishers(model: str) -> None:
    from rclpy.qos import QoSProfile, QoSReliabilityPolicy

    for reliability in QoSReliabilityPolicy.BEST_EFFORT, QoSReliabilityPolicy.RELIABLE:
        with stage(model=model) as played:
            qos = QoSProfile(depth=5, reliability=reliability)
            introduce(played, "mask", qos=qos)
            send_pair(played, START_NS)
            assert played.spin_until(lambda p=played: bool(p.heard["mask"])), reliability


def test_auto_reliability_follows_the_publishers(model: str) -> None:
    from rclpy.qos import QoSProfile, QoSReliabilityPolicy

    reliable, loose = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT

    def asked(played: Stage) -> list[Any]:
        sources = played.node.run.inputs
        return [source._subscriber.sub.qos_profile.reliability for source in sources]

    with stage(model=model, x_reliability="best_effort") as played:
        played.listen("mask")
        played.publish("rgb/image_raw", rgb_message(1), QoSProfile(depth=1, reliability=reliable))
        played.publish("x/image_raw", x_message(1), QoSProfile(depth=1, reliability=reliable))
        played.ready()
        assert played.spin_until(lambda: asked(played) == [reliable, loose])
        send_pair(played, START_NS)
        assert played.spin_until(lambda: bool(played.heard["mask"]))
        second = QoSProfile(depth=1, reliability=loose)
        played.driver.create_publisher(type(rgb_message(1)), "rgb/image_raw", second)
        assert played.spin_until(lambda: asked(played) == [loose, loose])
        played.connect("rgb/image_raw")
        send_pair(played, START_NS + 100 * MS)
        assert played.spin_until(lambda: len(played.heard["mask"]) == 2)


def test_a_large_raw_image_gives_a_mask(tmp_path: Path) -> None:
    """RGB of 3.7 MB and a polarization mosaic of 5 MB, as their drivers publish them."""
    model = str(write_tiny_model(tmp_path / "m", ("polarization",), short_side=64))
    told = {"polarization__layout": "0,45,90,135", "sync__x_timeout": 5.0}
    rgb = rgb_message(START_NS, (1024, 1224))
    values = np.random.default_rng(1).integers(10, 200, (2048, 2448)).astype(np.uint8)
    x = ros_image_of(values)
    with stage(model=model, modality="polarization", **told) as played:
        played.listen("mask")
        for topic, message in (("rgb/image_raw", rgb), ("x/image_raw", x)):
            made = played.driver.create_publisher(type(message), topic, 10)
            played._publishers[topic] = made
        played.ready()
        reliable = [s._subscriber.sub.qos_profile.reliability for s in played.node.run.inputs]
        assert {one.name for one in reliable} == {"RELIABLE"}
        played.publish("x/image_raw", x)
        played.publish("rgb/image_raw", rgb)
        assert played.spin_until(lambda: bool(played.heard["mask"])), played.node.run.dropped()
        assert (played.heard["mask"][0].width, played.heard["mask"][0].height) == (1224, 1024)


def ros_image_of(values: np.ndarray) -> Any:
    from segrgbx_ros.node.outputs import ros_image

    return ros_image(values, "mono8", rgb_message(START_NS).header)


def test_a_topic_that_names_the_transport_too_is_understood(model: str) -> None:
    """As the launch files remap rgb_topic:=.../compressed."""
    from segrgbx_ros.node.inputs import RGB, image_input
    from segrgbx_ros.node.subscription import Asked

    with stage(model=model, autostart=False) as played:
        source = replace(RGB, relative="cam/image_raw/compressed")
        made = image_input(played.node, source, "compressed", Asked(1))
        assert made.topic == "/cam/image_raw/compressed"
        made.close()


def test_compressed_transports(model: str) -> None:
    import cv2
    from sensor_msgs.msg import CompressedImage

    from segrgbx_ros.messages.images import rgb_from_message

    def packed(message: Any, image: Any, extension: str) -> CompressedImage:
        data = cv2.imencode(f".{extension}", image)[1].tobytes()
        return CompressedImage(header=message.header, format=extension, data=data)

    with stage(model=model, rgb_transport="compressed", x_transport="compressed") as played:
        played.listen("mask")
        rgb, x = rgb_message(START_NS), x_message(START_NS)
        rgb_topic, x_topic = "rgb/image_raw/compressed", "x/image_raw/compressed"
        for topic in rgb_topic, x_topic:
            played._publishers[topic] = played.driver.create_publisher(CompressedImage, topic, 1)
        assert played.spin_until(lambda: played.node.run is not None)
        played.connect(rgb_topic, x_topic)
        pixels = np.frombuffer(x.data, np.uint16).reshape(24, 32)
        played.publish(x_topic, packed(x, pixels, "png"))
        played.publish(rgb_topic, packed(rgb, rgb_from_message(rgb, "rgb")[..., ::-1], "png"))
        assert played.spin_until(lambda: bool(played.heard["mask"])), played.node.run.dropped()


def test_lifecycle_twice(model: str) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    done = TransitionCallbackReturn.SUCCESS
    with stage(model=model, autostart=False) as played:
        node = played.node
        for round_number in range(2):
            assert node.trigger_configure() == done
            played.heard.clear()
            introduced = START_NS + round_number * 1000 * MS
            assert node.trigger_activate() == done
            introduce(played, "mask", "label_info")
            send_pair(played, introduced)
            assert played.spin_until(lambda: bool(played.heard["mask"])), round_number
            assert played.spin_until(lambda: bool(played.heard["label_info"]))
            assert node.trigger_deactivate() == done
            assert node.run is None
            assert node.trigger_cleanup() == done
            assert node.model is None
            assert node.outputs is None
        assert node.trigger_shutdown() == done


def test_a_transition_that_fails_says_why_and_can_be_made_again(model: str) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    with stage(model="nowhere", autostart=False) as played:
        assert played.node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert "Model 'nowhere'" in played.node.failure
        assert (played.node.model, played.node.outputs) == (None, None)
        assert played.node.state_name == "unconfigured"
    with stage(model=model, modality="depth", autostart=False) as played:
        assert played.node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert "depth" in played.node.failure


def test_an_activation_that_fails_leaves_nothing_open(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    from segrgbx_core.errors import InputError
    from segrgbx_ros.node import run as live_run

    def refuse(*_: object) -> None:
        raise InputError("no geometry")

    with stage(model=model, autostart=False) as played:
        node = played.node
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        before = [list(items) for items in (node.subscriptions, node.timers)]
        with monkeypatch.context() as patched:
            patched.setattr(live_run, "live_cameras", refuse)
            assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
        assert node.failure == "Cannot activate: no geometry"
        assert node.run is None
        assert [list(items) for items in (node.subscriptions, node.timers)] == before
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert node.failure is None
        introduce(played, "mask")
        send_pair(played, START_NS)
        assert played.spin_until(lambda: len(played.heard["mask"]) == 1)


@pytest.mark.parametrize("policy", ["drop", "rgb_only", "hold_last"])
def test_missing_x(model: str, policy: str) -> None:
    with stage(model=model, missing_x=policy, sync__x_timeout=0.05) as played:
        introduce(played, "status")
        send_pair(played, START_NS)
        assert played.spin_until(lambda: len(played.heard["status"]) == 1)
        played.publish("rgb/image_raw", rgb_message(START_NS + 200 * MS))
        if policy == "drop":
            assert played.spin_until(lambda: played.node.run.dropped() == {"rgb_without_x": 1})
            assert len(played.heard["status"]) == 1
            return
        assert played.spin_until(lambda: len(played.heard["status"]) == 2)
        status = played.heard["status"][1]
    assert stamps([status]) == [START_NS + 200 * MS]
    if policy == "rgb_only":
        assert (status.x_used, status.x_held, status.modality) == (False, False, "thermal")
        assert "no thermal reading" in status.x_reason
    else:
        assert (status.x_used, status.x_held) == (True, True)
        assert status.skew_ms == pytest.approx(-200)
    assert status.frames_dropped == 0


def test_hold_last_has_a_limit(model: str) -> None:
    with stage(
        model=model, missing_x="hold_last", sync__x_timeout=0.05, hold_limit=0.15
    ) as played:
        introduce(played, "status")
        send_pair(played, START_NS)
        assert played.spin_until(lambda: len(played.heard["status"]) == 1)
        played.publish("rgb/image_raw", rgb_message(START_NS + 200 * MS))
        assert played.spin_until(lambda: played.node.run.dropped() == {"rgb_without_x": 1})


def test_time_jump_backward_resets_without_a_stall(model: str) -> None:
    with stage(model=model) as played:
        introduce(played, "mask")
        forgotten: list[None] = []
        played.node.model.segmenter.forget_scene = lambda: forgotten.append(None)
        for lap in range(2):
            for number in range(3):
                send_pair(played, START_NS + number * 2000 * MS)
                wanted = 3 * lap + number + 1
                assert played.spin_until(lambda n=wanted: len(played.heard["mask"]) == n), (
                    lap,
                    number,
                    played.node.run.dropped(),
                )
        assert played.node.run.matching.restarts == 1
        assert len(forgotten) == 1


def test_a_bad_message_among_good_ones(model: str) -> None:
    with stage(model=model) as played:
        introduce(played, "mask")
        good, bad = START_NS, START_NS + 100 * MS
        send_pair(played, good)
        assert played.spin_until(lambda: len(played.heard["mask"]) == 1)
        broken = rgb_message(bad)
        broken.data = broken.data[:-7]
        played.publish("x/image_raw", x_message(bad))
        played.publish("rgb/image_raw", broken)
        assert played.spin_until(lambda: played.node.run.dropped() == {"undecodable_rgb": 1})
        assert "cut short" in played.node.run.refusal()
        send_pair(played, good + 200 * MS)
        assert played.spin_until(lambda: len(played.heard["mask"]) == 2)
    assert stamps(played.heard["mask"]) == [good, good + 200 * MS]


def test_every_frame_is_accounted_for(model: str) -> None:
    with stage(model=model, sync__x_timeout=0.05) as played:
        introduce(played, "mask")
        run = played.node.run
        numbers = count()

        def feed() -> None:
            number = next(numbers)
            stamp = START_NS + number * 10 * MS
            if number % 4:
                played.publish("x/image_raw", x_message(stamp + 3 * MS))
            played.publish("rgb/image_raw", rgb_message(stamp))

        assert played.feed_until(lambda: run.inputs[0].count >= 40, feed, 0.01)
        played.publish("rgb/image_raw", rgb_message(0))
        assert played.spin_until(lambda: "invalid_rgb_stamp" in run.dropped())
        assert played.spin_until(lambda: run.worker.pending == 0)
        dropped = run.dropped()
        assert run.matching.counts.rgb_in == run.inputs[0].count
        total = run.pipeline.segmented + sum(dropped.values()) + run.matching.counts.rgb_pending
        assert total == run.inputs[0].count, dropped
        assert dropped["invalid_rgb_stamp"] == 1


def test_two_namespaces_on_one_model(model: str) -> None:
    with stage("left", model=model) as left, stage("right", model=model) as right:
        for played in left, right:
            introduce(played, "mask")
        send_pair(left, START_NS)
        assert left.spin_until(lambda: bool(left.heard["mask"]))
        send_pair(right, START_NS + MS)
        assert right.spin_until(lambda: bool(right.heard["mask"]))
        assert [stamps(played.heard["mask"]) for played in (left, right)] == [
            [START_NS],
            [START_NS + MS],
        ]
        assert left.node.get_fully_qualified_name() == "/left/segrgbx"


def test_modality_none_takes_rgb_alone(model: str) -> None:
    with stage(model=model, modality="none") as played:
        played.listen("status")
        played._publishers["rgb/image_raw"] = played.driver.create_publisher(
            type(rgb_message(1)), "rgb/image_raw", 1
        )
        played.ready()
        played.publish("rgb/image_raw", rgb_message(START_NS))
        assert played.spin_until(lambda: bool(played.heard["status"]))
    assert played.heard["status"][0].x_used is False
    assert "RGB alone" in played.heard["status"][0].x_reason


def test_nothing_is_computed_that_nobody_wants(model: str) -> None:
    with stage(model=model) as played:
        introduce(played)
        send_pair(played, START_NS)
        run = played.node.run
        assert played.spin_until(lambda: run.dropped() == {"no_subscriber": 1}), run.dropped()
        assert run.pipeline.segmented == 0
        played.listen("confidence")
        played.connect()
        made: list[str] = []
        publish = played.node.outputs.publish
        played.node.outputs.publish = lambda name, msg: (made.append(name), publish(name, msg))
        send_pair(played, START_NS + 100 * MS)
        assert played.spin_until(lambda: bool(played.heard["confidence"]))
        assert made == ["confidence"]


def test_enable_service(model: str) -> None:
    from std_srvs.srv import SetBool

    with stage(model=model) as played:
        introduce(played, "mask")
        client = played.driver.create_client(SetBool, "segrgbx/enable")
        assert played.spin_until(client.service_is_ready)

        def call(value: bool) -> None:
            future = client.call_async(SetBool.Request(data=value))
            assert played.spin_until(future.done)
            assert future.result().success

        call(False)
        send_pair(played, START_NS)
        assert played.spin_until(lambda: played.node.run.dropped() == {"disabled": 1})
        call(True)
        send_pair(played, START_NS + 100 * MS)
        assert played.spin_until(lambda: len(played.heard["mask"]) == 1)


def test_newest_wins_under_overload(model: str) -> None:
    """While a pair is with the model, four others come; the last of them is next."""
    with stage(model=model) as played:
        introduce(played, "status")
        run = played.node.run
        process, submit = run.pipeline.process, run.worker.submit
        handed_over: list[int] = []
        taken: list[int] = []
        finished = threading.Semaphore(0)

        def note(job: Any) -> None:
            handed_over.append(job.pair.rgb_stamp_ns)
            submit(job)

        def when_told(pair: Any) -> Any:
            taken.append(pair.rgb_stamp_ns)
            assert finished.acquire(timeout=PATIENCE_S)
            return process(pair)

        run.worker.submit, run.pipeline.process = note, when_told

        def send(number: int) -> int:
            stamp = START_NS + number * 100 * MS
            send_pair(played, stamp)
            assert played.spin_until(lambda: handed_over[-1:] == [stamp])
            return stamp

        expected = [send(0)]
        for round_number in range(5):
            assert played.spin_until(lambda: taken == expected)
            expected.append([send(4 * round_number + k) for k in (1, 2, 3, 4)][-1])
            finished.release()
        finished.release()
        assert played.spin_until(lambda: len(played.heard["status"]) == len(expected))
        assert stamps(played.heard["status"]) == expected
        assert run.dropped() == {"superseded": 15}
