# SPDX-License-Identifier: Apache-2.0
"""The node's inputs: images, events, clouds and calibrations."""

import time
from dataclasses import replace
from typing import Any

from message_filters import SimpleFilter
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from segrgbx_core.errors import BagError, InputError
from segrgbx_ros.events.messages import raw_stamp_ns
from segrgbx_ros.events.packets import TOGETHER, EventChunk, EventDecoder
from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.messages.types import NS_PER_S
from segrgbx_ros.node.health.health import BurstRate, InputHealth
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.subscription import Asked, Input, InputSource, sensor_qos

RGB = InputSource("rgb", "rgb/image_raw", "rgb_topic", "rgb_transport")
X = InputSource("x", "x/image_raw", "x_topic", "x_transport")
EVENTS = InputSource("x", "x/events", "x_topic", "event.message")
POINTS = InputSource("x", "x/points", "x_topic", "x_transport")
EVENT_PACKETS_KEPT = 1000
DECODE_EVERY_S = 0.01
LONGEST_BEHIND_S = 0.25


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
        self.given_up_rate = BurstRate()
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
        self.given_up_rate.add(len(packets) - len(kept))
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
