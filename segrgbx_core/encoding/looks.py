# SPDX-License-Identifier: Apache-2.0
"""Planes as colours, for the pictures that the sensors' encodings make of them."""

from typing import cast

import cv2
import numpy as np

from segrgbx_core.encoding.contract import Floats
from segrgbx_core.readings import RgbImage

INFERNO, TURBO = cv2.COLORMAP_INFERNO, cv2.COLORMAP_TURBO


def color_mapped(plane: Floats, colors: int) -> RgbImage:
    """(H, W) in 0..1 through one of OpenCV's colour maps, as (H, W, 3) uint8."""
    levels = np.clip(np.ascontiguousarray(plane) * 255.0, 0, 255).round().astype(np.uint8)
    return cast(RgbImage, cv2.cvtColor(cv2.applyColorMap(levels, colors), cv2.COLOR_BGR2RGB))


def hues(turns: Floats, saturation: Floats, brightness: Floats) -> RgbImage:
    """Hue in turns, the others in 0..1, each (H, W), as (H, W, 3) uint8."""
    hsv = np.stack([turns * 179, saturation * 255, brightness * 255], axis=-1)
    return cast(RgbImage, cv2.cvtColor(hsv.round().astype(np.uint8), cv2.COLOR_HSV2RGB))
