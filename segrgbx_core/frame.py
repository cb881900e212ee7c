# SPDX-License-Identifier: Apache-2.0
"""One paired observation on its way to the model, and whether its two images are of one shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.readings import Reading

__all__ = ["Reading", "RgbImage", "RgbxFrame", "same_aspect"]

_SAME_ASPECT = 0.02

RgbImage = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RgbxFrame:
    """An RGB image and the X reading that goes with it.

    rgb: (H, W, 3) uint8, red first. x: the raw reading of the second sensor in the sensor's own
    unit (see segrgbx_core.readings), or None where there is no X. Stamps are in nanoseconds.
    """

    rgb: RgbImage
    x: Reading | None
    modality: str
    rgb_stamp_ns: int = 0
    x_stamp_ns: int | None = None
    frame_id: str = ""

    @property
    def skew_ns(self) -> int | None:
        """X stamp minus RGB stamp in nanoseconds; None without X."""
        return None if self.x_stamp_ns is None else self.x_stamp_ns - self.rgb_stamp_ns


def same_aspect(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two sizes, in pixels and the same order, have one aspect ratio, to 2 %."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1.0) <= _SAME_ASPECT
