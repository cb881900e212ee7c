# SPDX-License-Identifier: Apache-2.0
"""Scores against values worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassJaccardIndex,
)

from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.labels.label_set import LabelClass, LabelSet

THREE = LabelSet(
    "three", tuple(LabelClass(n, (i, i, i)) for i, n in enumerate(("road", "car", "sky")))
)


def ids(*rows: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.array(rows, np.uint8)


def test_scores_by_hand() -> None:
    meter = ConfusionMeter(THREE)
    # road: truth 3, predicted 2, both 2 -> 2/3; car: truth 1, predicted 2, both 1 -> 1/2.
    meter.update(ids((0, 0, 1, 1)), ids((0, 0, 0, 1)))
    scores = meter.scores()
    assert scores.per_class_iou == pytest.approx({"road": 2 / 3, "car": 1 / 2, "sky": None})
    assert scores.miou == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.pixel_accuracy == pytest.approx(3 / 4)
    assert scores.frames == 1
    np.testing.assert_array_equal(scores.confusion, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])


def test_frames_accumulate_into_one_matrix() -> None:
    meter = ConfusionMeter(THREE)
    meter.update(ids((0, 0, 0)), ids((0, 0, 0)))
    meter.update(ids((1,)), ids((0,)))
    scores = meter.scores()
    # 3 of 4 road pixels, not the mean of 1 and 0.
    assert scores.per_class_iou["road"] == pytest.approx(3 / 4)
    assert scores.per_class_iou["car"] == 0.0
    assert scores.frames == 2


def test_truth_255_is_ignored() -> None:
    meter = ConfusionMeter(THREE)
    meter.update(ids((0, 2)), ids((0, 255)))
    scores = meter.scores()
    assert scores.per_class_iou == {"road": 1.0, "car": None, "sky": None}
    assert scores.pixel_accuracy == 1.0


def test_predicted_255_counts_as_wrong() -> None:
    meter = ConfusionMeter(THREE)
    meter.update(ids((0, 255)), ids((0, 0)))
    scores = meter.scores()
    assert scores.per_class_iou["road"] == pytest.approx(1 / 2)
    assert scores.miou == pytest.approx(1 / 2)
    assert scores.pixel_accuracy == pytest.approx(1 / 2)
    assert scores.confusion.shape == (3, 3)


def test_nothing_measured_is_none_and_not_zero() -> None:
    meter = ConfusionMeter(THREE)
    assert meter.scores().miou is None
    meter.update(ids((0, 1)), ids((255, 255)))
    scores = meter.scores()
    assert scores.miou is None
    assert scores.pixel_accuracy is None
    assert scores.frames == 1


def test_sizes_must_agree() -> None:
    with pytest.raises(InputError, match=r"prediction .*\(1, 2\).*truth \(1, 3\)"):
        ConfusionMeter(THREE).update(ids((0, 1)), ids((0, 1, 1)))


@pytest.mark.parametrize(
    ("predicted", "truth", "what"), [(3, 0, "prediction"), (0, 7, "ground truth")]
)
def test_an_id_outside_the_set_is_named(predicted: int, truth: int, what: str) -> None:
    with pytest.raises(LabelError, match=rf"{what} .*class id {predicted + truth}, "):
        ConfusionMeter(THREE).update(ids((predicted,)), ids((truth,)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7), blank=st.floats(0, 0.6))
def test_scores_equal_torchmetrics(seed: int, classes: int, blank: float) -> None:
    rng = np.random.default_rng(seed)
    # The last class never occurs in the truth, and often not in the prediction either.
    truths = rng.integers(0, classes, (3, 6, 8)).astype(np.uint8)
    truths[rng.random(truths.shape) < blank] = 255
    answers = rng.integers(0, classes + rng.integers(0, 2), (3, 6, 8)).astype(np.uint8)
    entries = tuple(LabelClass(f"c{i}", (i, i, i)) for i in range(classes + 1))
    meter = ConfusionMeter(LabelSet("some", entries))
    for answer, truth in zip(answers, truths, strict=True):
        meter.update(answer, truth)
    scores = meter.scores()
    count, pair = classes + 1, (torch.from_numpy(answers), torch.from_numpy(truths).long())
    about = {"num_classes": count, "ignore_index": 255}
    iou = MulticlassJaccardIndex(average="none", **about)(*pair)
    mine = [0.0 if v is None else v for v in scores.per_class_iou.values()]
    np.testing.assert_allclose(mine, iou.numpy(), atol=1e-6)
    assert scores.miou == pytest.approx(float(MulticlassJaccardIndex(**about)(*pair)), abs=1e-6)
    accuracy = MulticlassAccuracy(average="micro", **about)(*pair)
    assert scores.pixel_accuracy == pytest.approx(float(accuracy), abs=1e-6)
    matrix = MulticlassConfusionMatrix(**about)(*pair)
    np.testing.assert_array_equal(scores.confusion, matrix.numpy())


def test_absent_and_only_predicted_classes_are_listed() -> None:
    meter = ConfusionMeter(THREE)
    meter.update(ids((0, 0, 1)), ids((0, 0, 0)))
    scores = meter.scores()
    assert scores.absent == ("sky",)
    assert scores.only_predicted == ("car",)
    # road 2/3, car 0, sky left out.
    assert scores.miou == pytest.approx(1 / 3)


def test_meters_add_up_to_one_over_all_frames() -> None:
    frames = [(ids((0, 1, 255)), ids((0, 0, 2))), (ids((2, 2, 1)), ids((2, 1, 255)))]
    whole, parts = ConfusionMeter(THREE), [ConfusionMeter(THREE) for _ in frames]
    for part, frame in zip(parts, frames, strict=True):
        whole.update(*frame)
        part.update(*frame)
    joined = ConfusionMeter(THREE)
    for part in parts:
        joined.add(part.counts)
    np.testing.assert_array_equal(joined.counts, whole.counts)
    assert joined.scores().per_class_iou == whole.scores().per_class_iou
    assert joined.scores().frames == 2


def test_a_matrix_of_scores_can_be_added_again() -> None:
    meter, again = ConfusionMeter(THREE), ConfusionMeter(THREE)
    meter.update(ids((0, 1, 1)), ids((0, 0, 1)))
    again.add(meter.scores().confusion, 1)
    assert again.scores().miou == meter.scores().miou
    with pytest.raises(InputError, match=r"shape \(2, 2\); .*'three' needs \(4, 4\)"):
        again.add(np.zeros((2, 2), np.int64))
