# SPDX-License-Identifier: Apache-2.0
"""A node and a driver in their own rclpy context, spun in the test's thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

STEP_S = 0.02
PERIOD_S = 0.1
PATIENCE_S = 60.0
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def write_tiny_model(
    folder: Path, modalities: tuple[str, ...] = ("thermal",), short_side: int | None = None
) -> Path:
    """An untrained model of the smallest size, written to the folder."""
    import torch

    from segrgbx_core import build_model
    from segrgbx_core.labels.label_set import load_label_set
    from segrgbx_core.model import Preprocessing
    from segrgbx_core.weights.card import ModelCard
    from segrgbx_core.weights.store import save_model

    labels = load_label_set("street")
    torch.manual_seed(0)
    model = build_model("b0", len(labels))
    card = ModelCard("tiny", "untrained", model.config, modalities, labels)
    if short_side is not None:
        card = replace(card, preprocessing=Preprocessing(short_side=short_side))
    save_model(folder, model, card)
    return folder


class Stage:
    """The node under test, a driver node, and the messages that the driver received."""

    def __init__(self, context: Any, node: Any, namespace: str) -> None:
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self.node = node
        self.driver = Node("driver", namespace=namespace, context=context)
        self.heard: dict[str, list[Any]] = {}
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._executor.add_node(self.driver)
        self._publishers: dict[str, Any] = {}

    def listen(self, *names: str, qos: Any = None, node: str = "segrgbx") -> None:
        """Keeps the messages on the node's outputs."""
        from vision_msgs.msg import LabelInfo

        from segrgbx_ros.node.outputs import TYPES, latched_qos, result_qos

        for name in names:
            self.heard[name] = []
            kind = LabelInfo if name == "label_info" else TYPES[name]
            used = qos or (latched_qos() if name == "label_info" else result_qos())
            used.depth = 100
            self.driver.create_subscription(kind, f"{node}/{name}", self.heard[name].append, used)

    def publish(self, topic: str, message: Any, qos: Any = 10) -> None:
        """Publishes on a topic of the driver's namespace."""
        if topic not in self._publishers:
            self._publishers[topic] = self.driver.create_publisher(type(message), topic, qos)
        self._publishers[topic].publish(message)

    def feed_until(
        self, done: Callable[[], bool], feed: Callable[[], None], period_s: float = PERIOD_S
    ) -> bool:
        """As spin_until, with a call of feed in every period, as a camera's timer."""
        due = time.monotonic()

        def fed() -> bool:
            nonlocal due
            if done():
                return True
            if time.monotonic() >= due:
                feed()
                due = time.monotonic() + period_s
            return False

        return self.spin_until(fed)

    def spin_until(self, done: Callable[[], bool]) -> bool:
        """Runs callbacks until the condition holds; returns whether it did within a minute."""
        until = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until:
                return False
            self._executor.spin_once(timeout_sec=STEP_S)
        return True

    def ready(self) -> None:
        """Waits until the node is active and connected in both directions."""
        assert self.spin_until(lambda: self.node.run is not None), self.node.failure
        self.connect("rgb/image_raw", "x/image_raw")

    def connect(self, *topics: str) -> None:
        """Waits until the listeners and publishers so far are connected to the node."""

        def connected() -> bool:
            outputs = self.node.outputs
            heard = all(
                outputs._publishers[n].get_subscription_count()
                for n in self.heard
                if n != "label_info"
            )
            return heard and all(
                self._publishers[t].get_subscription_count()
                for t in topics
                if t in self._publishers
            )

        assert self.spin_until(connected), "the driver and the node have not found each other"

    def close(self) -> None:
        """Destroys both nodes."""
        self._executor.shutdown()
        self.node.destroy_node()
        self.driver.destroy_node()


@contextmanager
def stage(namespace: str = "", **parameters: Any) -> Iterator[Stage]:
    """A context with a node with these parameters; two underscores stand for a dot."""
    import rclpy
    from rclpy.context import Context
    from rclpy.parameter import Parameter

    from segrgbx_ros.node.node import SegmentationNode

    context = Context()
    rclpy.init(context=context)
    told = {"modality": "thermal", "warmup_iterations": 0, "device": "cpu", **parameters}
    node = SegmentationNode(
        context=context,
        namespace=namespace,
        parameter_overrides=[Parameter(n.replace("__", "."), value=v) for n, v in told.items()],
    )
    played = Stage(context, node, namespace)
    try:
        yield played
    finally:
        played.close()
        rclpy.try_shutdown(context=context)


def rgb_message(stamp_ns: int, size: tuple[int, int] = (48, 64), frame: str = "rgb_frame") -> Any:
    """A random sensor_msgs/Image, rgb8."""
    from segrgbx_ros.node.outputs import ros_image

    pixels = np.random.default_rng(stamp_ns % 1000).integers(0, 256, (*size, 3), np.uint8)
    return ros_image(pixels, "rgb8", _header(stamp_ns, frame))


def x_message(stamp_ns: int, size: tuple[int, int] = (24, 32), encoding: str = "mono16") -> Any:
    """A random sensor_msgs/Image of 16 bits."""
    values = np.random.default_rng(stamp_ns % 997).integers(28000, 31000, size).astype(np.uint16)
    return sixteen_bits(values, stamp_ns, encoding)


def sixteen_bits(values: npt.NDArray[np.uint16], stamp_ns: int, encoding: str = "mono16") -> Any:
    """A sensor_msgs/Image of these values."""
    from sensor_msgs.msg import Image

    return Image(
        header=_header(stamp_ns, "x_frame"),
        height=values.shape[0],
        width=values.shape[1],
        encoding=encoding,
        step=2 * values.shape[1],
        data=values.tobytes(),
    )


def _header(stamp_ns: int, frame: str) -> Any:
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame)
