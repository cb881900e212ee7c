# SPDX-License-Identifier: Apache-2.0
"""A camera pair for bench_node: publishes at a rate, and records when each mask arrives.

For a topic that ends in /status it records the mask's age minus its own processing times.
"""

import argparse
import json
import time
from collections import deque

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from segrgbx_ros.messages.images import stamp_ns
from segrgbx_ros.msg import SegmentationStatus
from segrgbx_ros.node.outputs import ros_image

STATUS = "/status"
DRAIN_S = 0.002


class Camera(Node):
    """RGB as rgb8 and X as mono8 of half the size, with the same stamp.

    X is published just before RGB, or late_s after it.
    """

    def __init__(
        self,
        size: tuple[int, int],
        rate_hz: float,
        outputs: list[str],
        namespace: str = "",
        late_s: float = 0.0,
    ) -> None:
        super().__init__("camera", namespace=namespace)
        rng = np.random.default_rng(0)
        width, height = size
        # Smooth pictures: the model's time does not depend on them, compression's would.
        self._rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
        self._x = rng.integers(0, 256, (height // 2, width // 2), np.uint8)
        self.sent = 0
        self.ages_ms: dict[str, list[float]] = {name: [] for name in outputs}
        reliable = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.RELIABLE)
        self._x_out = self.create_publisher(Image, "x/image_raw", reliable)
        self._rgb_out = self.create_publisher(Image, "rgb/image_raw", reliable)
        for topic in outputs:
            if topic.endswith(STATUS):
                self.create_subscription(SegmentationStatus, topic, self._note_wait, reliable)
            else:
                self.create_subscription(
                    Image, topic, lambda msg, topic=topic: self._note(topic, msg), reliable
                )
        self.waits_ms: list[float] = []
        self._late_s = late_s
        self._due: deque[tuple[float, Header]] = deque()
        self.create_timer(1.0 / rate_hz, self._send)
        if late_s:
            self.create_timer(DRAIN_S, self._send_late)

    def _send(self) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="camera")
        if self._late_s:
            self._due.append((time.monotonic() + self._late_s, header))
        else:
            self._x_out.publish(ros_image(self._x, "mono8", header))
        self._rgb_out.publish(ros_image(self._rgb, "rgb8", header))
        self.sent += 1

    def _send_late(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            self._x_out.publish(ros_image(self._x, "mono8", self._due.popleft()[1]))

    def _note(self, topic: str, msg: Image) -> None:
        age = self.get_clock().now().nanoseconds - stamp_ns(msg.header)
        self.ages_ms[topic].append(age / 1e6)

    def _note_wait(self, msg: SegmentationStatus) -> None:
        self.waits_ms.append(msg.age_ms - msg.decode_ms - msg.encode_ms - msg.model_ms)


def main() -> None:
    """Prints the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", metavar="WIDTHxHEIGHT")
    parser.add_argument("rate", type=float, help="pairs a second")
    parser.add_argument("seconds", type=float)
    parser.add_argument("outputs", nargs="*", metavar="TOPIC")
    parser.add_argument("--namespace", default="")
    parser.add_argument("--late", type=float, default=0.0, help="seconds from RGB to its X")
    told = parser.parse_args()
    width, height = (int(v) for v in told.size.split("x"))
    rclpy.init(args=[])
    node = Camera((width, height), told.rate, told.outputs, told.namespace, told.late)
    until = time.monotonic() + told.seconds
    try:
        while time.monotonic() < until:
            rclpy.spin_once(node, timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    print(json.dumps({"sent": node.sent, "ages_ms": node.ages_ms, "waits_ms": node.waits_ms}))


if __name__ == "__main__":
    main()
