# SPDX-License-Identifier: Apache-2.0
"""Synthetic drives as recordings: topics, types, stamps, and the same bytes every time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from segrgbx_core.errors import BagError, OutputError
from segrgbx_core.readings import Events, LightFieldViews
from segrgbx_core.scenes import Drive, DriveSettings, RgbCapture, XCapture
from segrgbx_core.tiles import tiled
from segrgbx_ros.bags.making.truth import TRUTH_CONDITION
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.events.packets import EventDecoder
from segrgbx_ros.messages.images import (
    labels_from_message,
    reading_from_message,
    rgb_from_message,
    stamp_ns,
)
from segrgbx_ros.messages.types import deserialized

SETTINGS = DriveSettings(seconds=0.4, rate_hz=10.0, width=64, height=48)


@pytest.mark.parametrize(
    ("storage", "modality"), [("mcap", "thermal"), ("sqlite3", "thermal"), ("mcap", "event")]
)
def test_same_drive_same_bytes(tmp_path: Path, storage: str, modality: str) -> None:
    for place in ("a", "b"):
        drive = Drive(replace(SETTINGS, modality=modality))
        write_drive_bag(drive, tmp_path / place / "bag", storage)
    name = "bag.mcap" if storage == "mcap" else "bag.db3"
    first, second = (tmp_path / place / "bag" / name for place in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_captures_come_back_as_they_were(tmp_path: Path, storage: str) -> None:
    drive = Drive(SETTINGS)
    seen: list[int] = []
    write_drive_bag(drive, tmp_path / "bag", storage, lambda: seen.append(1))
    captures = list(drive.captures())
    assert len(seen) == len(captures) == len(drive)
    with BagReader(tmp_path / "bag") as bag:
        messages = list(bag.messages([t.name for t in bag.topics]))
        assert bag.loss is None
    by_topic: dict[str, list[Any]] = {}
    for m in messages:
        msg = deserialized(m.data, m.msgtype)
        assert m.topic == TRUTH_CONDITION or m.log_time_ns >= stamp_ns(msg.header)
        by_topic.setdefault(m.topic, []).append(msg)
    rgb = [c for c in captures if isinstance(c, RgbCapture)]
    x = [c for c in captures if isinstance(c, XCapture)]
    for topic, decode, wanted in (
        ("/rgb/image_raw", rgb_from_message, [c.image for c in rgb]),
        ("/ground_truth/mask", labels_from_message, [c.labels for c in rgb]),
        ("/thermal/image_raw", reading_from_message, [c.reading for c in x]),
    ):
        for msg, array in zip(by_topic[topic], wanted, strict=True):
            np.testing.assert_array_equal(decode(msg, topic), np.asarray(array), strict=True)
    stamps = [stamp_ns(m.header) for m in by_topic["/rgb/image_raw"]]
    truth = [stamp_ns(m.header) for m in by_topic["/ground_truth/mask"]]
    assert stamps == truth == [c.stamp_ns for c in rgb]
    assert [m.data for m in by_topic[TRUTH_CONDITION]] == [c.condition for c in rgb]
    assert len(by_topic["/ground_truth/label_info"]) == 1
    assert len(by_topic["/thermal/camera_info"]) == len(x)


@pytest.mark.parametrize(
    ("modality", "encoding", "size"),
    [
        ("thermal", "mono16", (24, 32)),
        ("depth", "16UC1", (48, 64)),
        ("polarization", "mono8", (48, 64)),
        ("light_field", "rgb8", (72, 96)),
    ],
)
def test_images_of_every_sensor_come_back(
    tmp_path: Path, modality: str, encoding: str, size: tuple[int, int]
) -> None:
    drive = Drive(replace(SETTINGS, modality=modality))
    write_drive_bag(drive, tmp_path / "bag")
    topic = f"/{modality}/image_raw"
    with BagReader(tmp_path / "bag") as bag:
        images = [deserialized(m.data, m.msgtype) for m in bag.messages([topic])]
    captures = list(drive.x_captures())
    assert [stamp_ns(m.header) for m in images] == [c.stamp_ns for c in captures]
    for msg, capture in zip(images, captures, strict=True):
        assert (msg.encoding, msg.height, msg.width) == (encoding, *size)
        written = capture.reading
        wanted = tiled(written) if isinstance(written, LightFieldViews) else written
        read = rgb_from_message if modality == "light_field" else reading_from_message
        np.testing.assert_array_equal(read(msg, topic), wanted)


def test_events_come_back_at_the_rgb_clock(tmp_path: Path) -> None:
    drive = Drive(replace(SETTINGS, modality="event"))
    write_drive_bag(drive, tmp_path / "bag")
    decoder = EventDecoder("/event/events")
    windows = [c.reading for c in drive.x_captures()]
    with BagReader(tmp_path / "bag") as bag:
        packets = [deserialized(m.data, m.msgtype) for m in bag.messages(["/event/events"])]
        logged = [m.log_time_ns for m in bag.messages(["/event/events"])]
        infos = list(bag.messages(["/event/camera_info"]))
    assert len(packets) == len(windows) == 80
    assert len(infos) == 4
    for number, (packet, wanted) in enumerate(zip(packets, windows, strict=True)):
        chunk = decoder.decode(packet)
        assert isinstance(wanted, Events)
        assert logged[number] > wanted.t_ns.max(initial=wanted.start_ns)
        assert chunk.seq == number
        assert (chunk.width, chunk.height) == (32, 24)
        np.testing.assert_array_equal(chunk.x, wanted.x)
        np.testing.assert_array_equal(chunk.y, wanted.y)
        np.testing.assert_array_equal(chunk.polarity, wanted.polarity)
        if len(wanted):
            offset = chunk.stamp_ns - int(chunk.t_ns[0])
            np.testing.assert_array_equal(chunk.t_ns + offset, wanted.t_ns)
    assert decoder.counts.lost_packets == 0
    assert sum(len(w) for w in windows if isinstance(w, Events)) == decoder.counts.events > 1000


def test_calibration_is_the_cameras(tmp_path: Path) -> None:
    drive = Drive(SETTINGS)
    write_drive_bag(drive, tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        first = bag.first("/thermal/camera_info")
    assert first is not None
    info = deserialized(first.data, first.msgtype)
    camera = drive.x_camera
    assert (info.width, info.height) == (32, 24)
    k = np.asarray(info.k).reshape(3, 3)
    assert k.tolist() == [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]


def test_label_info_is_transient_local(tmp_path: Path) -> None:
    write_drive_bag(Drive(SETTINGS), tmp_path / "bag")
    text = (tmp_path / "bag" / "metadata.yaml").read_text()
    info = yaml.safe_load(text)["rosbag2_bagfile_information"]
    durability = {}
    for topic in info["topics_with_message_count"]:
        about = topic["topic_metadata"]
        qos = yaml.safe_load(about["offered_qos_profiles"])
        durability[about["name"]] = qos[0]["durability"]
    assert durability["/ground_truth/label_info"] == 1
    assert durability["/rgb/image_raw"] == 2
    assert info["version"] == 8


def test_existing_folder_and_unknown_storage(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists already"):
        write_drive_bag(Drive(SETTINGS), tmp_path)
    with pytest.raises(BagError, match=r"'csv' .*expected mcap or sqlite3"):
        write_drive_bag(Drive(SETTINGS), tmp_path / "bag", "csv")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="part of the path"):
        write_drive_bag(Drive(SETTINGS), tmp_path / "file" / "bag")
