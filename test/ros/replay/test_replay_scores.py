# SPDX-License-Identifier: Apache-2.0
"""A replay's scores: with X and from RGB alone, by condition, and what is left of each frame."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from segrgbx_core import Segmenter
from segrgbx_core.evaluation.metrics import ConfusionMeter, confusion_of
from segrgbx_core.labels.label_set import load_label_set
from segrgbx_core.runs.folder import read_run
from segrgbx_core.scenes import Drive, DriveSettings, RgbCapture
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import ImageMessage, image_message
from segrgbx_ros.messages.types import STRING, header, message
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.pairing.slop import fitting_slop
from segrgbx_ros.replay.options import ReplayOptions, TruthOptions
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary, read_summary

MS = 1_000_000
START = 1_700_000_000_000 * MS
LABELS = load_label_set("street")
WIDE = SyncSettings(slop_s=0.1)
RGB, X, TRUTH, CONDITION = (
    "/rgb/image_raw", "/thermal/image_raw", "/ground_truth/mask", "/ground_truth/condition"
)  # fmt: skip


def at(ms: float, pixels: np.ndarray, encoding: str) -> ImageMessage:
    return image_message(pixels, encoding, header(START + round(ms * MS), "rgb_frame"))


def noise(ms: int, *size: int) -> np.ndarray:
    return np.random.default_rng(ms).integers(0, 256, size, np.uint8)


def truth_of(ms: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng([7, ms]).integers(0, len(LABELS), size).astype(np.uint8)


def recording(path: Path, entries: list[tuple[str, float, Any]]) -> Path:
    with BagWriter(path) as bag:
        for topic, msg in {topic: msg for topic, _, msg in entries}.items():
            bag.add_topic(topic, msg.__msgtype__)
        for topic, ms, msg in sorted(entries, key=lambda entry: entry[1]):
            bag.write(topic, START + round(ms * MS), msg)
    return path


def images(count: int, without_x: tuple[int, ...] = ()) -> list[tuple[str, float, Any]]:
    entries: list[tuple[str, float, Any]] = []
    for k in range(count):
        ms = 100 * k
        entries.append((RGB, ms, at(ms, noise(ms, 48, 64, 3), "rgb8")))
        if k not in without_x:
            heat = noise(ms, 24, 32).astype(np.uint16) * 10 + 28000
            entries.append((X, ms + 4, at(ms + 3, heat, "mono16")))
    return entries


def truths(count: int) -> list[tuple[str, float, Any]]:
    return [(TRUTH, 100 * k + 5, at(100 * k, truth_of(100 * k), "mono8")) for k in range(count)]


def replayed(bag: Path, segmenter: Segmenter, **more: Any) -> ReplaySummary:
    options = ReplayOptions(bag, "thermal", bag.parent / "out", **{"sync": WIDE, **more})
    return replay(options, segmenter=segmenter)


def test_both_scores_are_those_of_their_own_masks(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = recording(tmp_path / "bag", [*images(4), *truths(4)])
    summary = replayed(bag, segmenter)

    run = read_run(tmp_path / "out")
    alone, with_x = ConfusionMeter(LABELS), ConfusionMeter(LABELS)
    for k in range(4):
        answer = segmenter(noise(100 * k, 48, 64, 3))
        alone.add(confusion_of(answer.labels, truth_of(100 * k), LABELS))
        mask = np.array(Image.open(tmp_path / "out" / "masks" / f"{k:06d}.png"))
        with_x.add(confusion_of(mask, truth_of(100 * k), LABELS))
    assert summary.scores is not None
    assert summary.rgb_alone is not None
    assert summary.miou == summary.scores["all"].miou == with_x.scores().miou
    assert summary.rgb_alone["all"].miou == alone.scores().miou != summary.miou
    assert summary.rgb_alone_ms is not None
    assert run.counts is not None
    assert (run.counts.total() == with_x.counts).all()
    assert (run.counts.total(alone=True) == alone.counts).all()
    assert summary.confusion == with_x.scores().confusion.tolist()
    assert [row.miou for row in run.rows] == pytest.approx(
        [_one(run.counts.of(k)) for k in range(4)], abs=1e-6
    )
    assert summary.reliability is not None
    assert sum(summary.reliability.pixels) == 4 * 48 * 64
    assert read_summary(tmp_path / "out").to_json() == summary.to_json()


def _one(counts: np.ndarray) -> float | None:
    meter = ConfusionMeter(LABELS)
    meter.add(counts)
    return meter.scores().miou


def test_rgb_alone_may_be_left_out(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = recording(tmp_path / "bag", [*images(2), *truths(2)])
    summary = replayed(bag, segmenter, truth=TruthOptions(rgb_alone=False))
    assert summary.scores is not None
    assert summary.rgb_alone is summary.rgb_alone_ms is summary.rgb_alone_confusion is None
    run = read_run(tmp_path / "out")
    assert run.counts is not None
    assert run.counts.alone is None
    assert run.facts.settings["truth.rgb_alone"] is False


def test_every_image_has_a_line(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = [*images(5, without_x=(2,)), *truths(2)]
    entries.append((RGB, 320, at(300, noise(1, 48, 64, 3), "rgb8")))
    bag = recording(tmp_path / "bag", entries)
    summary = replayed(bag, segmenter, sync=SyncSettings(slop_s=0.02))
    rows = read_run(tmp_path / "out").rows
    assert len(rows) == summary.frames.rgb_in == 6
    by_stamp = sorted((row.stamp_ns or 0, row.status, row.index) for row in rows)
    assert [(status, index) for _, status, index in by_stamp] == [
        ("segmented", 0),
        ("segmented", 1),
        ("rgb_without_x", None),
        ("duplicate_rgb", None),
        ("segmented", 2),
        ("segmented", 3),
    ]
    scored = [row for row in rows if row.miou is not None]
    assert [row.index for row in scored] == [0, 1]
    dropped = [row.status for row in rows if row.index is None]
    assert {name: dropped.count(name) for name in dropped} == {
        name: n for name, n in summary.frames.dropped.items() if name != "x_unused"
    }


def test_frames_after_the_last_asked_for_have_a_line(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = recording(tmp_path / "bag", images(4))
    summary = replayed(bag, segmenter, max_frames=2)
    statuses = [row.status for row in read_run(tmp_path / "out").rows]
    assert statuses[:2] == ["segmented", "segmented"]
    left = summary.frames.dropped.get("after_max_frames", 0)
    assert statuses[2:] == ["after_max_frames"] * left
    assert len(statuses) == summary.frames.rgb_in


def test_scores_by_recorded_condition(tmp_path: Path, segmenter: Segmenter) -> None:
    named = [(0, "day"), (200, "night")]
    entries = [*images(4), *truths(4)]
    entries += [(CONDITION, ms, message(STRING, data=name)) for ms, name in named]
    summary = replayed(recording(tmp_path / "bag", entries), segmenter)
    assert summary.topics.condition == CONDITION
    assert summary.scores is not None
    assert summary.rgb_alone is not None
    assert list(summary.scores) == list(summary.rgb_alone) == ["all", "day", "night"]
    assert [group.frames for group in summary.scores.values()] == [4, 2, 2]
    rows = read_run(tmp_path / "out").rows
    assert [row.condition for row in rows] == ["day", "day", "night", "night"]


def test_conditions_without_truth_are_kept(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = [*images(2), (CONDITION, 100, message(STRING, data="fog"))]
    summary = replayed(recording(tmp_path / "bag", entries), segmenter)
    assert summary.scores is None
    assert [row.condition for row in read_run(tmp_path / "out").rows] == ["", "fog"]


def test_a_folder_of_labels_scores_as_a_topic_does(tmp_path: Path, segmenter: Segmenter) -> None:
    drive = Drive(DriveSettings(seconds=0.5, rate_hz=10.0, width=64, height=48))
    write_drive_bag(drive, tmp_path / "bag")
    recorded = replayed(tmp_path / "bag", segmenter)
    folder = tmp_path / "labels"
    folder.mkdir()
    for capture in drive.captures():
        if isinstance(capture, RgbCapture):
            cv2.imwrite(str(folder / f"{capture.stamp_ns}.png"), capture.labels)
    options = ReplayOptions(
        tmp_path / "bag", "thermal", tmp_path / "other", gt_topic="none", sync=WIDE,
        truth=TruthOptions(folder=folder),
    )  # fmt: skip
    from_files = replay(options, segmenter=segmenter)
    assert from_files.scores == recorded.scores
    assert from_files.rgb_alone == recorded.rgb_alone
    assert from_files.run is not None
    assert from_files.run.scored_by == str(folder)


def test_truth_of_half_the_size_is_scored_at_its_own(tmp_path: Path, segmenter: Segmenter) -> None:
    small = at(0, truth_of(0, (24, 32)), "mono8")
    summary = replayed(recording(tmp_path / "bag", [*images(1), (TRUTH, 5, small)]), segmenter)
    assert summary.frames_scored == 1
    assert np.array(summary.confusion).sum() == 24 * 32
    assert any("64x48" in note and "32x24" in note for note in summary.notes)


def test_an_interrupted_replay_ends_with_the_same_scores(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    bag = recording(tmp_path / "bag", [*images(5, without_x=(1,)), *truths(5)])
    whole = replayed(bag, segmenter)
    out = tmp_path / "second"
    options = ReplayOptions(bag, "thermal", out, sync=WIDE)
    asked = iter(range(1000))
    part = replay(options, None, segmenter, lambda: "SIGTERM" if next(asked) > 9 else None)
    assert part.interrupted is not None
    assert 0 < part.frames.segmented < whole.frames.segmented
    again = replay(replace(options, resume=True), segmenter=segmenter)
    assert again.scores == whole.scores
    assert again.rgb_alone == whole.rgb_alone
    assert again.reliability == whole.reliability
    first, second = read_run(tmp_path / "out"), read_run(out)
    assert [(r.stamp_ns, r.status, r.miou) for r in second.rows] == [
        (r.stamp_ns, r.status, r.miou) for r in first.rows
    ]
    assert first.counts is not None
    assert second.counts is not None
    assert (first.counts.total(alone=True) == second.counts.total(alone=True)).all()


@pytest.mark.parametrize(
    ("interval_ms", "slop_s"), [(None, 0.03), (10, 0.03), (1000 / 9, 0.0667), (500, 0.1)]
)
def test_the_slop_follows_the_interval_of_x(interval_ms: float | None, slop_s: float) -> None:
    given = None if interval_ms is None else interval_ms * 1e6
    assert fitting_slop(given) == pytest.approx(slop_s, abs=1e-3)


def test_the_slop_that_fits_pairs_what_can_be(tmp_path: Path, segmenter: Segmenter) -> None:
    drive = Drive(DriveSettings(seconds=1.5, rate_hz=10.0, width=64, height=48))
    write_drive_bag(drive, tmp_path / "bag")
    fitted = replayed(tmp_path / "bag", segmenter, fit_slop=True, sync=SyncSettings())
    assert fitted.frames.segmented >= fitted.frames.x_in - 1
    assert fitted.run is not None
    assert fitted.run.settings["sync.slop_s"] == pytest.approx(0.0667, abs=1e-3)
