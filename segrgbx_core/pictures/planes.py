# SPDX-License-Identifier: Apache-2.0
"""One picture of an encoded reading: the reading, its planes and their validity."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import PlaneNames
from segrgbx_core.pictures.frames import BAND, TILE_WIDTHS, captioned, gap_of, resized, row_of
from segrgbx_core.readings import (
    Events,
    LightFieldViews,
    Planes,
    PolarizationState,
    PolarizerImages,
    Reading,
    RgbImage,
)

INVALID = (92, 34, 52)
MIDDLE, BRIGHTER, DARKER = (52, 57, 68), (245, 245, 245), (64, 140, 255)


def plane_picture(reading: Reading, planes: Planes, names: PlaneNames) -> RgbImage:
    """Reading | planes as red, green, blue | validity over the three planes, with captions.

    planes: (3, H, W). Tiles have the planes' aspect ratio and a width of 320 to 640 pixels.
    Invalid pixels are dark red. Returns (rows, columns, 3) uint8.
    """
    height, width = planes.valid.shape
    tile_width = int(np.clip(width, *TILE_WIDTHS))
    size = (tile_width, max(1, round(height * tile_width / width)))
    levels = np.clip(planes.data * 255.0, 0, 255).round().astype(np.uint8)
    together = _marked(np.moveaxis(levels, 0, -1), planes.valid)
    valid = _marked(np.full((height, width, 3), 255, np.uint8), planes.valid)
    share = f"valid: {planes.valid.mean():.1%} of {width}x{height}"
    top = [
        captioned(resized(reading_picture(reading), size), reading_words(reading)),
        captioned(resized(together, size), "planes as red, green, blue"),
        captioned(resized(valid, size, exact=True), share),
    ]
    bottom = [
        captioned(resized(_marked(_grey(level), planes.valid), size), f"{i}: {name}")
        for i, (level, name) in enumerate(zip(levels, names, strict=True))
    ]
    rows = [row_of(top), row_of(bottom)]
    gap = np.full((gap_of(tile_width), rows[0].shape[1], 3), BAND, np.uint8)
    return np.vstack([rows[0], gap, rows[1]])


def reading_words(reading: Reading) -> str:
    """Kind, size, type and range of a reading, as one line of text."""
    if isinstance(reading, Events):
        length_ms = (reading.end_ns - reading.start_ns) / 1e6
        size = f"{reading.width}x{reading.height}"
        return f"{len(reading):,} events in {length_ms:g} ms, {size}"
    if isinstance(reading, LightFieldViews):
        return f"central one of {len(reading.views)} views, {_size(reading.views[0])} uint8"
    if isinstance(reading, PolarizationState):
        return f"AoLP as hue, DoLP as colour, {_size(reading.dolp)}"
    if isinstance(reading, PolarizerImages):
        return f"0, 45 over 90, 135 degrees, {_described(reading.intensity)}"
    return _described(reading)


def reading_picture(reading: Reading) -> RgbImage:
    """A reading as an (H, W, 3) uint8 picture for display, of any size.

    Grey levels span the 1st to the 99th percentile of finite values. Brighter events are white,
    darker ones blue.
    """
    if isinstance(reading, Events):
        picture = np.full((reading.height, reading.width, 3), MIDDLE, np.uint8)
        for polarity, colour in ((False, DARKER), (True, BRIGHTER)):
            picked = reading.polarity == polarity
            picture[reading.y[picked], reading.x[picked]] = colour
        return picture
    if isinstance(reading, LightFieldViews):
        return _picture(_central(reading))
    if isinstance(reading, PolarizationState):
        return _hues(reading)
    if isinstance(reading, PolarizerImages):
        i0, i45, i90, i135 = reading.intensity
        return _picture(np.block([[i0, i45], [i90, i135]]))
    return _picture(reading)


def _central(reading: LightFieldViews) -> npt.NDArray[np.uint8]:
    places = np.stack([reading.rows, reading.columns], axis=1)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    return np.asarray(reading.views[((places - middle) ** 2).sum(axis=1).argmin()], np.uint8)


def _picture(image: npt.NDArray[np.generic]) -> RgbImage:
    if image.ndim == 3 and image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    values = np.asarray(image, np.float32)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    scaled = np.clip((values - low) / max(high - low, 1e-9) * 255.0, 0, 255)
    grey = np.nan_to_num(scaled).astype(np.uint8)
    return grey if grey.ndim == 3 else _grey(grey)


def _hues(state: PolarizationState) -> RgbImage:
    turn = np.nan_to_num(np.mod(state.aolp / np.pi, 1.0))
    strong = np.nan_to_num(np.clip(state.dolp, 0, 1))
    hsv = np.stack([turn * 179, strong * 255, np.full_like(turn, 255)], axis=-1)
    return cast(RgbImage, cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))


def _grey(level: npt.NDArray[np.uint8]) -> RgbImage:
    return np.repeat(level[..., None], 3, axis=2)


def _marked(image: RgbImage, valid: npt.NDArray[np.bool_]) -> RgbImage:
    return np.where(valid[..., None], image, np.array(INVALID, np.uint8))


def _size(image: npt.NDArray[np.generic]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _described(image: npt.NDArray[np.generic]) -> str:
    values = np.asarray(image, np.float64)
    finite = values[np.isfinite(values)]
    kind = f"{image.shape[-1]}x{image.shape[-2]} {image.dtype}"
    if image.ndim == 3 and image.shape[2] == 3:
        kind = f"{_size(image)}x3 {image.dtype}"
    if not finite.size:
        return f"{kind}, nothing finite"
    return f"{kind}, {finite.min():.6g} to {finite.max():.6g}"
