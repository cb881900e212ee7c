# SPDX-License-Identifier: Apache-2.0
"""What a run leaves in its folder is read as it was written, and nothing else is."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.reliability import BINS, ReliabilityMeter, reliability
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.runs.counts import (
    COUNTS_FILE,
    CountsCollector,
    read_counts,
    write_counts,
)
from segrgbx_core.runs.folder import LABELS_FILE, SUMMARY_FILE, read_run, write_labels
from segrgbx_core.runs.rows import FRAMES_FILE, FrameRow, RowWriter, read_rows

NO_LEVELS = np.zeros((2, 256), np.int64)
ROAD_CAR = LabelSet("two", (LabelClass("road", (1, 2, 3)), LabelClass("car", (4, 5, 6))))
FACTS = {
    "format": 1,
    "kind": "replay",
    "source": "bag",
    "model": "demo",
    "modality": "thermal",
    "label_set": "two",
    "scored_by": "/ground_truth/mask",
    "settings": {"slop": 0.03},
}
WHOLE = FrameRow(
    index=0,
    stem="000000",
    stamp_ns=1_000_000_007,
    condition="night, wet",
    miou=0.5,
    pixel_accuracy=0.75,
    rgb_alone_miou=0.25,
    confidence=0.9,
    x_used=True,
    x_valid=1.0,
    skew_ms=-2.5,
    model_ms=10.0,
    output_ms=1.0,
    shares={"road": 0.5, "car": 0.5, "unlabelled": 0.0},
    ious={"road": 0.5, "car": None},
    rgb_alone_ious={"road": 0.25, "car": None},
)
DROPPED = FrameRow(index=None, stem="", stamp_ns=2, status="rgb_without_x")


def _written(rows: list[FrameRow]) -> str:
    text = io.StringIO()
    writer = RowWriter(text, ROAD_CAR.names, alone=True)
    for row in rows:
        writer.write(row)
    return text.getvalue()


def _matrix(*cells: tuple[int, int, int]) -> np.ndarray:
    matrix = np.zeros((3, 3), np.int64)
    for truth, predicted, count in cells:
        matrix[truth, predicted] = count
    return matrix


def make_run(folder: Path) -> Path:
    """A run of two images, one of them scored with X and without."""
    folder.mkdir()
    (folder / SUMMARY_FILE).write_text(json.dumps({"run": FACTS}))
    (folder / FRAMES_FILE).write_text(_written([WHOLE, DROPPED]))
    write_labels(folder / LABELS_FILE, ROAD_CAR)
    collector = CountsCollector(2)
    collector.add(0, _matrix((0, 0, 6), (1, 0, 2)), _matrix((0, 1, 6), (1, 0, 2)))
    write_counts(folder / COUNTS_FILE, collector.counts(NO_LEVELS))
    return folder


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / FRAMES_FILE
    path.write_text(_written([WHOLE, DROPPED]))

    whole, dropped = read_rows(path)

    assert whole == WHOLE
    assert whole.total_ms == 11.0
    assert (dropped.index, dropped.status, dropped.stamp_ns) == (None, "rgb_without_x", 2)
    assert dropped.miou is None
    assert dropped.total_ms is None


def test_a_run_is_read_whole(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a"))

    assert run.facts.settings == {"slop": 0.03}
    assert run.label_set == ROAD_CAR
    assert [row.status for row in run.rows] == ["segmented", "rgb_without_x"]
    assert run.counts is not None
    assert run.counts.total().tolist() == [[6, 0, 0], [2, 0, 0], [0, 0, 0]]
    assert run.counts.total(alone=True).tolist() == [[0, 6, 0], [2, 0, 0], [0, 0, 0]]
    assert run.name == "a"


def test_frames_count_by_their_weights() -> None:
    collector = CountsCollector(2)
    for index, pixels in enumerate((1, 10)):
        collector.add(index, _matrix((0, 0, pixels)), None)

    counts = collector.counts(NO_LEVELS)

    assert counts.total(np.array([2, 3]))[0, 0] == 32
    assert counts.alone is None
    with pytest.raises(InputError, match="--no-rgb-alone"):
        counts.total(alone=True)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (SUMMARY_FILE, "{}", "another version"),
        (SUMMARY_FILE, json.dumps({"run": {**FACTS, "format": 9}}), "another version"),
        (SUMMARY_FILE, json.dumps({"run": {**FACTS, "kind": "odd"}}), "kind"),
        (FRAMES_FILE, "index,stem\n0,a\n", "no column"),
        (FRAMES_FILE, _written([WHOLE]).replace("0.500000", "nan"), "frames.csv"),
        (FRAMES_FILE, _written([WHOLE]).replace("1000000007", "soon"), "frames.csv"),
        (LABELS_FILE, '{"name": "two"}', "classes"),
        (COUNTS_FILE, "PK", "scores.npz"),
    ],
)
def test_what_no_run_wrote_is_refused(tmp_path: Path, file: str, content: str, words: str) -> None:
    folder = make_run(tmp_path / "a")
    (folder / file).write_text(content)

    with pytest.raises(InputError, match=words):
        read_run(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cells": np.array([4, 0])},
        {"cells": np.array([0, 99])},
        {"table": np.array([[1]])},
        {"table": np.array([[1, -1]])},
        {"alone": np.array([[1]])},
        {"levels": NO_LEVELS[:, 1:]},
    ],
)
def test_counts_that_cannot_be_are_refused(tmp_path: Path, wrong: dict[str, np.ndarray]) -> None:
    arrays = {"classes": np.int64(2), "index": np.array([0]), "cells": np.array([0, 3])}
    arrays |= {"table": np.array([[1, 1]]), "levels": NO_LEVELS}
    np.savez(tmp_path / COUNTS_FILE, **{**arrays, **wrong})

    with pytest.raises(InputError, match="other arrays"):
        read_counts(tmp_path / COUNTS_FILE)


def test_confidence_is_held_against_what_is_right() -> None:
    meter = ReliabilityMeter()
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    predicted = np.array([[0, 1, 1, 1]], np.uint8)
    meter.update(predicted, np.array([[255, 255, 255, 3]], np.uint8), truth)
    meter.update(predicted[:, :1], np.array([[127]], np.uint8), truth[:, :1])

    result = reliability(meter.counts)

    assert sum(result.pixels) == 4
    assert result.pixels[-1] == 3
    assert result.accuracy[-1] == pytest.approx(2 / 3, abs=1e-5)
    assert result.confidence[BINS // 2] == pytest.approx(127 / 255, abs=1e-5)
    assert result.accuracy[BINS // 2] == 1.0
    # |3 - 2| and |127 / 255 - 1| over four pixels.
    assert result.ece == pytest.approx((1 + 128 / 255) / 4, abs=1e-5)
    assert reliability(ReliabilityMeter().counts).ece is None
