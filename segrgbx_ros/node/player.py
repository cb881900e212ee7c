# SPDX-License-Identifier: Apache-2.0
"""Plays a recording or synthetic scenes as live cameras: stamped now, in an endless loop.

Unlike `ros2 bag play --loop`, time does not jump back at a new lap, and RGB and X have the names
that the launch files expect.
"""

import argparse
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from rosidl_runtime_py.utilities import get_message

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.files.resources import cache_folder, version
from segrgbx_core.scenes import SCENES_VERSION, Drive, DriveSettings
from segrgbx_core.wording import printable
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.bags.topics import find_topics
from segrgbx_ros.messages.sensors import x_topic_of
from segrgbx_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, NS_PER_S

STAMP_AT = 4
LAP_GAP_NS = 100_000_000
NAP_S = 0.5


@dataclass(frozen=True)
class Track:
    """A recorded topic and the name it is played under."""

    recorded: str
    played: str
    msgtype: str


def tracks_of(bag: BagReader, modality: str) -> list[Track]:
    """RGB, X and their calibrations. Raises BagError if RGB or X cannot be determined."""
    topics = find_topics(bag, modality)
    wanted = [(topics.rgb, "rgb/image_raw")]
    if topics.x is not None:
        wanted.append((topics.x, x_topic_of(modality)))
    tracks = []
    for recorded, played in wanted:
        topic = bag.topic(recorded)
        assert topic is not None
        suffix = "/compressed" if topic.msgtype == COMPRESSED_IMAGE else ""
        tracks.append(Track(recorded, played + suffix, topic.msgtype))
        folder = recorded.removesuffix("/compressed").rpartition("/")[0]
        info = bag.topic(f"{folder}/camera_info")
        if info is not None and info.msgtype == CAMERA_INFO:
            named = f"{played.rpartition('/')[0]}/camera_info"
            tracks.append(Track(info.name, named, CAMERA_INFO))
    return tracks


def restamped(data: bytes, shift_ns: int) -> bytes:
    """A serialised message that begins with a header, with its stamp shifted by shift_ns."""
    order = "<" if data[1] & 1 else ">"
    sec, nanosec = struct.unpack_from(f"{order}iI", data, STAMP_AT)
    moved = divmod(sec * NS_PER_S + nanosec + shift_ns, NS_PER_S)
    changed = bytearray(data)
    struct.pack_into(f"{order}iI", changed, STAMP_AT, *moved)
    return bytes(changed)


class BagPlayer:
    """Publishes a recording's tracks at their recorded pace, divided by `speed`."""

    def __init__(self, node: Node, bag: Path, modality: str, speed: float) -> None:
        self._node, self._bag, self._speed = node, bag, speed
        with BagReader(bag) as reader:
            tracks = tracks_of(reader, modality)
        self._publishers = {t.recorded: _publisher(node, t) for t in tracks}
        listed = ", ".join(self._publishers[t.recorded].topic_name for t in tracks)
        node.get_logger().info(printable(f"Playing {bag} as {listed}."))

    def lap(self) -> None:
        """Plays the whole recording once."""
        clock, began = self._node.get_clock(), None
        with BagReader(self._bag) as reader:
            for message in reader.messages(list(self._publishers)):
                now = clock.now().nanoseconds
                began = began or (now, message.log_time_ns)
                due = began[0] + round((message.log_time_ns - began[1]) / self._speed)
                if not self._wait((due - now) / NS_PER_S):
                    return
                data = restamped(bytes(message.data), due - message.log_time_ns)
                self._publishers[message.topic].publish(data)
        self._wait(LAP_GAP_NS / NS_PER_S)

    def _wait(self, seconds: float) -> bool:
        """Sleeps; returns whether the context is still valid."""
        until = time.monotonic() + max(0.0, seconds)
        while self._node.context.ok() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))
        return bool(self._node.context.ok())


def _publisher(node: Node, track: Track) -> Any:
    try:
        kind = get_message(track.msgtype)
    except (AttributeError, ModuleNotFoundError, ValueError) as err:
        package = track.msgtype.split("/")[0]
        raise InputError(
            f"Topic {track.recorded} has type {track.msgtype}, but package {package} is not "
            f"installed here: apt install ros-$ROS_DISTRO-{package.replace('_', '-')}."
        ) from err
    return node.create_publisher(kind, track.played, 10)


def _arguments(args: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="segrgbx_play", description="Plays a recording, or made-up scenes, as live cameras."
    )
    parser.add_argument("--modality", default="thermal", help="the second sensor")
    parser.add_argument("--bag", default="", help="a recording; made-up scenes without")
    parser.add_argument("--speed", type=float, default=1.0, help="times the recorded pace")
    parser.add_argument("--once", action="store_true", help="one lap only")
    parser.add_argument("--seconds", type=float, default=2.0, help="of made-up scenes")
    parser.add_argument("--rate", type=float, default=10.0, help="RGB images a second, made up")
    parser.add_argument("--size", default="480x360", help="of made-up RGB images")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Plays until Ctrl-C and returns 0; 2 for a user error."""
    given = list(sys.argv if args is None else args)
    asked = _arguments(remove_ros_args(given)[1:])
    if not asked.speed > 0:
        print(f"segrgbx_play: The speed is {asked.speed}; expected above 0.", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    rclpy.init(args=given)
    node = Node("segrgbx_play")
    try:
        with tempfile.TemporaryDirectory(prefix="segrgbx_play_") as folder:
            bag = Path(asked.bag) if asked.bag else _made_up(asked, Path(folder) / "drive", node)
            _play(BagPlayer(node, bag, asked.modality, asked.speed), node, asked.once)
    except SegRgbxError as err:
        print(f"segrgbx_play: {printable(str(err))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    except Exception:
        if node.context.ok():
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _play(player: BagPlayer, node: Node, once: bool) -> None:
    while node.context.ok():
        player.lap()
        if once:
            return


def _made_up(asked: argparse.Namespace, place: Path, node: Node) -> Path:
    width, _, height = asked.size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"The size is '{asked.size}'; expected WIDTHxHEIGHT, such as 480x360.")
    settings = DriveSettings(
        modality=asked.modality,
        seconds=asked.seconds,
        rate_hz=asked.rate,
        width=int(width),
        height=int(height),
    )
    kept = _kept_scenes(settings)
    if (kept / "metadata.yaml").is_file():
        return kept
    drive = Drive(settings)
    node.get_logger().info(
        f"Making {asked.seconds:g} s of scenes ({len(drive)} images), once; a moment."
    )
    write_drive_bag(drive, place, on_capture=_progress(len(drive), node))
    try:
        keep(place, kept)
    except OSError as err:
        node.get_logger().info(printable(f"The scenes are not kept for the next time: {err}."))
    return place


def keep(folder: Path, place: Path) -> None:
    """Copies the folder there, whole or not at all. Raises OSError, also where one is already."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as part:
        shutil.copytree(folder, Path(part) / "copy").replace(place)


def _kept_scenes(settings: DriveSettings) -> Path:
    """Where the bag of these scenes is kept from one start to the next."""
    words = f"{settings} scenes {SCENES_VERSION} {version()}"
    return cache_folder() / "scenes" / sha256(words.encode()).hexdigest()[:16]


def _progress(total: int, node: Node) -> Callable[[], None]:
    count = 0

    def one_more() -> None:
        nonlocal count
        count += 1
        if not node.context.ok():
            raise KeyboardInterrupt  # rclpy's handler has already ended the context
        if count * 4 // total > (count - 1) * 4 // total:
            node.get_logger().info(f"{100 * count // total} % of the scenes are made.")

    return one_more
