# SPDX-License-Identifier: Apache-2.0
"""Ground truth in folders, its classes by file, and conditions by topic and by time."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_ros.truth.conditions import Moment, RecordedConditions, TimedConditions
from segrgbx_ros.truth.folder import FolderTruth
from segrgbx_ros.truth.recorded import ClassMap, mapped_by, same_ids

TWO = LabelSet("two", (LabelClass("road", (1, 1, 1)), LabelClass("car", (2, 2, 2))))
SAME = same_ids("Nothing names them", TWO)
STAMP = 1_700_000_000_123_456_789


def labels(path: Path, value: int = 1) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((2, 3), value, np.uint8))
    return path


def truth_in(folder: Path, classes: ClassMap = SAME) -> FolderTruth:
    return FolderTruth(folder, "numbers", classes, TWO)


@pytest.mark.parametrize(
    ("name", "stamp_ns", "hit"),
    [
        (f"{STAMP}", STAMP, True),
        (f"{STAMP}", STAMP + 1, False),
        ("1700000000.123456789", STAMP, True),
        ("1700000000.123456789", STAMP - 1, False),
        ("1700000000.123457", STAMP, True),
        ("1700000000.123", STAMP, True),
        ("1700000000.124", STAMP, False),
        ("1700000000", STAMP, True),
        ("1700000001", STAMP, False),
    ],
)
def test_a_file_stands_for_the_image_of_its_stamp(
    tmp_path: Path, name: str, stamp_ns: int, hit: bool
) -> None:
    labels(tmp_path / "gt" / f"{name}.png")
    taken = truth_in(tmp_path / "gt").take(stamp_ns)
    assert (taken is not None) is hit


def test_stamps_that_never_match_say_how_far_away_they_are(tmp_path: Path) -> None:
    labels(tmp_path / "gt" / f"{STAMP}.png")
    truth = truth_in(tmp_path / "gt")
    for shift in (9_000_000, 2_500_000):
        assert truth.take(STAMP + shift) is None
    (note,) = [n for n in truth.notes() if "Nothing is scored" in n]
    assert "2.500 ms" in note


def test_other_files_are_left_out_aloud(tmp_path: Path) -> None:
    labels(tmp_path / "gt" / f"{STAMP}.png")
    labels(tmp_path / "gt" / "palette.png")
    truth = truth_in(tmp_path / "gt")
    truth.take(STAMP)
    assert any("1 file" in note and "no stamp" in note for note in truth.notes())


def test_folders_without_stamps_are_refused(tmp_path: Path) -> None:
    labels(tmp_path / "gt" / "a.png")
    with pytest.raises(InputError, match=r"a\.png.*nanoseconds"):
        truth_in(tmp_path / "gt")
    with pytest.raises(InputError, match="no folder"):
        truth_in(tmp_path / "nothing")


def test_a_file_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    path = labels(tmp_path / "gt" / f"{STAMP}.png")
    path.write_bytes(b"no picture")
    truth = truth_in(tmp_path / "gt")
    assert truth.take(STAMP) is None
    assert any("was not used" in note and path.name in note for note in truth.notes())


def test_ids_are_read_as_a_file_says(tmp_path: Path) -> None:
    file = tmp_path / "ids.yaml"
    file.write_text("classes: {road: [7, 8], car: [26]}\n")
    classes = mapped_by(file, SAME, TWO)
    assert classes.table[[7, 8, 26, 0, 255]].tolist() == [0, 0, 1, 255, 255]
    assert classes.note is not None
    assert "ids.yaml" in classes.note
    labels(tmp_path / "gt" / f"{STAMP}.png", 26)
    taken = truth_in(tmp_path / "gt", classes).take(STAMP)
    assert taken is not None
    assert (taken == 1).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: {lorry: [3]}", "lorry"),
        ("classes: {road: [300]}", "300"),
        ("classes: {road: [1], car: [1]}", "each once"),
        ("classes: {road: [seven]}", "seven"),
        ("ids: {}", "ids"),
    ],
)
def test_a_file_of_ids_that_cannot_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "ids.yaml"
    file.write_text(text)
    with pytest.raises(LabelError, match=words):
        mapped_by(file, SAME, TWO)


def test_a_recorded_condition_holds_until_the_next() -> None:
    conditions = RecordedConditions()
    for log_time, name in ((10, "day"), (20, "day"), (30, "night")):
        conditions.add(log_time, name)
    named = [conditions.of(Moment(0, at)) for at in (5, 10, 29, 30, 99)]
    assert named == ["", "day", "day", "night", "night"]
    conditions.read_until(30)
    assert conditions.settled(29)
    assert not conditions.settled(30)


def test_conditions_by_time_count_from_the_first_image(tmp_path: Path) -> None:
    file = tmp_path / "conditions.yaml"
    file.write_text("conditions: [{after: 0, condition: day}, {after: 1.5, condition: night}]\n")
    conditions = TimedConditions(file)
    seconds = (0.0, 1.4, 1.5, 9.0)
    named = [conditions.of(Moment(STAMP + round(s * 1e9), 0)) for s in seconds]
    assert named == ["day", "day", "night", "night"]


@pytest.mark.parametrize(
    "text",
    [
        "conditions: []",
        "conditions: [{after: 3, condition: a}, {after: 1, condition: b}]",
        "conditions: [{after: soon, condition: a}]",
    ],
)
def test_conditions_that_cannot_be_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "conditions.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"conditions\.yaml"):
        TimedConditions(file)
