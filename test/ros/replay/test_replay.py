# SPDX-License-Identifier: Apache-2.0
"""Whole replays with a real (untrained) model: input, output, and sums."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core import Segmenter
from segrgbx_core.files.images import read_rgb
from segrgbx_core.labels.label_set import LabelClass, LabelSet, load_label_set
from segrgbx_core.report.layers import layer_files, read_layers
from segrgbx_core.scenes import Drive, DriveSettings, PinholeCamera, RgbCapture
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import camera_info, write_drive_bag
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import ImageMessage, image_message, labels_from_message, stamp_ns
from segrgbx_ros.messages.types import (
    COMPRESSED_IMAGE,
    Header,
    deserialized,
    header,
    label_info,
    message,
)
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import Progress, ReplayOptions
from segrgbx_ros.replay.run import replay

MS = 1_000_000
START = 1_700_000_000_000 * MS
LABELS = load_label_set("street")
Entry = tuple[str, float, Any]


def rgb_at(ms: float, seed: int = 0) -> ImageMessage:
    pixels = np.random.default_rng([seed, round(ms)]).integers(0, 256, (48, 64, 3), np.uint8)
    return image_message(pixels, "rgb8", head(ms))


def x_at(ms: float, size: tuple[int, int] = (24, 32)) -> ImageMessage:
    values = np.random.default_rng(abs(round(ms))).integers(28000, 31000, size).astype(np.uint16)
    return image_message(values, "mono16", head(ms))


def truth_at(ms: float, value: int = 0) -> ImageMessage:
    return image_message(np.full((48, 64), value, np.uint8), "mono8", head(ms))


def head(ms: float) -> Header:
    return header(START + round(ms * MS), "rgb_frame")


def write_bag(path: Path, entries: Sequence[Entry], storage: str = "mcap") -> Path:
    """(topic, log time in ms, message), in any order."""
    with BagWriter(path, storage) as bag:
        for topic, msg in {topic: msg for topic, _, msg in entries}.items():
            bag.add_topic(topic, msg.__msgtype__)
        for topic, ms, msg in sorted(entries, key=lambda e: e[1]):
            bag.write(topic, START + round(ms * MS), msg)
    return path


def stream(count: int, x_shift: float = 3.0) -> list[Entry]:
    entries: list[Entry] = []
    for k in range(count):
        entries.append(("/rgb/image_raw", 100 * k, rgb_at(100 * k)))
        entries.append(("/thermal/image_raw", 100 * k + 4, x_at(100 * k + x_shift)))
    return entries


def masks(out: Path) -> dict[int, npt.NDArray[np.uint8]]:
    with BagReader(out / "result") as bag:
        written = [deserialized(m.data, m.msgtype) for m in bag.messages(["/segrgbx/mask"])]
    return {stamp_ns(m.header): labels_from_message(m, "mask") for m in written}


def test_a_drive_from_end_to_end(tmp_path: Path, segmenter: Segmenter) -> None:
    drive = Drive(DriveSettings(seconds=0.8, rate_hz=10.0, width=64, height=48))
    write_drive_bag(drive, tmp_path / "bag")
    out = tmp_path / "out"
    told: list[Progress] = []
    summary = replay(
        ReplayOptions(tmp_path / "bag", "thermal", out, sync=SyncSettings(slop_s=0.05)),
        told.append,
        segmenter,
    )
    frames = summary.frames
    assert frames.rgb_in == 8
    assert frames.x_in == 7
    assert frames.segmented == frames.paired > 3
    assert frames.rgb_in == frames.segmented + frames.dropped.get("rgb_without_x", 0)
    assert frames.x_in == frames.segmented + frames.dropped.get("x_unused", 0)
    assert told[0].rgb_seen == told[0].segmented == 0
    assert (told[-1].rgb_seen, told[-1].rgb_total) == (8, 8)
    assert told[-1].segmented == frames.segmented

    by_stamp = masks(out)
    truth = {c.stamp_ns: c.labels for c in drive.captures() if isinstance(c, RgbCapture)}
    assert set(by_stamp) <= set(truth)
    predicted = np.stack(list(by_stamp.values()))
    expected = np.stack([truth[stamp] for stamp in by_stamp])
    ious = []
    for i in range(len(LABELS)):
        union = ((predicted == i) | (expected == i)) & (expected != 255)
        if union.any():
            ious.append(((predicted == i) & (expected == i)).sum() / union.sum())
    assert summary.miou == pytest.approx(np.mean(ious))
    assert summary.frames_scored == frames.segmented
    assert summary.class_fractions["road"] == pytest.approx((predicted == 0).mean(), abs=1e-6)
    assert sum(summary.class_fractions.values()) == pytest.approx(1.0, abs=1e-4)
    assert summary.notes == []

    names = [f"{k:06d}.png" for k in range(frames.segmented)]
    assert sorted(p.name for p in (out / "overlays").iterdir()) == names
    assert list(layer_files(out)) == list(range(frames.segmented))
    assert read_rgb(out / "overlays" / names[0]).shape == (48, 64, 3)


def test_summary_file(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / "bag", stream(4))
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert content["frames"] == {
        "rgb_in": 4,
        "x_in": 4,
        "paired": 4,
        "segmented": 4,
        "dropped": {},
    }
    assert content["miou"] is content["per_class_iou"] is None
    assert set(content["stage_ms"]) == {"decode", "encode", "model", "output"}
    for times in content["stage_ms"].values():
        assert 0 < times["p50"] <= times["p95"]
    assert content["skew_ms"] == {"p50": 3.0, "p95": 3.0, "max": 3.0}
    assert content["model"] == "tiny"
    assert content["modality"] == "thermal"
    assert set(content["versions"]) == {"segrgbx", "torch", "numpy", "rosbags", "python"}
    assert content["topics"]["rgb"] == "/rgb/image_raw"
    assert content["recording"] == {
        "path": str(bag),
        "duration_s": 0.304,
        "complete": True,
        "lost": None,
    }
    assert 0.1 <= content["mean_confidence"] <= 1.0
    assert summary.complete


def test_result_headers_and_status(tmp_path: Path, segmenter: Segmenter) -> None:
    camera = PinholeCamera(
        width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5, frame_id="rgb_frame"
    )
    entries = stream(3)
    entries.append(("/rgb/camera_info", 250, camera_info(camera, head(250))))
    bag = write_bag(tmp_path / "bag", entries)
    replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    with BagReader(tmp_path / "out" / "result") as result:
        by_topic: dict[str, list[Any]] = {}
        for m in result.messages([t.name for t in result.topics]):
            msg = deserialized(m.data, m.msgtype)
            by_topic.setdefault(m.topic, []).append(msg)
    wanted = [head(0), head(100), head(200)]
    for name in ("mask", "confidence", "overlay", "status", "camera_info"):
        assert [m.header for m in by_topic[f"/segrgbx/{name}"]] == wanted, name
    assert all(m.k[0] == 50.0 for m in by_topic["/segrgbx/camera_info"])
    status = by_topic["/segrgbx/status"]
    assert [m.frames_segmented for m in status] == [1, 2, 3]
    last = status[-1]
    assert last.x_used is True
    assert last.skew_ms == pytest.approx(3.0)
    assert (last.modality, last.model) == ("thermal", "tiny")
    assert last.frames_dropped == sum(last.drop_counts)
    assert sum(last.class_fractions) + last.unlabelled_fraction == pytest.approx(1.0, abs=1e-5)
    assert min(last.decode_ms, last.encode_ms, last.model_ms, last.output_ms) > 0


def test_masks_are_the_segmenters(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / "bag", stream(1))
    replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    rgb = np.random.default_rng([0, 0]).integers(0, 256, (48, 64, 3), np.uint8)
    x = np.random.default_rng(3).integers(28000, 31000, (24, 32)).astype(np.uint16)
    expected = segmenter(rgb, x, "thermal")
    (mask,) = masks(tmp_path / "out").values()
    assert (mask == expected.labels).all()
    overlay = read_rgb(tmp_path / "out" / "overlays" / "000000.png")
    assert (overlay == expected.overlay(rgb)).all()


def test_compressed_topics_in_sqlite(tmp_path: Path, segmenter: Segmenter) -> None:
    """PNG loses nothing, so the masks equal those of the raw recording."""
    raw, packed = stream(2), []
    for topic, ms, msg in raw:
        data = np.asarray(msg.data).view(np.uint8 if "rgb" in topic else np.uint16)
        if "rgb" in topic:
            pixels = cv2.cvtColor(data.reshape(48, 64, 3), cv2.COLOR_RGB2BGR)
        else:
            pixels = data.reshape(24, 32)
        png = np.frombuffer(cv2.imencode(".png", pixels)[1].tobytes(), np.uint8)
        small = message(COMPRESSED_IMAGE, header=msg.header, format="png", data=png)
        packed.append((f"{topic}/compressed", ms, small))
    for name, entries, storage in (("raw", raw, "mcap"), ("packed", packed, "sqlite3")):
        bag = write_bag(tmp_path / name, entries, storage)
        replay(ReplayOptions(bag, "thermal", tmp_path / f"out_{name}"), segmenter=segmenter)
    first, second = masks(tmp_path / "out_raw"), masks(tmp_path / "out_packed")
    assert first.keys() == second.keys()
    assert all((first[stamp] == second[stamp]).all() for stamp in first)


def test_rgb_alone(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / "bag", stream(2))
    summary = replay(ReplayOptions(bag, "none", tmp_path / "out"), segmenter=segmenter)
    assert (summary.frames.x_in, summary.frames.segmented) == (0, 2)
    assert summary.topics.x is None
    assert summary.skew_ms is None
    layers = dict(read_layers(layer_files(tmp_path / "out")))
    assert [layers[index].x for index in (0, 1)] == [None, None]


def test_time_offset_joins_clocks_that_are_apart(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / "bag", stream(3, x_shift=-500_000.0))
    options = ReplayOptions(
        bag, "thermal", tmp_path / "out", sync=SyncSettings(x_time_offset_s=500.002)
    )
    summary = replay(options, segmenter=segmenter)
    assert summary.frames.segmented == 3
    assert summary.skew_ms is not None
    assert summary.skew_ms.max == 2.0


def test_max_frames(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / "bag", stream(30))
    options = ReplayOptions(bag, "thermal", tmp_path / "out", max_frames=3)
    summary = replay(options, segmenter=segmenter)
    assert summary.frames.segmented == len(masks(tmp_path / "out")) == 3
    assert summary.complete


def test_truth_logged_later_still_counts(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = stream(12)
    entries += [("/gt/mask", 100 * k + 450, truth_at(100 * k)) for k in range(8)]
    bag = write_bag(tmp_path / "bag", entries)
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert summary.frames.segmented == 12
    assert summary.frames_scored == 8
    assert list(masks(tmp_path / "out")) == sorted(masks(tmp_path / "out"))
    assert "not name its ground-truth classes" in summary.notes[0]


def test_truth_of_another_stamp_does_not_count(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = stream(3)
    entries += [("/gt/mask", 100 * k + 5, truth_at(100 * k + 1)) for k in range(3)]
    bag = write_bag(tmp_path / "bag", entries)
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert summary.frames_scored == 0
    assert summary.miou is None
    assert any("none of 3 images on /gt/mask has the stamp" in note for note in summary.notes)


def test_masks_of_another_network_are_no_truth(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = [*stream(2), ("/yolo/segmentation", 1, truth_at(0))]
    bag = write_bag(tmp_path / "bag", entries)
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert (summary.frames.segmented, summary.miou) == (2, None)
    assert any("give it as --gt-topic" in note for note in summary.notes)
    told = ReplayOptions(bag, "thermal", tmp_path / "told", gt_topic="/yolo/segmentation")
    assert replay(told, segmenter=segmenter).frames_scored == 1


def test_log_times_in_place_of_stamps(tmp_path: Path, segmenter: Segmenter) -> None:
    """Headers without stamps, and the log times that `stream` writes: X 4 ms after its RGB."""
    entries = stream(3)
    entries += [("/gt/mask", 100 * k, truth_at(0)) for k in range(3)]
    for _, _, msg in entries:
        msg.header.stamp.sec = msg.header.stamp.nanosec = 0
    bag = write_bag(tmp_path / "bag", entries)
    options = ReplayOptions(bag, "thermal", tmp_path / "out", stamps="log")
    summary = replay(options, segmenter=segmenter)
    assert (summary.frames.segmented, summary.frames.dropped) == (3, {})
    assert summary.frames_scored == 3
    assert summary.skew_ms is not None
    assert summary.skew_ms.max == pytest.approx(4.0)
    assert any("--stamps log" in note for note in summary.notes)


def test_truth_of_other_classes_is_matched_by_name(tmp_path: Path, segmenter: Segmenter) -> None:
    """The recording's class 1 is the model's class 0, its class 0 is unknown to the model."""
    other = LabelSet(
        "other", (LabelClass("volcano", (1, 2, 3)), LabelClass(LABELS.names[0], (4, 5, 6)))
    )
    results = {}
    for name, value, label_set in (("same", 0, LABELS), ("other", 1, other)):
        entries = [*stream(1), ("/gt/mask", 1, truth_at(0, value))]
        entries.append(("/gt/label_info", 0, label_info(label_set, head(0))))
        bag = write_bag(tmp_path / name, entries)
        options = ReplayOptions(bag, "thermal", tmp_path / f"out_{name}")
        results[name] = replay(options, segmenter=segmenter)
    assert results["same"].per_class_iou == results["other"].per_class_iou
    assert results["same"].notes == []
    assert "left out of the scores: volcano" in results["other"].notes[0]


def test_x_of_another_size_and_equal_aspect(tmp_path: Path, segmenter: Segmenter) -> None:
    entries: list[Entry] = [
        ("/rgb/image_raw", 0, rgb_at(0)),
        ("/thermal/image_raw", 1, x_at(0, (96, 128))),
    ]
    bag = write_bag(tmp_path / "bag", entries)
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert summary.frames.segmented == 1


def test_the_model_is_loaded_by_folder(tmp_path: Path, model_folder: Path) -> None:
    bag = write_bag(tmp_path / "bag", stream(1))
    options = ReplayOptions(bag, "thermal", tmp_path / "out", model=model_folder, device="cpu")
    summary = replay(options)
    assert (summary.model, summary.device) == ("tiny", "cpu")


def test_force_leaves_no_picture_of_the_earlier_run(tmp_path: Path, segmenter: Segmenter) -> None:
    out = tmp_path / "out"
    replay(
        ReplayOptions(write_bag(tmp_path / "long", stream(5)), "thermal", out), segmenter=segmenter
    )
    (out / "notes.txt").write_text("mine")
    (out / "overlays" / "mine.png").write_text("mine")
    again = ReplayOptions(write_bag(tmp_path / "short", stream(2)), "thermal", out, force=True)
    replay(again, segmenter=segmenter)
    names = sorted(p.name for p in (out / "overlays").iterdir())
    assert names == ["000000.png", "000001.png", "mine.png"]
    assert len(masks(out)) == 2
    assert (out / "notes.txt").read_text() == "mine"


def test_a_looping_recording(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = stream(20)
    entries += [(topic, ms + 2000, msg) for topic, ms, msg in entries]
    bag = write_bag(tmp_path / "bag", entries)
    summary = replay(ReplayOptions(bag, "thermal", tmp_path / "out"), segmenter=segmenter)
    assert summary.frames.segmented >= 38
