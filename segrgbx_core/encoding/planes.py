# SPDX-License-Identifier: Apache-2.0
"""What every encoding returns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Planes:
    """data: (3, H, W) float32 in 0..1, 0 where invalid; valid: (H, W) bool."""

    data: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
