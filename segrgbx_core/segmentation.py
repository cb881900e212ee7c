# SPDX-License-Identifier: Apache-2.0
"""What the model says of one frame, and how it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import UNLABELLED, LabelSet
from segrgbx_core.readings import RgbImage


def color_mask(labels: npt.NDArray[np.uint8], label_set: LabelSet) -> RgbImage:
    """Class ids (H, W) uint8 to their display colours (H, W, 3) uint8."""
    colors: RgbImage = label_set.palette()[labels]
    return colors


def blend(
    rgb: RgbImage, labels: npt.NDArray[np.uint8], label_set: LabelSet, alpha: float = 0.5
) -> RgbImage:
    """The colour mask over the image; alpha 0 shows the image alone, 1 the colours alone.

    Unlabelled pixels show the image. rgb (H, W, 3) uint8, labels (H, W) uint8 of the same size.
    """
    if rgb.shape[:2] != labels.shape:
        raise InputError(
            f"The image is {rgb.shape[1]}x{rgb.shape[0]} and the mask "
            f"{labels.shape[1]}x{labels.shape[0]}; give the image that was segmented."
        )
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"Overlay alpha is {alpha}; expected 0 to 1.")
    weight = round(alpha * 256)
    mixed = (
        rgb.astype(np.uint16) * (256 - weight)
        + color_mask(labels, label_set).astype(np.uint16) * weight
    ) >> 8
    out: RgbImage = mixed.astype(np.uint8)
    hidden = labels == UNLABELLED
    out[hidden] = rgb[hidden]
    return out


@dataclass(frozen=True)
class Segmentation:
    """labels: (H, W) uint8 class ids, 255 unlabelled; confidence: (H, W) float32 in 0..1.

    timings_ms: milliseconds by stage ("encode", "model"). modality: the one used, "none" where
    RGB alone was segmented. x_valid: share of X's pixels that hold a measurement, in 0..1 (NaN in
    a raw reading is none), None where no X came.
    """

    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32]
    label_set: LabelSet
    modality: str
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    x_valid: float | None = None

    def color_mask(self) -> RgbImage:
        """Display colours (H, W, 3) uint8."""
        return color_mask(self.labels, self.label_set)

    def confidence_image(self) -> npt.NDArray[np.uint8]:
        """The confidence as (H, W) uint8, 255 for 1."""
        scaled = np.clip(self.confidence * 255.0, 0.0, 255.0)
        return np.asarray(np.rint(scaled), np.uint8)

    def overlay(self, rgb: RgbImage, alpha: float = 0.5) -> RgbImage:
        """The colour mask over the segmented image, (H, W, 3) uint8."""
        return blend(rgb, self.labels, self.label_set, alpha)
