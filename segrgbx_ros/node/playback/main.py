# SPDX-License-Identifier: Apache-2.0
"""Entry point of `segrgbx_live`: plays a recording to a running node and records its masks."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.stopping import StoppedError
from segrgbx_core.wording import printable
from segrgbx_ros.node.playback.plan import playback_of
from segrgbx_ros.node.playback.session import LiveSession

USERS_MISTAKE, STOPPED = 2, 130


def _arguments(args: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="segrgbx_live",
        description="Plays a recording to the live node, as it was recorded, and records its "
        "masks for `segrgbx replay --masks`. The node needs use_sim_time; replay.launch.py starts "
        "all of it.",
    )
    parser.add_argument("--bag", required=True, type=Path, help="the recording to play")
    parser.add_argument("--modality", required=True, choices=MODALITIES, help="the second sensor")
    parser.add_argument("--rgb-topic", help="RGB (default: by type and name)")
    parser.add_argument("--x-topic", help="X (default: by type and name)")
    parser.add_argument("--rate", type=float, default=1.0, help="times the recorded pace")
    parser.add_argument("--node", default="/segrgbx", help="the node's full name")
    parser.add_argument("--record", type=Path, help="folder of the recording to write")
    parser.add_argument(
        "--plan", action="store_true", help="only print what would be played, and the node's needs"
    )
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Plays to the end; 2 for a user error, 130 if it was stopped."""
    given = list(sys.argv if args is None else args)
    asked = _arguments(remove_ros_args(given)[1:])
    try:
        return _ran(asked, given)
    except StoppedError:
        return STOPPED
    except SegRgbxError as err:
        print(f"segrgbx_live: {printable(str(err))}", file=sys.stderr)
        return USERS_MISTAKE


def _ran(asked: argparse.Namespace, given: Sequence[str]) -> int:
    if not 0.0 < asked.rate < float("inf"):
        raise InputError(f"The rate is {asked.rate}; expected above 0, such as 0.2 or 1.")
    plan = playback_of(asked.bag, asked.modality, asked.rgb_topic, asked.x_topic)
    if asked.plan:
        print(plan.to_json())
        return 0
    if asked.record is None:
        raise InputError("--record is missing; name the folder of the recording to write.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    rclpy.init(args=list(given), signal_handler_options=SignalHandlerOptions.ALL)
    node = Node("segrgbx_live")
    try:
        session = LiveSession(node, asked.node, asked.bag, plan, asked.rate)
        node.get_logger().info(printable(session.run(asked.record)))
    except SegRgbxError:
        raise
    except Exception as err:
        if node.context.ok():
            raise
        raise StoppedError("stopped.") from err
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0
