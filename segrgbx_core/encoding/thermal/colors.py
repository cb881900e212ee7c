# SPDX-License-Identifier: Apache-2.0
"""Convert colour-mapped thermal pictures back to levels by inverting the colour map."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError

_PREFIX = "COLORMAP_"
GREY = "gray"
_FARTHEST = 24.0
_SAME_COLOR = 4.0
_FAR_APART = 12
_CHUNK = 16384
_Colors = npt.NDArray[np.float32]


def color_map_names() -> tuple[str, ...]:
    """The names of OpenCV's colour maps in lower case, and gray."""
    known = {name[len(_PREFIX) :].lower() for name in dir(cv2) if name.startswith(_PREFIX)}
    return tuple(sorted(known | {GREY}))


@cache
def palette(name: str) -> _Colors:
    """(256, 3) colours in 0..255, red first, from cold to hot.

    Raises InputError for an unknown map, and for a map in which two levels share a colour.
    """
    if name not in color_map_names():
        raise InputError(
            f"Colour map '{name}' is unknown; expected one of {', '.join(color_map_names())}."
        )
    steps = np.arange(256, dtype=np.uint8)[:, None]
    if name == GREY:
        return np.repeat(steps, 3, 1).astype(np.float32)
    code = int(getattr(cv2, f"{_PREFIX}{name.upper()}"))
    colors = cv2.applyColorMap(steps, code)[:, 0, ::-1].astype(np.float32)
    apart = np.abs(np.arange(256)[:, None] - np.arange(256)[None]) > _FAR_APART
    twice = np.argwhere(apart & (_distances(colors, colors) < _SAME_COLOR**2))
    if len(twice):
        first, second = twice[0]
        raise InputError(
            f"Colour map '{name}' shows level {first} and level {second} in the same colour, so "
            "temperatures cannot be recovered; record the mono8, mono16 or 32FC1 topic instead."
        )
    return colors


def levels_of(image: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.float32]:
    """Converts (H, W, 3) uint8, red first, to levels (H, W) float32 in 0..255.

    Each pixel gets the level of the nearest colour; NaN if its colour is not in the map, as in
    text, a cross-hair or a logo. Raises InputError if most pixels are not in the map.
    """
    colors = palette(name)
    packed = image.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    distinct, place = np.unique(packed, return_inverse=True)
    shown = np.stack([distinct >> 16, (distinct >> 8) & 255, distinct & 255], 1)
    levels = np.empty(len(distinct), np.float32)
    for start in range(0, len(distinct), _CHUNK):
        part = slice(start, start + _CHUNK)
        squares = _distances(shown[part].astype(np.float32), colors)
        near = squares.min(1) <= _FARTHEST**2
        levels[part] = np.where(near, squares.argmin(1), np.nan)
    result = levels[place.reshape(packed.shape)]
    if np.isnan(result).mean() > 0.5:
        raise InputError(
            f"Most of the thermal picture's colours are not of the colour map '{name}'; name the "
            "map that the camera applies, and check that red and blue are not exchanged."
        )
    return result


def _distances(a: _Colors, b: _Colors) -> _Colors:
    """(N, M) squared distances between N and M colours."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(squares, np.float32)
