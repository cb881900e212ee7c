# SPDX-License-Identifier: Apache-2.0
"""Entry point of the node's process."""

import signal
import sys
from collections.abc import Sequence

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.wording import printable
from segrgbx_ros.node.cameras import camera_names
from segrgbx_ros.node.model import ModelPool
from segrgbx_ros.node.node import SegmentationNode
from segrgbx_ros.node.survival import Stopped, loading, spin

USERS_MISTAKE = 2


def main(args: Sequence[str] | None = None) -> int:
    """Spins until the context ends. Returns 0, also after repeated Ctrl-C; 2 for a user error.

    rclpy's own handlers end the context. Python's are replaced by one that breaks off the loading
    of a model, and nothing else: no KeyboardInterrupt interrupts a callback or the shutdown.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, loading.on_signal)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.ALL)
    nodes: list[SegmentationNode] = []
    executor = SingleThreadedExecutor()
    try:
        _start(nodes)
        for node in nodes:
            executor.add_node(node)
        spin(executor)
    except SegRgbxError as err:
        print(f"segrgbx: {printable(str(err))}", file=sys.stderr)
        return USERS_MISTAKE
    except Stopped:
        pass
    except Exception:
        # A context that ends while the nodes are made raises one of several errors.
        if rclpy.ok():
            raise
    finally:
        for node in nodes:
            executor.remove_node(node)
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _start(nodes: list[SegmentationNode]) -> None:
    """Adds one node, or one for each camera in a namespace below this process's."""
    # Remappings and parameters of the command line reach every node, so one has to ask for them.
    asking = Node("segrgbx", start_parameter_services=False)
    space = asking.get_namespace().rstrip("/")
    value = asking.declare_parameter("cameras", "").value
    asking.destroy_node()
    names = camera_names(str(value or ""))
    if not names:
        nodes.append(SegmentationNode())
    pool = ModelPool()
    for name in names:
        # A node's own arguments come before the command line's.
        own = ["--ros-args", "-r", f"__ns:={space}/{name}"]
        nodes.append(SegmentationNode(pool=pool, cli_args=own))
