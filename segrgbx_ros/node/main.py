# SPDX-License-Identifier: Apache-2.0
"""The node's process: from the command line to an exit code, whatever ends it."""

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
    """Spins until the context ends; 0 then, also after any number of Ctrl-C.

    rclpy's own handlers end the context. Python's are replaced by one that does nothing, so that
    no KeyboardInterrupt cuts through a callback or the way out.
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
        # A context that ends just as the executor prepares to wait comes up as any of several.
        if rclpy.ok():
            raise
    finally:
        executor.remove_node(node)
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """rclpy's handler, which runs as well, does what is needed."""
