# SPDX-License-Identifier: Apache-2.0
"""The errors of a replay for bad recordings, topics, models and folders."""

import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from rosbags.rosbag2.storage_mcap import McapWriter

from segrgbx_core import Segmenter, build_model
from segrgbx_core.errors import BagError, InputError, ModelError, OutputError, SegRgbxError
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.weights.card import ModelCard
from segrgbx_core.weights.store import LoadedModel
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import ImageMessage, image_message
from segrgbx_ros.messages.types import IMAGE, header, message, typestore
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary

MS = 1_000_000
START = 1_700_000_000_000 * MS
LABELS = load_label_set("street")
RGB, X, GT = "/rgb/image_raw", "/thermal/image_raw", "/gt/mask"
Entry = tuple[str, float, Any]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    model = build_model("b0", len(LABELS))
    card = ModelCard("tiny", "untrained", model.config, ("thermal",), LABELS)
    return Segmenter(LoadedModel(model, card), "cpu")


def image(ms: float | None, shape: tuple[int, ...], dtype: type, encoding: str) -> ImageMessage:
    """Random pixels; ms None gives a stamp of zero."""
    values: npt.NDArray[np.generic] = (
        np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    )
    stamp = 0 if ms is None else START + round(ms * MS)
    return image_message(values, encoding, header(stamp, "f"))


def rgb_at(ms: float | None) -> ImageMessage:
    return image(ms, (48, 64, 3), np.uint8, "rgb8")


def x_at(ms: float | None, shape: tuple[int, int] = (24, 32)) -> ImageMessage:
    return image(ms, shape, np.uint16, "mono16")


def write_bag(path: Path, entries: Sequence[Entry], empty: Sequence[str] = ()) -> Path:
    with BagWriter(path) as bag:
        for topic in dict.fromkeys([*(topic for topic, _, _ in entries), *empty]):
            bag.add_topic(topic, IMAGE)
        for topic, ms, msg in entries:
            bag.write(topic, START + round(ms * MS), msg)
    return path


def stream(count: int) -> list[Entry]:
    entries: list[Entry] = []
    for k in range(count):
        entries += [(RGB, 100 * k, rgb_at(100 * k)), (X, 100 * k + 1, x_at(100 * k + 1))]
    return entries


class Bench:
    """A replay of `entries` into a folder, and its error sentence."""

    def __init__(self, folder: Path, segmenter: Segmenter) -> None:
        self.bag, self.out = folder / "bag", folder / "out"
        self._segmenter = segmenter

    def run(self, entries: Sequence[Entry], **options: Any) -> ReplaySummary:
        if not self.bag.exists():
            write_bag(self.bag, entries)
        asked = ReplayOptions(self.bag, "thermal", self.out, **options)
        return replay(asked, segmenter=self._segmenter)

    def refused(self, entries: Sequence[Entry], **options: Any) -> str:
        with pytest.raises(SegRgbxError) as caught:
            self.run(entries, **options)
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path, segmenter: Segmenter) -> Bench:
    return Bench(tmp_path, segmenter)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_truncated_recording(tmp_path: Path, segmenter: Segmenter, storage: str) -> None:
    path = tmp_path / "bag"
    with BagWriter(path, storage) as bag:
        bag.add_topic(RGB, IMAGE)
        bag.add_topic(X, IMAGE)
        for topic, ms, msg in stream(20):
            bag.write(topic, START + round(ms * MS), msg)
    data = next(p for p in path.iterdir() if p.suffix in (".mcap", ".db3"))
    with data.open("r+b") as file:
        file.truncate(round(data.stat().st_size * 0.7))
    out = tmp_path / "out"
    summary = replay(ReplayOptions(path, "thermal", out), segmenter=segmenter)
    assert not summary.complete
    assert 10 <= summary.frames.segmented < 20
    lost = 40 - summary.frames.rgb_in - summary.frames.x_in
    assert summary.recording.lost is not None
    assert f"{lost} of the 40 messages" in summary.recording.lost
    content = json.loads((out / "summary.json").read_text())
    assert content["recording"]["complete"] is False
    assert len(list((out / "overlays").iterdir())) == summary.frames.segmented
    with BagReader(out / "result") as result:
        assert result.loss is None


