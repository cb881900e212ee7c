# SPDX-License-Identifier: Apache-2.0
"""One paired observation on its way to the model."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.readings import Reading

__all__ = ["Reading", "RgbImage", "RgbxFrame"]

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
