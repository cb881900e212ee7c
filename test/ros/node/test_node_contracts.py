# SPDX-License-Identifier: Apache-2.0
"""Subscribers that follow the contracts of the consumers of masks."""

import importlib
import re
import sys
import time
from collections.abc import Callable
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
    STEP_S,
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


def test_the_documented_node_of_ones_own_segments(
    model: str,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The example of docs/node.md as it is."""
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    page = (repository / "docs" / "node.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "documented_follower.py").write_text(example)
    monkeypatch.syspath_prepend(str(tmp_path))
    follower = importlib.import_module("documented_follower")
    context = Context()
    rclpy.init(context=context)
    own = follower.Follower(model, context=context)
    driver = Node("driver", context=context)
    executor = SingleThreadedExecutor(context=context)
    for node in (own, driver):
        executor.add_node(node)
    messages = {"x": x_message(START_NS), "rgb": rgb_message(START_NS)}
    publishers = {
        name: driver.create_publisher(type(message), f"{name}/image_raw", 1)
        for name, message in messages.items()
    }

    def spin_until(done: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not done() and time.monotonic() < until:
            executor.spin_once(timeout_sec=STEP_S)

    spin_until(lambda: all(p.get_subscription_count() for p in publishers.values()))
    for name, message in messages.items():
        publishers[name].publish(message)
    spin_until(lambda: own.pipeline.segmented > 0)
    assert own.pipeline.segmented == 1, own.pipeline.refusals
    assert "% road, with thermal" in capfd.readouterr().err
    executor.shutdown()
    for node in (own, driver):
        node.destroy_node()
    rclpy.shutdown(context=context)


class CostmapLayer:
    """Reads like Nav2's semantic segmentation layer.

    Labels first, then mask and confidence by exact time, each indexed as data[v * width + u].
    """

    def __init__(self, node: Any) -> None:
        from message_filters import Subscriber, TimeSynchronizer
        from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
        from sensor_msgs.msg import Image
        from vision_msgs.msg import LabelInfo

        self.names: dict[int, str] = {}
        self.seen: list[tuple[str, float]] = []
        self.masks_before_labels = 0
        latched = QoSProfile(
            depth=1,
            reliability=QoSReliabilityPolicy.RELIABLE,
            durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
        )
        node.create_subscription(LabelInfo, "segrgbx/label_info", self._labels, latched)
        mask = Subscriber(node, Image, "segrgbx/mask")
        confidence = Subscriber(node, Image, "segrgbx/confidence")
        self._sync = TimeSynchronizer([mask, confidence], 10)
        self._sync.registerCallback(self._cell)

    def _labels(self, info: Any) -> None:
        self.names = {c.class_id: c.class_name for c in info.class_map}

    def _cell(self, mask: Any, confidence: Any) -> None:
        if not self.names:
            self.masks_before_labels += 1
            return
        for image in mask, confidence:
            assert image.encoding == "mono8"
            assert image.step == image.width
            assert len(image.data) == image.width * image.height
        u, v = mask.width // 2, mask.height // 2
        label = mask.data[v * mask.width + u]
        share = confidence.data[v * confidence.width + u] / 255
        self.seen.append((self.names.get(label, "unlabelled"), share))


class Reconstruction:
    """Reads like nvblox: image, mask and calibration with equal stamps."""

    def __init__(self, node: Any) -> None:
        from message_filters import Subscriber, TimeSynchronizer
        from sensor_msgs.msg import CameraInfo, Image

        self.taken: list[tuple[Any, Any, Any]] = []
        filters = [
            Subscriber(node, Image, "rgb/image_raw"),
            Subscriber(node, Image, "segrgbx/mask"),
            Subscriber(node, CameraInfo, "segrgbx/camera_info"),
        ]
        self._sync = TimeSynchronizer(filters, 10)
        self._sync.registerCallback(lambda *messages: self.taken.append(messages))


def play_until(played: Stage, done: Callable[[], bool]) -> bool:
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo(height=48, width=64, k=[50.0, 0, 31.5, 0, 50.0, 23.5, 0, 0, 1.0])
    numbers = count()

    def feed() -> None:
        stamp = START_NS + next(numbers) * 100 * MS
        played.publish("rgb/camera_info", info)
        played.publish("x/image_raw", x_message(stamp + 7 * MS))
        played.publish("rgb/image_raw", rgb_message(stamp))

    return played.feed_until(done, feed)


def open_topics(played: Stage) -> None:
    from sensor_msgs.msg import CameraInfo

    for topic, kind in (
        ("rgb/image_raw", type(rgb_message(1))),
        ("x/image_raw", type(x_message(1))),
        ("rgb/camera_info", CameraInfo),
    ):
        played._publishers[topic] = played.driver.create_publisher(kind, topic, 10)


def test_costmap_layer(model: str) -> None:
    with stage(model=model) as played:
        layer = CostmapLayer(played.driver)
        open_topics(played)
        played.ready()
        assert played.spin_until(lambda: bool(layer.names)), "no labels before the first mask"
        assert layer.names == dict(enumerate(played.node.model.segmenter.label_set.names))
        assert play_until(played, lambda: len(layer.seen) > 5)
        assert layer.masks_before_labels == 0
    assert all(name in layer.names.values() and 0 < share <= 1 for name, share in layer.seen)


def test_reconstruction_by_exact_stamps(model: str) -> None:
    with stage(model=model) as played:
        taker = Reconstruction(played.driver)
        open_topics(played)
        played.ready()
        assert play_until(played, lambda: len(taker.taken) > 5), played.node.run.dropped()
    for rgb, mask, info in taker.taken:
        assert rgb.header == mask.header == info.header
        assert (mask.width, mask.height) == (rgb.width, rgb.height) == (info.width, info.height)
        assert set(np.unique(np.frombuffer(mask.data, np.uint8))) <= {*range(11), 255}