def test_missing_recording_leaves_no_folder(bench: Bench) -> None:
    with pytest.raises(BagError, match="does not exist"):
        replay(ReplayOptions(bench.bag, "thermal", bench.out))
    assert not bench.out.exists()


def test_empty_topic(tmp_path: Path, bench: Bench) -> None:
    write_bag(tmp_path / "bag", [(RGB, 0, rgb_at(0))], empty=[X])
    sentence = bench.refused([])
    assert f"Topic {X} has no message" in sentence
    assert not bench.out.exists()


def test_some_stamps_are_zero(bench: Bench) -> None:
    summary = bench.run([*stream(2), (RGB, 300, rgb_at(None)), (X, 300, x_at(None))])
    assert summary.frames.segmented == 2
    assert summary.frames.dropped == {"invalid_rgb_stamp": 1, "invalid_x_stamp": 1}


def test_all_stamps_are_zero(bench: Bench) -> None:
    sentence = bench.refused([(RGB, 0, rgb_at(None)), (X, 1, x_at(None))])
    assert "invalid_rgb_stamp 1, invalid_x_stamp 1" in sentence
    assert "stamps above zero" in sentence
    assert "--stamps log" in sentence
    assert not bench.out.exists()


def test_negative_stamps(bench: Bench) -> None:
    time = message("builtin_interfaces/msg/Time", sec=-5, nanosec=0)
    before = message("std_msgs/msg/Header", stamp=time, frame_id="f")
    bad = image_message(np.zeros((48, 64, 3), np.uint8), "rgb8", before)
    summary = bench.run([*stream(1), (RGB, 300, bad)])
    assert summary.frames.dropped == {"invalid_rgb_stamp": 1}


def test_clocks_apart(bench: Bench) -> None:
    sentence = bench.refused([(RGB, 0, rgb_at(0)), (X, 1, x_at(900_000))])
    assert "within 0.03 s (1 RGB, 1 X; dropped: rgb_without_x 1" in sentence
    assert "rgb 1700000000.000 s, x 1700000900.000 s" in sentence
    assert "--slop" in sentence


@pytest.mark.parametrize(
    ("topic", "msg", "reason", "words"),
    [
        (RGB, image(300, (48, 64), np.float32, "32FC1"), "undecodable_rgb", "accepted: rgb8,"),
        (RGB, image(300, (48, 64, 3), np.uint8, "8UC3"), "undecodable_rgb", "'8UC3', which does"),
        (X, image(300, (24, 32, 2), np.uint8, "8UC2"), "undecodable_x", "'8UC2', which an X"),
        (X, image(300, (24, 32, 3), np.uint8, "bgr8"), "refused_by_encoding", "color_map"),
        (X, x_at(300, (24, 64)), "refused_by_segmenter", "aspect ratios differ"),
    ],
)
def test_a_frame_that_cannot_be_used(
    bench: Bench, topic: str, msg: object, reason: str, words: str
) -> None:
    """Unknown encoding, wrong bit depth, inconsistent sizes: each is counted once."""
    other = X if topic == RGB else RGB
    good = x_at(300) if other == X else rgb_at(300)
    summary = bench.run([*stream(2), (other, 300, good), (topic, 301, msg)])
    assert summary.frames.segmented == 2
    assert summary.frames.paired == 3
    assert summary.frames.dropped == {reason: 1}
    assert words in summary.problems[reason]


@pytest.mark.parametrize(
    ("rgb", "x", "words"),
    [
        (image(0, (48, 64), np.uint8, "8UC4"), x_at(0), f"Topic {RGB} has encoding '8UC4'"),
        (rgb_at(0), image(0, (24, 32, 2), np.uint8, "8UC2"), f"Topic {X} has encoding '8UC2'"),
        (rgb_at(0), x_at(0, (64, 48)), "48x64 and the RGB image 64x48"),
    ],
)
def test_no_frame_can_be_used(bench: Bench, rgb: object, x: object, words: str) -> None:
    assert words in bench.refused([(RGB, 0, rgb), (X, 1, x)])
    assert not bench.out.exists()


