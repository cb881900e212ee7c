# SPDX-License-Identifier: Apache-2.0
"""The result recording: topics, types, headers, QoS, and a full disk."""

import errno
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.rosbag2.storage_mcap import McapWriter

from segrgbx_core.errors import OutputError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.scenes import PinholeCamera
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import camera_info
from segrgbx_ros.bags.writer import ResultWriter
from segrgbx_ros.messages.types import (
    CAMERA_INFO,
    STATUS,
    deserialized,
    header,
    message,
    typestore,
)
from segrgbx_ros.pipeline import FramePictures

LABELS = load_label_set("street")
STAMP = 1_700_000_000_123_456_789
HEAD = header(STAMP, "rgb_optical_frame")
OUTPUTS = FramePictures(
    np.array([[0, 1, 255], [2, 3, 4]], np.uint8),
    np.array([[0, 128, 255], [1, 2, 3]], np.uint8),
    np.arange(18, dtype=np.uint8).reshape(2, 3, 3),
)


def write_result(folder: Path, frames: int = 2) -> None:
    camera = PinholeCamera(
        width=3, height=2, fx=1.0, fy=1.0, cx=1.0, cy=0.5, frame_id="rgb_optical_frame"
    )
    with ResultWriter(folder, LABELS, with_camera_info=True) as bag:
        for number in range(frames):
            info = camera_info(camera, HEAD)
            bag.write_outputs(STAMP + number, HEAD, OUTPUTS, info)
            status = message(
                STATUS,
                header=HEAD,
                modality="thermal",
                x_used=True,
                x_held=False,
                x_reason="",
                skew_ms=-1.5,
                age_ms=float("nan"),
                decode_ms=1.0,
                encode_ms=2.0,
                model_ms=3.0,
                output_ms=4.0,
                frames_segmented=number + 1,
                frames_dropped=2,
                drop_reasons=["rgb_without_x"],
                drop_counts=np.array([2], np.uint64),
                mean_confidence=0.5,
                class_fractions=np.array([0.5, 0.25], np.float32),
                unlabelled_fraction=0.25,
                model="tiny",
            )
            bag.write_status(STAMP + number, status)


def test_messages_as_consumers_want_them(tmp_path: Path) -> None:
    write_result(tmp_path / "result")
    with BagReader(tmp_path / "result") as bag:
        counts = {t.name: t.count for t in bag.topics}
        messages = [(m.topic, deserialized(m.data, m.msgtype)) for m in bag.messages(list(counts))]
    assert counts == {
        "/segrgbx/camera_info": 2,
        "/segrgbx/confidence": 2,
        "/segrgbx/label_info": 1,
        "/segrgbx/mask": 2,
        "/segrgbx/overlay": 2,
        "/segrgbx/status": 2,
    }
    assert messages[0][0] == "/segrgbx/label_info"
    assert all(msg.header == HEAD for _, msg in messages)
    by_topic = dict(reversed(messages))
    mask = by_topic["/segrgbx/mask"]
    assert (mask.encoding, mask.step, mask.width, mask.height) == ("mono8", 3, 3, 2)
    assert mask.data.tolist() == [0, 1, 255, 2, 3, 4]
    overlay = by_topic["/segrgbx/overlay"]
    assert (overlay.encoding, overlay.step) == ("rgb8", 9)
    classes = by_topic["/segrgbx/label_info"].class_map
    assert tuple(c.class_name for c in classes) == LABELS.names
    assert [c.class_id for c in classes] == list(range(len(LABELS)))


def test_qos_in_the_metadata(tmp_path: Path) -> None:
    write_result(tmp_path / "result")
    content = yaml.safe_load((tmp_path / "result" / "metadata.yaml").read_text())
    profiles = {}
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        about = topic["topic_metadata"]
        (qos,) = yaml.safe_load(about["offered_qos_profiles"])
        profiles[about["name"]] = (qos["reliability"], qos["durability"], qos["depth"])
    reliable, transient_local, volatile = 1, 1, 2
    assert profiles["/segrgbx/label_info"] == (reliable, transient_local, 1)
    assert profiles["/segrgbx/mask"] == (reliable, volatile, 10)


def test_status_has_the_fields_of_the_message_file(repository: Path) -> None:
    text = (repository / "msg" / "SegmentationStatus.msg").read_text()
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    wanted = [parts[1] for parts in lines if parts]
    assert [name for name, _ in typestore().fielddefs[STATUS][1]] == wanted
    assert CAMERA_INFO in typestore().fielddefs


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "no room")

    monkeypatch.setattr(McapWriter, "write", refuse)
    with pytest.raises(OutputError, match="result is full"):
        write_result(tmp_path / "result")


def test_disk_full_while_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(McapWriter, "close_chunk", refuse)
    with pytest.raises(OutputError, match="result is full"):
        write_result(tmp_path / "result")
