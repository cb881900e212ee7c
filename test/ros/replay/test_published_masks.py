# SPDX-License-Identifier: Apache-2.0
"""Masks that were made before, as a live node's are, scored by their stamps."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segrgbx_core import Segmenter
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.runs.folder import Run, read_run
from segrgbx_core.scenes import Drive, DriveSettings
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.scenes import write_drive_bag
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.cli import main
from segrgbx_ros.messages.types import STATUS, deserialized
from segrgbx_ros.pairing.matching import SyncSettings
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary, read_summary

NODE = "/segrgbx/"
SCORES = ("scores", "rgb_alone", "confusion", "rgb_alone_confusion", "per_class_iou", "miou")
EXACT = SyncSettings(slop_s=0.02)
Change = Callable[[BagMessage], BagMessage | None]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory, segmenter: Segmenter) -> Path:
    """A drive at 10 Hz with X at 9 Hz, and a replay of it that drops what has no X near enough."""
    folder = tmp_path_factory.mktemp("live")
    settings = DriveSettings(seconds=1.0, rate_hz=10.0, width=96, height=72)
    write_drive_bag(Drive(settings), folder / "bag")
    options = ReplayOptions(folder / "bag", "thermal", folder / "offline", sync=EXACT)
    replay(options, segmenter=segmenter)
    return folder


def scored(
    offline: Path, out: Path, segmenter: Segmenter, masks: Path | None = None, **more: Any
) -> ReplaySummary:
    options = ReplayOptions(
        offline / "bag", "thermal", out, masks=masks or offline / "offline" / "result", **more
    )
    return replay(options, segmenter=segmenter)


def rewritten(offline: Path, path: Path, change: Change, backwards: bool = False) -> Path:
    """The offline replay's result with changed messages; None leaves one out."""
    with BagReader(offline / "offline" / "result") as bag, BagWriter(path) as made:
        declared: set[str] = set()
        messages = list(bag.messages([topic.name for topic in bag.topics]))
        for place, message in enumerate(messages[::-1] if backwards else messages):
            changed = change(message)
            if changed is not None:
                if changed.topic not in declared:
                    made.add_topic(changed.topic, changed.msgtype)
                    declared.add(changed.topic)
                made.write_raw(changed.topic, 1 + place, changed.data)
    return path


def same_scores(one: Run, other: Run) -> None:
    assert one.counts is not None
    assert other.counts is not None
    for entry in fields(one.counts):
        ours, theirs = (getattr(run.counts, entry.name) for run in (one, other))
        np.testing.assert_array_equal(ours, theirs, err_msg=entry.name)


def test_the_same_masks_have_the_same_scores(
    tmp_path: Path, offline: Path, segmenter: Segmenter
) -> None:
    scored(offline, tmp_path / "out", segmenter)
    again = read_summary(tmp_path / "out")
    first = read_summary(offline / "offline")
    for name in SCORES:
        assert getattr(again, name) == getattr(first, name), name
    assert again.frames.segmented == first.frames.segmented
    assert 0 < first.frames.segmented < again.frames.rgb_in == 10
    missing = first.frames.dropped["rgb_without_x"]
    assert again.frames.dropped["no_live_mask"] == missing == 10 - first.frames.segmented
    before, after = read_run(offline / "offline"), read_run(tmp_path / "out")
    same_scores(before, after)
    assert (before.facts.kind, after.facts.kind) == ("replay", "live")
    masks = [(row.stamp_ns, row) for row in before.rows if row.index is not None]
    for stamp, row in masks:
        live = next(r for r in after.rows if r.stamp_ns == stamp)
        # The status cannot count the writing of files, nor hold more than a float32.
        known = replace(row, confidence=live.confidence, output_ms=live.output_ms)
        assert live == known
        assert live.confidence == pytest.approx(row.confidence, abs=1e-6)
    left = [row.status for row in after.rows if row.index is None]
    assert left == ["no_live_mask"] * missing


