# SPDX-License-Identifier: Apache-2.0
"""The node's inputs: subscriptions and their health."""

import time
from dataclasses import dataclass, replace
from typing import Any

from message_filters import SimpleFilter, Subscriber
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSDurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from segrgbx_core.errors import BagError, InputError
from segrgbx_ros.events.messages import raw_stamp_ns
from segrgbx_ros.events.packets import TOGETHER, EventChunk, EventDecoder
from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.messages.types import NS_PER_S
from segrgbx_ros.node.health.health import LAG_S, InputHealth, Rate, Recent
from segrgbx_ros.node.parameters.parameter_server import given_parameters
from segrgbx_ros.node.parameters.parameters import NodeSettings

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


RELIABILITIES = {
    "best_effort": QoSReliabilityPolicy.BEST_EFFORT,
    "reliable": QoSReliabilityPolicy.RELIABLE,
}


def sensor_qos(
    depth: int = 1, reliability: QoSReliabilityPolicy = QoSReliabilityPolicy.BEST_EFFORT
) -> QoSProfile:
    """QoS for sensor data: volatile; best effort accepts reliable publishers too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
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
FOLLOW_EVERY_S = 0.5
LONGEST_BEHIND_S = 0.25
ZERO_STAMPS_SHOWN_S = 10.0


@dataclass(frozen=True)
class Asked:
    """What to ask of a topic's publishers. depth: messages that may wait. reliability: "auto",
    "best_effort" or "reliable". raw: messages arrive serialised, as bytes."""

    depth: int
    reliability: str = "auto"
    raw: bool = False


class Input:
    """A subscribed topic with its measurements.

    With reliability "auto" it asks for what all its publishers offer, and follows them when they
    come or change: large raw images hardly ever arrive best effort. filter: signals the messages.
    lost: number of messages that the middleware reports as lost.
    """

    _group: CallbackGroup | None = None

    def __init__(
        self, node: Node, source: InputSource, topic: str, kind: Any, asked: Asked
    ) -> None:
        self.source, self.topic, self.message_type = source, topic, kind
        self.rate, self.zero_rate, self.lost_rate, self.lag_s = (
            Rate(),
            Rate(),
            Rate(),
            Recent(LAG_S),
        )
        self.count = self.zero_stamps = self.lost = 0
        self._node, self._asked = node, asked
        self.filter = SimpleFilter()
        own = f"qos_overrides.{topic}.subscription.reliability"
        self._overridden = own in given_parameters(node)
        self._subscribe(self._reliability() or QoSReliabilityPolicy.BEST_EFFORT)
        self._follow_timer = node.create_timer(
            FOLLOW_EVERY_S, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """Unsubscribes."""
        self._node.destroy_timer(self._follow_timer)
        self._node.destroy_subscription(self._subscriber.sub)

    def _follow(self) -> None:
        """Subscribes again if the publishers' reliability asks for it."""
        wanted = self._reliability()
        if not self._overridden and wanted is not None and wanted != self._wanted:
            self._node.destroy_subscription(self._subscriber.sub)
            self._subscribe(wanted)

    def _reliability(self) -> QoSReliabilityPolicy | None:
        """What to ask for; None if nobody publishes yet, which leaves it as it is."""
        if self._asked.reliability != "auto":
            return RELIABILITIES[self._asked.reliability]
        offered = [
            publisher.qos_profile.reliability
            for publisher in self._node.get_publishers_info_by_topic(self.topic)
        ]
        if not offered:
            return None
        every = all(one == QoSReliabilityPolicy.RELIABLE for one in offered)
        return QoSReliabilityPolicy.RELIABLE if every else QoSReliabilityPolicy.BEST_EFFORT

    def _subscribe(self, reliability: QoSReliabilityPolicy) -> None:
        self._wanted = reliability
        # Once declared, the parameter of reliability would hold on to its first value.
        kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        kinds += [QoSPolicyKind.RELIABILITY] if self._overridden else []
        self._subscriber = Subscriber(
            self._node,
            self.message_type,
            self.topic,
            qos_profile=sensor_qos(self._asked.depth, reliability),
            qos_overriding_options=QoSOverridingOptions(kinds),
            raw=self._asked.raw,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_lost),
        )
        self._subscriber.registerCallback(self.filter.signalMessage)

    def _on_lost(self, info: Any) -> None:
        for _ in range(int(info.total_count_change)):
            self.lost_rate.mark()
        self.lost += int(info.total_count_change)

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
        requested = self._subscriber.sub.qos_profile
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
            reliable=requested.reliability == QoSReliabilityPolicy.RELIABLE,
            lost=self.lost,
            lost_hz=self.lost_rate.hz(),
            given_up_hz=0.0,
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


