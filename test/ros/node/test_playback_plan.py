# SPDX-License-Identifier: Apache-2.0
"""What of a recording is played to the live node, and under which names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segrgbx_core.errors import SegRgbxError
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import COMPRESSED_IMAGE, FFMPEG_PACKET, IMAGE, header, message
from segrgbx_ros.node.playback.plan import PlaybackPlan, playback_of

START = 1_700_000_000_000_000_000


def drive(folder: Path, modality: str) -> PlaybackPlan:
    settings = DriveSettings(modality=modality, seconds=0.5, rate_hz=10.0, width=64, height=48)
    write_drive_bag(Drive(settings), folder / "drive")
    return playback_of(folder / "drive", modality, None, None)


def recording(path: Path, topics: dict[str, Any]) -> Path:
    with BagWriter(path) as bag:
        for name, msg in topics.items():
            bag.add_topic(name, msg.__msgtype__)
        for k, (name, msg) in enumerate(topics.items()):
            bag.write(name, START + k, msg)
    return path


def image(encoding: str, *size: int) -> Any:
    kind = np.uint16 if encoding == "mono16" else np.uint8
    return image_message(np.zeros(size, kind), encoding, header(START, "frame"))


def compressed(kind: str) -> Any:
    return message(
        COMPRESSED_IMAGE, header=header(START, "frame"), format=kind, data=np.zeros(9, np.uint8)
    )


def test_a_drive_is_played_under_its_own_names(tmp_path: Path) -> None:
    plan = drive(tmp_path, "thermal")
    assert (plan.rgb, plan.x) == ("/rgb/image_raw", "/thermal/image_raw")
    assert all(t.recorded == t.played for t in plan.topics)
    assert {t.played for t in plan.topics} == {
        f"/{camera}/{name}"
        for camera in ("rgb", "thermal")
        for name in ("image_raw", "camera_info")
    }
    assert plan.parameters == {"rgb_transport": "raw", "x_transport": "raw"}
    assert plan.slop == pytest.approx(1.2 * 0.5 / 9, abs=1e-3)
    assert json.loads(plan.to_json())["parameters"] == plan.parameters


def test_events_name_their_message_and_need_no_slop(tmp_path: Path) -> None:
    plan = drive(tmp_path, "event")
    assert plan.x == "/event/events"
    assert plan.parameters["event.message"] == "event_camera_msgs/msg/EventPacket"
    assert plan.slop is None


def test_compressed_topics_get_the_names_that_the_node_asks_for(tmp_path: Path) -> None:
    bag = recording(
        tmp_path / "bag",
        {"/cam/color": compressed("jpeg"), "/heat/image_raw/compressed": compressed("png")},
    )
    plan = playback_of(bag, "thermal", "/cam/color", "/heat/image_raw/compressed")
    assert (plan.rgb, plan.x) == ("/cam/color/compressed", "/heat/image_raw/compressed")
    assert plan.parameters == {"rgb_transport": "compressed", "x_transport": "compressed"}
    assert [(t.recorded, t.msgtype) for t in plan.topics] == [
        ("/cam/color", COMPRESSED_IMAGE), ("/heat/image_raw/compressed", COMPRESSED_IMAGE)
    ]  # fmt: skip


def test_static_transforms_are_played_latched(tmp_path: Path) -> None:
    from segrgbx_ros.node.playback.plan import TF_TYPE

    transforms = message(TF_TYPE, transforms=[])
    topics = {"/tf_static": transforms, "/rgb/image_raw": image("rgb8", 4, 6, 3)}
    bag = recording(tmp_path / "bag", {**topics, "/thermal/image_raw": image("mono16", 4, 6)})
    played = {t.played: t.latched for t in playback_of(bag, "thermal", None, None).topics}
    assert played == {"/tf_static": True, "/rgb/image_raw": False, "/thermal/image_raw": False}
    assert IMAGE in {t.msgtype for t in playback_of(bag, "thermal", None, None).topics}


def test_video_is_refused(tmp_path: Path) -> None:
    packet = message(
        FFMPEG_PACKET, header=header(START, "rgb"), width=8, height=8, encoding="libx264", pts=0,
        flags=1, is_bigendian=False, data=np.zeros(4, np.uint8),
    )  # fmt: skip
    topics = {"/rgb/image_raw/ffmpeg": packet, "/thermal/image_raw": image("mono16", 4, 6)}
    bag = recording(tmp_path / "bag", topics)
    with pytest.raises(SegRgbxError, match=r"is video .* live:=false"):
        playback_of(bag, "thermal", "/rgb/image_raw/ffmpeg", None)
