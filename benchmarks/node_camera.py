# SPDX-License-Identifier: Apache-2.0
"""A camera pair for bench_node: publishes at a rate, and records when each mask arrives.

For a topic that ends in /status it records the mask's age minus its own processing times.
"""

import json
import sys
import time

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


class Camera(Node):
    """RGB as rgb8 and X as mono8 of half the size, with the same stamp."""

    def __init__(
        self, size: tuple[int, int], rate_hz: float, outputs: list[str], namespace: str = ""
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
        self._publishers = [
            self.create_publisher(Image, topic, reliable)
            for topic in ("x/image_raw", "rgb/image_raw")
        ]
        for topic in outputs:
            if topic.endswith(STATUS):
                self.create_subscription(SegmentationStatus, topic, self._note_wait, reliable)
            else:
                self.create_subscription(
                    Image, topic, lambda msg, topic=topic: self._note(topic, msg), reliable
                )
        self.waits_ms: list[float] = []
        self.create_timer(1.0 / rate_hz, self._send)

    def _send(self) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id="camera")
        pictures = ((self._x, "mono8"), (self._rgb, "rgb8"))
        for publisher, (pixels, encoding) in zip(self._publishers, pictures, strict=True):
            publisher.publish(ros_image(pixels, encoding, header))
        self.sent += 1

    def _note(self, topic: str, msg: Image) -> None:
        age = self.get_clock().now().nanoseconds - stamp_ns(msg.header)
        self.ages_ms[topic].append(age / 1e6)

    def _note_wait(self, msg: SegmentationStatus) -> None:
        self.waits_ms.append(msg.age_ms - msg.decode_ms - msg.encode_ms - msg.model_ms)


def main() -> None:
    """node_camera WIDTHxHEIGHT RATE SECONDS [ns:=NAME] TOPIC...; prints the results as JSON."""
    size, rate, seconds, *topics = sys.argv[1:]
    namespace = "".join(t.removeprefix("ns:=") for t in topics if t.startswith("ns:="))
    outputs = [topic for topic in topics if not topic.startswith("ns:=")]
    width, height = (int(v) for v in size.split("x"))
    rclpy.init(args=[])
    node = Camera((width, height), float(rate), outputs, namespace)
    until = time.monotonic() + float(seconds)
    try:
        while time.monotonic() < until:
            rclpy.spin_once(node, timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    print(json.dumps({"sent": node.sent, "ages_ms": node.ages_ms, "waits_ms": node.waits_ms}))


if __name__ == "__main__":
    main()
