# SPDX-License-Identifier: Apache-2.0
"""Entry point of the node's process."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from segrgbx_core.errors import SegRgbxError
from segrgbx_ros.node.node import SegmentationNode

USERS_MISTAKE = 2


def main(args: Sequence[str] | None = None) -> int:
    """Spins until the context ends. Returns 0, also after repeated Ctrl-C; 2 for a user error.

    rclpy's own handlers end the context. Python's are replaced by one that does nothing, so that
    no KeyboardInterrupt interrupts a callback or the shutdown.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _nothing)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.ALL)
    try:
        node = SegmentationNode()
    except SegRgbxError as err:
        print(f"segrgbx: {err}", file=sys.stderr)
        rclpy.try_shutdown()
        return USERS_MISTAKE
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except Exception:
        # A context that ends while the executor prepares to wait raises one of several errors.
        if rclpy.ok():
            raise
    finally:
        executor.remove_node(node)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Does nothing; rclpy's own handler runs too and ends the context."""
