# SPDX-License-Identifier: Apache-2.0
"""The result of segmenting one frame, and its display."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.readings import RgbImage, same_aspect


def color_mask(labels: npt.NDArray[np.uint8], label_set: LabelSet) -> RgbImage:
    """The display colours (H, W, 3) uint8 of class ids (H, W) uint8."""
    # As OpenCV's colour map, which does not care what it calls the three channels.
    table = label_set.palette()[:, None]
    return np.asarray(cv2.applyColorMap(np.ascontiguousarray(labels), table), np.uint8)


def blend(
    rgb: RgbImage, labels: npt.NDArray[np.uint8], label_set: LabelSet, alpha: float = 0.5
) -> RgbImage:
    """The colour mask over the image, (H, W, 3) uint8.

    rgb: (H, W, 3) uint8. labels: (H, W) uint8. alpha: 0 shows only the image, 1 only the colours.
    Unlabelled pixels show the image. Raises InputError for different sizes, and for an alpha
    outside 0..1.
    """
    if rgb.shape[:2] != labels.shape:
        raise InputError(
            f"The image is {rgb.shape[1]}x{rgb.shape[0]} and the mask "
            f"{labels.shape[1]}x{labels.shape[0]}; give the image that was segmented."
        )
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"Overlay alpha is {alpha}; expected 0 to 1.")
    mask = color_mask(labels, label_set)
    mixed = cv2.addWeighted(np.ascontiguousarray(rgb), 1.0 - alpha, mask, alpha, 0.0)
    hidden = labels == UNLABELLED
    if hidden.any():
        mixed[hidden] = rgb[hidden]
    return np.asarray(mixed, np.uint8)


@dataclass(frozen=True)
class Segmentation:
    """The segmentation of one frame.

    labels: (H, W) uint8 class ids, 255 unlabelled; of the image's size, unless the network's was
    asked for. confidence: (H, W) float32 in 0..1.
    timings_ms: milliseconds by stage ("encode", "model"). modality: the sensor that was used;
    "none" if RGB alone was segmented. x_valid: share of X's pixels with a measurement, in 0..1
    (NaN in a raw reading is no measurement); None without X.
    """

    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32]
    label_set: LabelSet
    modality: str
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    x_valid: float | None = None

    def color_mask(self) -> RgbImage:
        """The display colours of the labels, (H, W, 3) uint8."""
        return color_mask(self.labels, self.label_set)

    def confidence_image(self) -> npt.NDArray[np.uint8]:
        """The confidence as (H, W) uint8; 255 is 1."""
        return np.asarray(cv2.convertScaleAbs(self.confidence, alpha=255.0), np.uint8)

    def overlay(self, rgb: RgbImage, alpha: float = 0.5) -> RgbImage:
        """The colour mask over the segmented image at the mask's size, (H, W, 3) uint8."""
        height, width = self.labels.shape
        if rgb.shape[0] > height and same_aspect(rgb.shape[1::-1], (width, height)):
            small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
            rgb = np.asarray(small, np.uint8)
        return blend(rgb, self.labels, self.label_set, alpha)


def mean_confidence(segmentation: Segmentation) -> float:
    """Mean over the labelled pixels in 0..1; NaN if no pixel is labelled."""
    labelled = segmentation.labels != UNLABELLED
    return float(segmentation.confidence[labelled].mean()) if labelled.any() else float("nan")


def class_fractions(segmentation: Segmentation) -> tuple[npt.NDArray[np.float32], float]:
    """Share of the mask's pixels by class id, (classes,) float32, and of unlabelled ones."""
    counts = np.bincount(segmentation.labels.ravel(), minlength=256)
    shares = counts / max(1, segmentation.labels.size)
    classes = len(segmentation.label_set.classes)
    return shares[:classes].astype(np.float32), float(shares[UNLABELLED])