def test_damaged_message(tmp_path: Path, bench: Bench) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic(RGB, IMAGE)
        bag.add_topic(X, IMAGE)
        for topic, ms, msg in stream(2):
            bag.write(topic, START + round(ms * MS), msg)
        connection = bag._connections[RGB]
        raw = bytes(typestore().serialize_cdr(rgb_at(300), IMAGE))
        bag._writer.write(connection, START + 300 * MS, raw[: len(raw) // 2])
    summary = bench.run([])
    assert summary.frames.rgb_in == 3
    assert summary.frames.dropped == {"unreadable_rgb_message": 1}


def test_truth_of_another_size(bench: Bench) -> None:
    truth = image(0, (10, 10), np.uint8, "mono8")
    summary = bench.run([*stream(1), (GT, 2, truth)])
    assert summary.miou is None
    assert summary.frames.segmented == 1
    assert any("ground truth (10, 10)" in note for note in summary.notes)


def test_several_candidates_are_listed(bench: Bench) -> None:
    sentence = bench.refused([*stream(1), ("/thermal/rect", 1, x_at(1))])
    assert "thermal (X): /thermal/image_raw (sensor_msgs" in sentence
    assert "--x-topic" in sentence


def test_no_image_topic(tmp_path: Path, bench: Bench) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/clock", "builtin_interfaces/msg/Time")
        time = message("builtin_interfaces/msg/Time", sec=1, nanosec=0)
        bag.write("/clock", START, time)
    assert "no image topic" in bench.refused([])


def test_foreign_files_are_not_overwritten(bench: Bench) -> None:
    bench.out.mkdir()
    (bench.out / "thesis.txt").write_text("mine")
    sentence = bench.refused(stream(1))
    assert "holds files (thesis.txt)" in sentence
    assert "--force" in sentence
    assert [p.name for p in bench.out.iterdir()] == ["thesis.txt"]
    assert bench.run([], force=True).frames.segmented == 1
    assert (bench.out / "thesis.txt").read_text() == "mine"


def test_foreign_files_where_the_bag_goes(bench: Bench) -> None:
    (bench.out / "result").mkdir(parents=True)
    (bench.out / "result" / "thesis.txt").write_text("mine")
    sentence = bench.refused(stream(1), force=True)
    assert "another origin (thesis.txt)" in sentence


def test_disk_full(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = McapWriter.write

    def refuse_the_third(self: McapWriter, *args: Any) -> None:
        written.append(1)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "no room")
        write(self, *args)

    write_bag(bench.bag, stream(1))
    monkeypatch.setattr(McapWriter, "write", refuse_the_third)
    with pytest.raises(OutputError, match="result is full"):
        bench.run([])


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", stream(1))
    with pytest.raises(ModelError, match="Model 'nope'"):
        replay(ReplayOptions(bag, "thermal", tmp_path / "out", model="nope"))
    assert not (tmp_path / "out").exists()


def test_a_modality_the_model_does_not_know(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / "bag", [*stream(1), ("/depth/image", 0, x_at(0))])
    with pytest.raises(ModelError, match="thermal, not with depth"):
        replay(ReplayOptions(bag, "depth", tmp_path / "out"), segmenter=segmenter)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modality": "radar"}, "'radar' .*expected .*event, thermal"),
        ({"modality": "none", "x_topic": "/x"}, "'none' .*X topic /x"),
        ({"max_frames": 0}, "frames is 0; .*1 or more"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], words: str) -> None:
    fields: dict[str, Any] = {
        "bag": Path("bag"),
        "modality": "thermal",
        "out": Path("out"),
        **options,
    }
    with pytest.raises(InputError, match=words):
        ReplayOptions(**{**fields, **options})
