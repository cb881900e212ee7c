# SPDX-License-Identifier: Apache-2.0
"""An event camera for bench_node: the real recording's packets at a rate, again and again.

Prints as JSON how many packets and events it sent, and the largest delay of the node's inputs that
/diagnostics told meanwhile.
"""

import json
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from event_camera_msgs.msg import EventPacket
from event_streams import HEIGHT, WIDTH, recording
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy

DELAY = "x arrival minus stamp [s]"
BURST_S = 0.004


class Events(Node):
    """Sends what is due every few milliseconds, as a driver does."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__("events")
        stream = recording()
        if stream is None:
            raise SystemExit("The shared recording of events is not here.")
        self._packets = [packet.tobytes() for packet in stream.packets]
        self._each = stream.events / len(self._packets)
        self._rate, self._start = rate_hz, time.monotonic()
        self.sent, self.delays_s = 0, list[float]()
        qos = QoSProfile(depth=1000, reliability=QoSReliabilityPolicy.RELIABLE)
        self._publisher = self.create_publisher(EventPacket, "x/events", qos)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._note, 10)
        self.create_timer(BURST_S, self._send)

    @property
    def events(self) -> int:
        """Events sent so far."""
        return round(self.sent * self._each)

    def _send(self) -> None:
        while self.sent < self._rate * (time.monotonic() - self._start):
            message = EventPacket(height=HEIGHT, width=WIDTH, encoding="evt3", seq=self.sent)
            message.header.stamp = self.get_clock().now().to_msg()
            message.events = self._packets[self.sent % len(self._packets)]
            self._publisher.publish(message)
            self.sent += 1

    def _note(self, array: DiagnosticArray) -> None:
        for status in array.status:
            for pair in status.values:
                if pair.key == DELAY and pair.value != "-":
                    self.delays_s.append(float(pair.value))


def main() -> None:
    """node_events RATE SECONDS"""
    rate, seconds = (float(value) for value in sys.argv[1:])
    rclpy.init(args=[])
    node = Events(rate)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rclpy.spin_once(node, timeout_sec=0.1)
    told = {"sent": node.sent, "events": node.events, "delay_s": max(node.delays_s, default=None)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
