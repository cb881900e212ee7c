# SPDX-License-Identifier: Apache-2.0
"""The node's inputs: subscriptions and their health."""

import time
from dataclasses import dataclass
from typing import Any

from message_filters import SimpleFilter, Subscriber
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSDurabilityPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from segrgbx_core.errors import BagError, InputError
from segrgbx_ros.events.packets import TOGETHER, EventDecoder
from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.node.health.health import InputHealth, Rate, Recent
from segrgbx_ros.node.parameters.parameters import NodeSettings


def sensor_qos(depth: int = 1) -> QoSProfile:
    """QoS for sensor data: volatile and best effort, which accepts reliable publishers too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def incompatible_policy(offered: QoSProfile, requested: QoSProfile) -> str | None:
    """The policy that prevents messages from publisher to subscriber; None if compatible."""
    if (
        offered.reliability == QoSReliabilityPolicy.BEST_EFFORT
        and requested.reliability == QoSReliabilityPolicy.RELIABLE
    ):
        return "reliability"
    if (
        offered.durability == QoSDurabilityPolicy.VOLATILE
        and requested.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    ):
        return "durability"
    return None


@dataclass(frozen=True)
class InputSource:
    """Names of one input for the user: relative topic, launch argument and parameter."""

    name: str
    relative: str
    argument: str
    transport_parameter: str


RGB = InputSource("rgb", "rgb/image_raw", "rgb_topic", "rgb_transport")
X = InputSource("x", "x/image_raw", "x_topic", "x_transport")
EVENTS = InputSource("x", "x/events", "x_topic", "event.message")
POINTS = InputSource("x", "x/points", "x_topic", "x_transport")
EVENT_PACKETS_KEPT = 1000
DECODE_EVERY_S = 0.01
ZERO_STAMPS_SHOWN_S = 10.0


class Input:
    """A subscribed topic with its measurements.

    raw: messages arrive serialised, as bytes.
    """

    def __init__(
        self, node: Node, source: InputSource, topic: str, kind: Any, depth: int, raw: bool = False
    ) -> None:
        self.source, self.topic, self.message_type = source, topic, kind
        self.rate, self.zero_rate, self.lag_s = Rate(), Rate(), Recent()
        self.count = self.zero_stamps = 0
        self._node = node
        self.filter = Subscriber(
            node,
            kind,
            topic,
            qos_profile=sensor_qos(depth),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            raw=raw,
        )

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_subscription(self.filter.sub)

    def measure(self, stamp: int) -> None:
        """Records the arrival of a message; stamp: nanoseconds."""
        self.rate.mark()
        self.count += 1
        if stamp <= 0:
            self.zero_stamps += 1
            self.zero_rate.mark()
        else:
            self.lag_s.add((self._node.get_clock().now().nanoseconds - stamp) / 1e9)

    def health(self) -> InputHealth:
        """The facts from the ROS graph and the measurements."""
        type_name = _type_name(self.message_type)
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        requested = self.filter.sub.qos_profile
        incompatible = [
            (_full_name(p), policy)
            for p in publishers
            if (policy := incompatible_policy(p.qos_profile, requested)) is not None
        ]
        lag = self.lag_s.spread()
        zero_s = self.zero_rate.since_last_s()
        return InputHealth(
            name=self.source.name,
            topic=self.topic,
            type_name=type_name,
            argument=self.source.argument,
            transport=self.source.transport_parameter,
            hz=self.rate.hz(),
            count=self.count,
            since_last_s=self.rate.since_last_s(),
            publishers=[(_full_name(p), p.topic_type) for p in publishers],
            incompatible=incompatible,
            others=self._others(type_name),
            stamp_lag_s=None if lag is None else lag.p50,
            zero_stamps=0 if zero_s is None or zero_s > ZERO_STAMPS_SHOWN_S else self.zero_stamps,
        )

    def _others(self, type_name: str) -> list[str]:
        # Masks are no camera's images, neither this node's nor another camera's.
        outputs = f"/{self._node.get_name()}/"
        return sorted(
            name
            for name, types in self._node.get_topic_names_and_types()
            if type_name in types
            and name != self.topic
            and outputs not in name
            and self._node.count_publishers(name)
        )


def image_input(node: Node, source: InputSource, transport: str, depth: int) -> Input:
    """Subscribes to an image topic.

    The topic of a compressed transport is below the raw one's, as in image_transport.
    """
    base = node.resolve_topic_name(source.relative)
    if transport == "raw":
        made = Input(node, source, base, Image, depth)
    else:
        made = Input(node, source, f"{base}/{transport}", CompressedImage, depth)
    made.filter.registerCallback(lambda msg: made.measure(stamp_ns(msg.header)))
    return made


class EventInput(Input):
    """A topic of event packets; `events` signals them decoded.

    Packets wait for each other, at most DECODE_EVERY_S or until there are TOGETHER: many small
    ones take a third of the time together. undecodable: number of packets that could not be read.
    problem: monotonic time in seconds of the latest one, and its sentence. Raises InputError if
    the message type is not installed.
    """

    def __init__(self, node: Node, type_name: str) -> None:
        topic = node.resolve_topic_name(EVENTS.relative)
        super().__init__(
            node, EVENTS, topic, installed_type(type_name), EVENT_PACKETS_KEPT, raw=True
        )
        self.events = SimpleFilter()
        self.undecodable = 0
        self.problem: tuple[float, str] | None = None
        self._decoder = EventDecoder(topic, type_name)
        self._waiting: list[bytes] = []
        # Simulated time may stand still, and the packets would wait for ever.
        self._timer = node.create_timer(
            DECODE_EVERY_S, self._decode, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.filter.registerCallback(self._keep)

    def close(self) -> None:
        """Unsubscribes; what waits is decoded before."""
        self._node.destroy_timer(self._timer)
        self._decode()
        super().close()

    def _keep(self, packet: bytes) -> None:
        self._waiting.append(packet)
        if len(self._waiting) >= TOGETHER:
            self._decode()

    def _decode(self) -> None:
        waiting, self._waiting = self._waiting, []
        for chunk in self._decoder.decode_all(waiting):
            if isinstance(chunk, BagError):
                self.undecodable += 1
                self.problem = (time.monotonic(), str(chunk))
                self.measure(1)
            else:
                self.measure(chunk.stamp_ns)
                self.events.signalMessage(chunk)


def installed_type(type_name: str) -> Any:
    """The message class. Raises InputError, which names the package to install."""
    try:
        return get_message(type_name)
    except (AttributeError, ModuleNotFoundError, ValueError) as err:
        package = type_name.split("/")[0]
        debian = package.replace("_", "-")
        raise InputError(
            f"Message type {type_name} is not installed here: apt install "
            f"ros-$ROS_DISTRO-{debian} (or build {package} from source), or set event.message to "
            "the type that your driver publishes."
        ) from err


def x_input(node: Node, settings: NodeSettings, depth: int) -> Input:
    """The input of the second sensor, in the form that the settings name."""
    if is_windowed(settings.modality):
        return EventInput(node, settings.event_message)
    if settings.x_transport != "points":
        return image_input(node, X, settings.x_transport, depth)
    made = Input(node, POINTS, node.resolve_topic_name(POINTS.relative), PointCloud2, depth)
    made.filter.registerCallback(lambda msg: made.measure(stamp_ns(msg.header)))
    return made


class CameraInfoInput:
    """Keeps the latest calibration of a camera."""

    def __init__(self, node: Node, relative: str) -> None:
        self._node = node
        self.newest: Any | None = None
        self.topic = node.resolve_topic_name(relative)
        self._subscription = node.create_subscription(
            CameraInfo, self.topic, self._keep, sensor_qos()
        )

    def _keep(self, msg: Any) -> None:
        self.newest = msg

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_subscription(self._subscription)


def _type_name(message_type: Any) -> str:
    package, kind = message_type.__module__.split(".")[0], message_type.__name__
    return f"{package}/msg/{kind}"


def _full_name(endpoint: Any) -> str:
    space = endpoint.node_namespace.rstrip("/")
    return f"{space}/{endpoint.node_name}"
