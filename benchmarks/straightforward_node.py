# SPDX-License-Identifier: Apache-2.0
"""The straightforward node, for comparison: synchronizer, inference in the callback.

Same model, same decoding, same outputs; message_filters' ApproximateTimeSynchronizer, subscriber
queues of 10 and a synchronizer queue of 30, and the model runs in the callback of the pair.
"""

import sys

import rclpy
from message_filters import ApproximateTimeSynchronizer, Subscriber
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image

from segrgbx_core import Segmenter
from segrgbx_ros.messages.images import reading_from_message, rgb_from_message
from segrgbx_ros.node.outputs import ros_image


class StraightforwardNode(Node):
    """Publishes `straightforward/mask`."""

    def __init__(self) -> None:
        super().__init__("straightforward")
        model = self.declare_parameter("model", "demo").value
        self._segmenter = Segmenter(model, "cpu")
        self._publisher = self.create_publisher(Image, "~/mask", 10)
        rgb = Subscriber(self, Image, "rgb/image_raw", qos_profile=10)
        x = Subscriber(self, Image, "x/image_raw", qos_profile=10)
        self._sync = ApproximateTimeSynchronizer([rgb, x], 30, 0.03)
        self._sync.registerCallback(self._segment)

    def _segment(self, rgb: Image, x: Image) -> None:
        result = self._segmenter(
            rgb_from_message(rgb, "rgb"), reading_from_message(x, "x"), "thermal"
        )
        self._publisher.publish(ros_image(result.labels, "mono8", rgb.header))


def main() -> None:
    """Spins until Ctrl-C."""
    rclpy.init()
    try:
        rclpy.spin(StraightforwardNode())
    except (KeyboardInterrupt, ExternalShutdownException):
        sys.exit(0)


if __name__ == "__main__":
    main()