def image_input(node: Node, source: InputSource, transport: str, asked: Asked) -> Input:
    """Subscribes to an image topic.

    The topic of a compressed transport is below the raw one's, as in image_transport; either may
    be named.
    """
    base = node.resolve_topic_name(source.relative).removesuffix(f"/{transport}")
    if transport == "raw":
        made = Input(node, source, base, Image, asked)
    else:
        made = Input(node, source, f"{base}/{transport}", CompressedImage, asked)
    made.filter.registerCallback(lambda msg: made.measure(stamp_ns(msg.header)))
    return made


class _Polled(CallbackGroup):
    """Of subscriptions that the executor does not wait for."""

    def can_execute(self, _entity: Any) -> bool:
        """Never."""
        return False

    def beginning_execution(self, _entity: Any) -> bool:
        """Never."""
        return False

    def ending_execution(self, _entity: Any) -> None:
        """Nothing has begun."""


class EventInput(Input):
    """A topic of event packets; `events` signals them decoded.

    Every DECODE_EVERY_S it takes all packets that have come: a wake-up for each would cost more
    than decoding it, and many small ones take a third of the time together. Where decoding falls
    behind, packets older than the newest by more than LONGEST_BEHIND_S are given up, and those
    that follow are in time again. given_up: their number. undecodable: number of packets that
    could not be read. problem: monotonic time in seconds of the latest one, and its sentence.
    Raises InputError if the message type is not installed.
    """

    def __init__(self, node: Node, type_name: str, reliability: str = "auto") -> None:
        topic = node.resolve_topic_name(EVENTS.relative)
        asked = Asked(EVENT_PACKETS_KEPT, reliability, raw=True)
        self._group = _Polled()
        super().__init__(node, EVENTS, topic, installed_type(type_name), asked)
        self.events = SimpleFilter()
        self.undecodable = self.given_up = 0
        self.given_up_rate = Rate()
        self.problem: tuple[float, str] | None = None
        self._decoder = EventDecoder(topic, type_name)
        # Simulated time may stand still, and the packets would wait for ever.
        self._timer = node.create_timer(
            DECODE_EVERY_S, self._take, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """Unsubscribes; what waits is decoded before."""
        self._node.destroy_timer(self._timer)
        self._take()
        super().close()

    def health(self) -> InputHealth:
        """See Input; with the packets that were given up."""
        return replace(super().health(), given_up_hz=self.given_up_rate.hz())

    def _take(self) -> None:
        waiting = self._in_time(self._drained())
        for first in range(0, len(waiting), TOGETHER):
            for chunk in self._decoder.decode_all(waiting[first : first + TOGETHER]):
                self._pass_on(chunk)

    def _drained(self) -> list[bytes]:
        """All packets that have come, in their order."""
        taken: list[bytes] = []
        subscription = self._subscriber.sub
        with subscription.handle:
            while len(taken) < EVENT_PACKETS_KEPT:
                found = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                if found is None:
                    break
                taken.append(found[0])
        return taken

    def _in_time(self, packets: list[bytes]) -> list[bytes]:
        if len(packets) < 2:
            return packets
        oldest = raw_stamp_ns(packets[-1]) - round(LONGEST_BEHIND_S * NS_PER_S)
        kept = [packet for packet in packets if raw_stamp_ns(packet) >= oldest]
        for _ in range(len(packets) - len(kept)):
            self.given_up_rate.mark()
        self.given_up += len(packets) - len(kept)
        return kept

    def _pass_on(self, chunk: EventChunk | BagError) -> None:
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
        return EventInput(node, settings.event_message, settings.x_reliability)
    asked = Asked(depth, settings.x_reliability)
    if settings.x_transport != "points":
        return image_input(node, X, settings.x_transport, asked)
    made = Input(node, POINTS, node.resolve_topic_name(POINTS.relative), PointCloud2, asked)
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
