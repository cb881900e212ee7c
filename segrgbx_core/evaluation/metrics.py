# SPDX-License-Identifier: Apache-2.0
"""Intersection over union and pixel accuracy from one accumulated confusion matrix."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.classification import MulticlassConfusionMatrix

from segrgbx_core.errors import InputError, LabelError
from segrgbx_core.labels import UNLABELLED, LabelSet

LabelImage = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Scores:
    """Shares in 0..1; None where nothing was there to measure.

    miou: mean over the classes whose IoU is not None. per_class_iou: by class name; None for a
    class that occurs neither in the truth nor in the prediction. pixel_accuracy: right pixels over
    all pixels with a truth. confusion: (C, C) int64, rows truth, columns prediction; pixels
    predicted as unlabelled are in no column, yet count against their class.
    """

    miou: float | None
    per_class_iou: Mapping[str, float | None]
    pixel_accuracy: float | None
    frames: int
    confusion: npt.NDArray[np.int64]


class ConfusionMeter:
    """Counts truth against prediction over any number of frames.

    IoU of a class = TP / (TP + FP + FN) over all frames together, not a mean of frames.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._label_set = label_set
        self._frames = 0
        self._matrix = MulticlassConfusionMatrix(
            num_classes=len(label_set) + 1, ignore_index=UNLABELLED, validate_args=False
        )

    def update(self, predicted: LabelImage, truth: LabelImage) -> None:
        """Adds one frame.

        predicted, truth: (H, W) uint8 class ids. 255 in the truth is ignored; 255 in the
        prediction is wrong wherever there is a truth.
        Raises InputError where the two differ in size, LabelError for an id outside the set.
        """
        if predicted.shape != truth.shape or predicted.ndim != 2:
            raise InputError(
                f"The prediction has shape {predicted.shape} and the ground truth {truth.shape}; "
                "expected the same (height, width)."
            )
        unlabelled = len(self._label_set)
        answers = self._checked(predicted, "prediction")
        answers = np.where(answers == UNLABELLED, unlabelled, answers)
        targets = self._checked(truth, "ground truth")
        self._matrix.update(
            torch.from_numpy(answers.astype(np.int64).ravel()),
            torch.from_numpy(targets.astype(np.int64).ravel()),
        )
        self._frames += 1

    def _checked(self, labels: LabelImage, what: str) -> LabelImage:
        outside = labels[(labels >= len(self._label_set)) & (labels != UNLABELLED)]
        if outside.size:
            raise LabelError(
                f"The {what} holds class id {int(outside[0])}, but label set "
                f"'{self._label_set.name}' has ids 0 to {len(self._label_set) - 1} "
                f"(and {UNLABELLED} for unlabelled); use the label set it was made with."
            )
        return labels

    def scores(self) -> Scores:
        """What the frames so far amount to."""
        counts = np.zeros((len(self._label_set) + 1,) * 2, np.int64)
        if self._frames:
            counts = self._matrix.compute().cpu().numpy().astype(np.int64)
        right = np.diag(counts)
        union = counts.sum(axis=0) + counts.sum(axis=1) - right
        iou = {
            name: float(right[i] / union[i]) if union[i] else None
            for i, name in enumerate(self._label_set.names)
        }
        measured = [value for value in iou.values() if value is not None]
        total = int(counts.sum())
        return Scores(
            miou=float(np.mean(measured)) if measured else None,
            per_class_iou=iou,
            pixel_accuracy=float(right.sum() / total) if total else None,
            frames=self._frames,
            confusion=counts[:-1, :-1],
        )
