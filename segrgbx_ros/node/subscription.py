# SPDX-License-Identifier: Apache-2.0
"""A subscription of the node that follows its publishers, and its health."""

from dataclasses import dataclass
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

from segrgbx_ros.node.health.health import LAG_S, BurstRate, InputHealth, Rate, Recent
from segrgbx_ros.node.parameters.parameter_server import given_parameters

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

FOLLOW_EVERY_S = 0.5
STATUS_TYPE = "segrgbx_ros/msg/SegmentationStatus"
ZERO_STAMPS_SHOWN_S = 10.0
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
        self.rate, self.zero_rate = Rate(), Rate()
        self.lost_rate, self.lag_s = BurstRate(), Recent(LAG_S)
        self.count = self.zero_stamps = self.lost = 0
        self._node, self._asked = node, asked
        self.filter = SimpleFilter()
        own = f"qos_overrides.{topic}.subscription.reliability"
        self._overridden = own in given_parameters(node)
        self._wanted = self._reliability() or QoSReliabilityPolicy.BEST_EFFORT
        self._subscriber = self._subscribed()
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
            self._wanted = wanted
            self._subscriber = self._subscribed()

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

    def _subscribed(self) -> Subscriber:
        # Once declared, the parameter of reliability would hold on to its first value.
        kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        kinds += [QoSPolicyKind.RELIABILITY] if self._overridden else []
        subscriber = Subscriber(
            self._node,
            self.message_type,
            self.topic,
            qos_profile=sensor_qos(self._asked.depth, self._wanted),
            qos_overriding_options=QoSOverridingOptions(kinds),
            raw=self._asked.raw,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_lost),
        )
        subscriber.registerCallback(self.filter.signalMessage)
        return subscriber

    def _on_lost(self, info: Any) -> None:
        self.lost_rate.add(info.total_count_change)
        self.lost += info.total_count_change

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
        known = self._node.get_topic_names_and_types()
        # Masks are no camera's images, neither this node's nor another's.
        outputs = tuple(
            name.removesuffix("status") for name, types in known if STATUS_TYPE in types
        )
        return sorted(
            name
            for name, types in known
            if type_name in types
            and name != self.topic
            and not name.startswith(outputs)
            and self._node.count_publishers(name)
        )


def _type_name(message_type: Any) -> str:
    package, kind = message_type.__module__.split(".")[0], message_type.__name__
    return f"{package}/msg/{kind}"


def _full_name(endpoint: Any) -> str:
    space = endpoint.node_namespace.rstrip("/")
    return f"{space}/{endpoint.node_name}"