def test_what_the_node_says_of_a_mask_is_taken(
    tmp_path: Path, offline: Path, segmenter: Segmenter
) -> None:
    def said(message: BagMessage) -> BagMessage:
        if message.msgtype != STATUS:
            return message
        from segrgbx_ros.messages.types import typestore

        status = replace(
            deserialized(message.data, STATUS), skew_ms=12.5, age_ms=80.0, model_ms=7.0,
            x_used=False, x_reason="no thermal reading has come yet",
            drop_reasons=["superseded"], drop_counts=np.array([3], np.uint64), frames_dropped=3,
        )  # fmt: skip
        return replace(message, data=bytes(typestore().serialize_cdr(status, STATUS)))

    masks = rewritten(offline, tmp_path / "said", said)
    summary = scored(offline, tmp_path / "out", segmenter, masks)
    rows = [row for row in read_run(tmp_path / "out").rows if row.index is not None]
    assert {(row.skew_ms, row.model_ms, row.x_used, row.x_reason) for row in rows} == {
        (12.5, 7.0, False, "no thermal reading has come yet")
    }
    assert summary.stage_ms["model"].p50 == 7.0
    notes = " ".join(summary.notes)
    assert "published 80.0 ms after" in notes
    assert "superseded 3" in notes


def test_stopped_it_is_begun_anew(tmp_path: Path, offline: Path, segmenter: Segmenter) -> None:
    seen: list[int] = []
    masks = offline / "offline" / "result"
    options = ReplayOptions(offline / "bag", "thermal", tmp_path / "out", masks=masks)
    summary = replay(
        options,
        lambda state: seen.append(state.segmented),
        segmenter,
        lambda: "SIGINT" if seen and seen[-1] else None,
    )
    assert summary.interrupted is not None
    assert "the same command with --force begins anew" in summary.interrupted
    assert not (tmp_path / "out" / "resume.npz").exists()
    again = scored(offline, tmp_path / "out", segmenter, force=True)
    assert again.interrupted is None
    with pytest.raises(SegRgbxError, match="result"):
        scored(offline, offline / "offline", segmenter, force=True)
    assert (masks / "metadata.yaml").is_file()


def test_masks_in_any_order_and_twice(tmp_path: Path, offline: Path, segmenter: Segmenter) -> None:
    masks = rewritten(offline, tmp_path / "turned", lambda message: message, backwards=True)
    scored(offline, tmp_path / "out", segmenter, masks)
    same_scores(read_run(offline / "offline"), read_run(tmp_path / "out"))


def test_a_node_of_another_name_and_space(
    tmp_path: Path, offline: Path, segmenter: Segmenter
) -> None:
    def moved(message: BagMessage) -> BagMessage:
        return replace(message, topic=f"/front/seer/{message.topic.removeprefix(NODE)}")

    masks = rewritten(offline, tmp_path / "moved", moved)
    scored(offline, tmp_path / "out", segmenter, masks)
    same_scores(read_run(offline / "offline"), read_run(tmp_path / "out"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: None if m.topic.endswith("confidence") else m, "no masks of the live node"),
        (lambda m: replace(m, data=later(m.data)), "the mask nearest to the first image is 50"),
    ],
)
def test_masks_that_do_not_fit(
    tmp_path: Path, offline: Path, segmenter: Segmenter, change: Change, words: str
) -> None:
    masks = rewritten(offline, tmp_path / "changed", change)
    with pytest.raises(SegRgbxError, match=words):
        scored(offline, tmp_path / "out", segmenter, masks)
    assert not (tmp_path / "out" / "summary.json").exists()


def later(data: bytes) -> bytes:
    """A message with a header, 50 seconds later."""
    sec = int.from_bytes(data[4:8], "little") + 50
    return data[:4] + sec.to_bytes(4, "little") + data[8:]


def test_masks_of_another_model_or_sensor(
    tmp_path: Path, offline: Path, segmenter: Segmenter
) -> None:
    from segrgbx_ros.replay.live.masks import PublishedMasks

    result, labels = offline / "offline" / "result", segmenter.label_set
    with pytest.raises(SegRgbxError, match="are of model 'tiny', but model 'other'"):
        PublishedMasks(result, replace(segmenter.card, name="other"), labels, "thermal")
    with pytest.raises(SegRgbxError, match="are of modality 'thermal', but modality 'depth'"):
        PublishedMasks(result, segmenter.card, labels, "depth")
    fewer = replace(labels, classes=labels.classes[:-1])
    with pytest.raises(SegRgbxError, match="have the classes"):
        PublishedMasks(result, segmenter.card, fewer, "thermal")
    with pytest.raises(SegRgbxError, match="leave out --resume"):
        scored(offline, tmp_path / "out", segmenter, resume=True)


def test_one_recording_as_it_is(
    tmp_path: Path, offline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["--modality", "thermal", "--masks", str(offline / "offline" / "result")]
    out = ["--out", str(tmp_path / "out")]
    bag = str(offline / "bag")
    for arguments in ([bag, bag, *told], [bag, *told, "--scenario", "dropped"]):
        assert main(["replay", *arguments, *out]) == 2
        assert "are of one recording as it is" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out").exists()
