# SPDX-License-Identifier: Apache-2.0
"""What of a recording is played to the live node, and what the node must know of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X
from segrgbx_ros.bags.reader import BagReader, BagTopic
from segrgbx_ros.bags.topics import TopicsTaken, find_topics
from segrgbx_ros.messages.sensors import is_windowed
from segrgbx_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, POINT_CLOUD
from segrgbx_ros.messages.video import VIDEO_TYPES
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.sensor import fitted

TF_TYPE = "tf2_msgs/msg/TFMessage"
TF_TOPICS = {"/tf": False, "/tf_static": True}


@dataclass(frozen=True)
class PlayedTopic:
    """A recorded topic and its name as it is played. latched: for those who come later."""

    recorded: str
    played: str
    msgtype: str
    latched: bool = False


@dataclass(frozen=True)
class PlaybackPlan:
    """rgb, x: the topics as they are played, x None without X. parameters: the node's, by name.
    slop: the largest distance of a pair that fits the recording, in seconds; None for events."""

    rgb: str
    x: str | None
    topics: tuple[PlayedTopic, ...]
    parameters: Mapping[str, str]
    slop: float | None

    def to_json(self) -> str:
        """For the launch file, which reads it without our environment."""
        return json.dumps({k: v for k, v in asdict(self).items() if k != "topics"})


def plan_playback(bag: BagReader, options: ReplayOptions) -> PlaybackPlan:
    """The plan for a replay with these options.

    Raises BagError if RGB or X cannot be determined, and InputError for video, which the live node
    does not read.
    """
    topics = find_topics(bag, options.modality, options.rgb_topic, options.x_topic)
    rgb, rgb_transport = _image(bag, topics.rgb)
    played = [rgb, *_info(topics.camera_info, rgb)]
    parameters = {"rgb_transport": rgb_transport}
    x: PlayedTopic | None = None
    if options.modality != NO_X and topics.x is not None:
        x, transport = _image(bag, topics.x)
        played += [x, *_info(topics.x_camera_info, x)]
        parameters |= _x_parameters(options.modality, x, transport)
    for name, latched in TF_TOPICS.items():
        held = bag.topic(name)
        if held is not None and held.msgtype == TF_TYPE:
            played.append(PlayedTopic(name, name, TF_TYPE, latched))
    return PlaybackPlan(
        rgb.played,
        None if x is None else x.played,
        tuple(played),
        parameters,
        _slop(bag, options, topics),
    )


def _image(bag: BagReader, name: str) -> tuple[PlayedTopic, str]:
    """The topic and its transport, after which the node names a compressed one."""
    topic = bag.topic(name)
    assert topic is not None
    _check(topic)
    if topic.msgtype != COMPRESSED_IMAGE:
        return PlayedTopic(name, name, topic.msgtype), "raw"
    transport = "compressedDepth" if name.endswith("/compressedDepth") else "compressed"
    suffix = "" if name.endswith(f"/{transport}") else f"/{transport}"
    return PlayedTopic(name, name + suffix, topic.msgtype), transport


def _check(topic: BagTopic) -> None:
    if topic.msgtype in VIDEO_TYPES:
        raise InputError(
            f"Topic {topic.name} is video ({topic.msgtype}), which the live node does not read; "
            "turn it into images by image_transport republish, or replay it with live:=false."
        )


def _info(recorded: str | None, image: PlayedTopic) -> list[PlayedTopic]:
    """The calibration, beside the topic as it is played."""
    if recorded is None:
        return []
    path = image.played.split("/")
    above = path[:-2] if path[-1] in ("compressed", "compressedDepth") else path[:-1]
    return [PlayedTopic(recorded, "/".join([*above, "camera_info"]), CAMERA_INFO)]


def _x_parameters(modality: str, x: PlayedTopic, transport: str) -> dict[str, str]:
    if is_windowed(modality):
        return {"event.message": x.msgtype}
    return {"x_transport": "points" if x.msgtype == POINT_CLOUD else transport}


def _slop(bag: BagReader, options: ReplayOptions, topics: TopicsTaken) -> float | None:
    if topics.x is None or is_windowed(options.modality):
        return None
    return fitted(options, bag, topics).slop_s


def playback_of(path: Path, modality: str, rgb: str | None, x: str | None) -> PlaybackPlan:
    """The plan for the recording at that place; see `plan_playback`."""
    with BagReader(path) as bag:
        options = ReplayOptions(path, modality, path, rgb_topic=rgb, x_topic=x)
        return plan_playback(bag, options)
