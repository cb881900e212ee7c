# SPDX-License-Identifier: Apache-2.0
"""Scores against values worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.labels import LabelClass, LabelSet

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
    with pytest.raises(InputError, match=r"prediction has shape \(1, 2\).*truth \(1, 3\)"):
        ConfusionMeter(THREE).update(ids((0, 1)), ids((0, 1, 1)))


@pytest.mark.parametrize(
    ("predicted", "truth", "what"), [(3, 0, "prediction"), (0, 7, "ground truth")]
)
def test_an_id_outside_the_set_is_named(predicted: int, truth: int, what: str) -> None:
    with pytest.raises(LabelError, match=rf"The {what} holds class id {predicted + truth}, but"):
        ConfusionMeter(THREE).update(ids((predicted,)), ids((truth,)))
