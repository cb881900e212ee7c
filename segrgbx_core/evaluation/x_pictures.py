# SPDX-License-Identifier: Apache-2.0
"""The planes of each sensor as a person would look at them, for pictures beside RGB."""

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.frame import RgbImage

INVALID = (38, 42, 51)
Floats = npt.NDArray[np.float32]


def x_picture(
    planes: Floats, modality: str, valid: npt.NDArray[np.bool_] | None = None
) -> RgbImage:
    """(3, H, W) float32 planes in 0..1 as (H, W, 3) uint8; invalid pixels are dark blue-grey.

    thermal: hot is bright. depth: near is red, far is blue. light_field: the same of disparity,
    grey where it is unsure. polarization: the angle as hue, bright and pure where it is strong.
    event: the planes as red, green and blue. valid: (H, W) bool, all where None.
    """
    picture = _PICTURES.get(modality, _as_colours)(planes)
    if valid is None:
        return picture
    return np.asarray(np.where(valid[..., None], picture, INVALID), np.uint8)


def _as_colours(planes: Floats) -> RgbImage:
    return _levels(np.moveaxis(planes, 0, -1))


def _thermal(planes: Floats) -> RgbImage:
    return _mapped(planes[0], cv2.COLORMAP_INFERNO)


def _near_is_red(planes: Floats) -> RgbImage:
    return _mapped(planes[0], cv2.COLORMAP_TURBO)


def _light_field(planes: Floats) -> RgbImage:
    """Disparity, faded to grey of the same brightness where its confidence is low."""
    colours = _mapped(planes[0], cv2.COLORMAP_TURBO).astype(np.float32)
    grey = colours.mean(axis=2, keepdims=True)
    sure = np.clip(planes[1], 0, 1)[..., None]
    return np.asarray((grey + (colours - grey) * sure).round(), np.uint8)


def _polarization(planes: Floats) -> RgbImage:
    """Planes 1 and 2 are (1 + w sin 2a) / 2 and (1 + w cos 2a) / 2: 2a is the hue."""
    twice = np.arctan2(2 * planes[1] - 1, 2 * planes[2] - 1)
    hue = np.mod(twice / (2 * np.pi), 1.0) * 179
    strong = np.clip(planes[0], 0, 1)
    pure, bright = np.minimum(1.3 * strong, 1.0) * 255, (0.35 + 0.65 * strong) * 255
    hsv = np.stack([hue, pure, bright], axis=-1).round().astype(np.uint8)
    return cast(RgbImage, cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _mapped(plane: Floats, colours: int) -> RgbImage:
    mapped = cv2.applyColorMap(np.ascontiguousarray(_levels(plane)), colours)
    return cast(RgbImage, cv2.cvtColor(mapped, cv2.COLOR_BGR2RGB))


def _levels(values: Floats) -> npt.NDArray[np.uint8]:
    return np.asarray(np.clip(values * 255.0, 0, 255).round(), np.uint8)


_PICTURES: dict[str, Callable[[Floats], RgbImage]] = {
    "thermal": _thermal,
    "depth": _near_is_red,
    "light_field": _light_field,
    "polarization": _polarization,
}
