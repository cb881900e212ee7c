# SPDX-License-Identifier: Apache-2.0
"""Plays a recording once to the live node, on its own clock, until the node has done it all.

Headers and topics are the recording's own; /clock goes by its log times and waits for a message
that is late, so that the node's timeouts are those of the recording at any pace.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from rosidl_runtime_py.utilities import get_message

from segrgbx_core.errors import InputError
from segrgbx_core.stopping import StoppedError
from segrgbx_core.wording import counted, printable, reason_in_words
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.messages.types import NS_PER_S
from segrgbx_ros.node.playback.plan import PlaybackPlan, PlayedTopic
from segrgbx_ros.node.playback.watching import (
    DEPTH,
    NodeReport,
    OutputRecorder,
    reliable,
    report_of,
)

TICK_S = 0.01
SAME_REPORTS, STUCK_REPORTS = 3, 120
WAITED_FOR = ("mask", "confidence", "status")


class LiveSession:
    """One playback, and what the node makes of it.

    watched: the node's full name. rate: times the recorded pace, above 0.
    """

    def __init__(
        self, node: Node, watched: str, bag: Path, plan: PlaybackPlan, rate: float
    ) -> None:
        self._node, self._watched, self._bag, self._rate = node, watched, bag, rate
        self._plan = plan
        self._publishers = {t.recorded: _publisher(node, t) for t in plan.topics}
        self._played = {t.recorded: t.played for t in plan.topics}
        self._clock = node.create_publisher(Clock, "/clock", 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 10)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self.report: NodeReport | None = None
        self._reports = self._same = self._rgb = 0
        self.now_ns = self._shown_ns = 0
        self._ticked = 0.0

    def run(self, folder: Path) -> str:
        """Plays all, and records the node's outputs in the folder; returns what came of it.

        Raises InputError where the node cannot run, or ends, or publishes no mask, and
        StoppedError where the context ends.
        """
        with (
            BagReader(self._bag) as bag,
            OutputRecorder(self._node, self._watched, folder, lambda: self.now_ns) as recorder,
        ):
            messages = bag.messages(list(self._publishers))
            first = next(messages, None)
            if first is None:
                raise InputError(f"{self._bag} has no message that can be read.")
            self.now_ns = first.log_time_ns
            self._say(f"Waits for {self._watched}, to play {self._bag} to it.")
            self._spin_until(self._ready)
            before = self.report
            self._say(f"Plays {self._bag} at {self._rate:g} times its pace.")
            self._publish(first)
            for message in messages:
                self._pass_until(message.log_time_ns, self._rate)
                self._publish(message)
            self._say("All is played; waits for the last masks.")
            self._finish(recorder, before)
        return self._outcome(recorder)

    def _ready(self) -> bool:
        """Whether the node listens to what is played, and sees who listens to it."""
        report = self.report
        if report is None:
            return False
        if report.failure is not None:
            raise InputError(f"{self._watched}: {report.failure}")
        inputs = ["rgb"] if self._plan.x is None else ["rgb", "x"]
        return (
            report.state == "active"
            and all(report.publishers[name] for name in inputs)
            and all(report.subscribers.get(name) for name in WAITED_FOR)
            and all(self._heard(topic) for topic in self._plan.topics)
        )

    def _heard(self, topic: PlayedTopic) -> bool:
        needed = topic.played in (self._plan.rgb, self._plan.x)
        return not needed or self._publishers[topic.recorded].get_subscription_count() > 0

    def _finish(self, recorder: OutputRecorder, before: NodeReport | None) -> None:
        """Lets time go on until every image has its mask or its reason, and all are recorded."""
        began, masks = self._reports, 0 if before is None else before.segmented
        received = 0 if before is None else before.received

        def done() -> bool:
            report = self.report
            if report is None or self._reports <= began:
                return False
            self._need_node(report)
            arrived = report.received - received >= self._rgb or self._same >= SAME_REPORTS
            kept = min(recorder.counts[name] for name in WAITED_FOR)
            recorded = kept >= report.segmented - masks or self._same >= SAME_REPORTS
            return (arrived and recorded and report.settled) or self._same >= STUCK_REPORTS

        self._spin_until(done, max(self._rate, 1.0))

    def _need_node(self, report: NodeReport) -> None:
        if report.state != "active":
            raise InputError(f"{self._watched} is {report.state}, no longer active.")

    def _outcome(self, recorder: OutputRecorder) -> str:
        report, masks = self.report, recorder.counts["mask"]
        drops = {} if report is None else report.dropped
        why = ", ".join(f"{reason_in_words(r)} {n}" for r, n in sorted(drops.items()))
        if not masks:
            raise InputError(
                f"{self._watched} published no mask of {counted(self._rgb, 'RGB image')} of "
                f"{self._bag} (dropped: {why or 'none'}); give it the pairing that `segrgbx "
                "inspect` names, or a slower rate:=."
            )
        left = f"; dropped: {why}" if why else ""
        return f"{counted(masks, 'mask')} of {counted(self._rgb, 'RGB image')} recorded{left}."

    def _publish(self, message: BagMessage) -> None:
        self._publishers[message.topic].publish(bytes(message.data))
        self._rgb += self._played[message.topic] == self._plan.rgb

    def _pass_until(self, due_ns: int, rate: float) -> None:
        """Lets time pass until then; it stands still there, however late this is."""
        began_ns, began = self.now_ns, time.monotonic()
        while self.now_ns < due_ns:
            passed_ns = round((time.monotonic() - began) * rate * NS_PER_S)
            self.now_ns = min(due_ns, began_ns + passed_ns)
            self._spin((due_ns - self.now_ns) / NS_PER_S / rate)

    def _spin_until(self, done: Callable[[], bool], rate: float = 0.0) -> None:
        """Hears the node until it is done; time goes on at this rate."""
        began_ns, began = self.now_ns, time.monotonic()
        while not done():
            passed = (time.monotonic() - began) * rate
            self.now_ns = began_ns + round(passed * NS_PER_S)
            self._spin(TICK_S)

    def _spin(self, seconds: float) -> None:
        if not self._node.context.ok():
            raise StoppedError("stopped before the bag had been played.")
        if time.monotonic() - self._ticked >= TICK_S or not seconds:
            self._ticked = time.monotonic()
            self._tell_time()
        self._executor.spin_once(timeout_sec=min(TICK_S, max(0.0, seconds)))

    def _tell_time(self) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(self.now_ns, NS_PER_S)
        self._clock.publish(message)

    def _hear(self, array: Any) -> None:
        report = report_of(self._watched, array)
        if report is None:
            return
        self._same = self._same + 1 if report == self.report else 0
        self.report = report
        self._reports += 1

    def _say(self, words: str) -> None:
        self._node.get_logger().info(printable(words))


def _publisher(node: Node, topic: PlayedTopic) -> Any:
    try:
        kind = get_message(topic.msgtype)
    except (AttributeError, ModuleNotFoundError, ValueError) as err:
        package = topic.msgtype.split("/")[0]
        raise InputError(
            f"Topic {topic.recorded} has type {topic.msgtype}, but package {package} is not "
            f"installed here: apt install ros-$ROS_DISTRO-{package.replace('_', '-')}."
        ) from err
    return node.create_publisher(kind, topic.played, reliable(DEPTH, topic.latched))
