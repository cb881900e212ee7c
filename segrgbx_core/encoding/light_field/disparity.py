# SPDX-License-Identifier: Apache-2.0
"""Per-pixel disparity of one view of a light field against all others.

A point at x of the reference appears at x - d (u, v) in the view u columns to the right and v rows
down, where d is its disparity in pixels per view: above 0 nearer than the plane to which the views
are aligned, 0 on it, below 0 behind it. In an epipolar plane image d is the slope of a line
(Bolles, Baker and Marimont, 1987).

First, at a quarter of the resolution, the disparity with the best agreement of the views over a
window is selected from a few candidates. This needs no initial value and works for any range.
Then, at half and at full resolution, each view is warped by the current disparity, and the
remaining difference is minimised by least squares over a window (Lucas and Kanade, 1981, with all
views as one measurement): with g_k = u_k Ix + v_k Iy of the reference and r_k = warped view k -
reference,

    d += sum_k g_k r_k / sum_k g_k^2

Without texture the sum of g^2 is small, and the coarser estimate is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]

_OUTSIDE = -1e6
_NEVER = 1e-3
_SMALLEST = 40
_COARSE_WINDOW, _WIDE_WINDOW, _FINE_WINDOW = 5, 17, 7
_WIDE_SHARE = 0.1
_DAMPING = 0.01
_STEPS = {4: 0, 2: 2, 1: 1}


@dataclass(frozen=True)
class Views:
    """The reference view and the other views of a light field.

    reference: (H, W) float32. others: (N, H, W) float32. across, down: (N,) float32 columns and
    rows from the reference to each of the others.
    """

    reference: Image
    others: Image
    across: npt.NDArray[np.float32]
    down: npt.NDArray[np.float32]

    @property
    def reach(self) -> float:
        """The largest number of columns or rows from the reference to another view."""
        return float(max(np.abs(self.across).max(), np.abs(self.down).max()))


@dataclass(frozen=True)
class Slopes:
    """Disparity and its quality.

    disparity: (H, W) pixels per view. texture: (H, W) mean square change of the views, in
    intensity squared, per unit of disparity. error: (H, W) remaining mean square difference
    between the views, in intensity squared. texture and error are means over a window. seen:
    (H, W) number of other views that contain the point.
    """

    disparity: Image
    texture: Image
    error: Image
    seen: Image


def slopes(views: Views, lowest: float, highest: float) -> Slopes:
    """Disparities within lowest..highest pixels per view, and their quality."""
    scale = _coarsest(views.reference.shape)
    disparity = _best_of_range(_shrunk(views, scale), lowest / scale, highest / scale)
    while True:
        level = _shrunk(views, scale)
        bounds = (lowest / scale, highest / scale)
        for _ in range(_STEPS[scale]):
            refined = _refined(level, disparity, bounds)
            disparity = refined.disparity
        if scale == 1:
            return refined
        scale //= 2
        disparity = _grown(disparity, views.reference.shape, scale)


def _coarsest(shape: tuple[int, ...]) -> int:
    return next((scale for scale in (4, 2) if min(shape) >= scale * _SMALLEST), 1)


def _shrunk(views: Views, scale: int) -> Views:
    if scale == 1:
        return views
    height, width = views.reference.shape
    size = (-(-width // scale), -(-height // scale))

    def small(image: Image) -> Image:
        return cast(Image, cv2.resize(image, size, interpolation=cv2.INTER_AREA))

    others = np.stack([small(view) for view in views.others])
    return Views(small(views.reference), others, views.across, views.down)


def _grown(disparity: Image, shape: tuple[int, ...], scale: int) -> Image:
    size = (-(-shape[1] // scale), -(-shape[0] // scale))
    return cast(Image, 2 * cv2.resize(disparity, size, interpolation=cv2.INTER_LINEAR))


def _box(image: Image, window: int) -> Image:
    return cast(Image, cv2.boxFilter(image, -1, (window, window)))


def _best_of_range(views: Views, lowest: float, highest: float) -> Image:
    """The disparity with the least mean difference; one step is one pixel in the farthest view."""
    count = max(2, int(np.ceil((highest - lowest) * views.reach)) + 1)
    candidates = np.linspace(lowest, highest, count, dtype=np.float32)
    costs = np.stack([_cost(views, float(candidate)) for candidate in candidates])
    best = costs.argmin(axis=0)
    step = candidates[1] - candidates[0]
    return np.asarray(candidates[best] + _vertex(costs, best) * step, np.float32)


def _cost(views: Views, disparity: float) -> Image:
    """Mean difference between the views and the reference over a window at this disparity."""
    total = np.zeros_like(views.reference)
    seen = np.zeros_like(total)
    height, width = total.shape
    for view, across, down in zip(views.others, views.across, views.down, strict=True):
        shift = np.array([[1, 0, -disparity * across], [0, 1, -disparity * down]], np.float32)
        warped = cv2.warpAffine(
            view,
            shift,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_OUTSIDE,
        )
        inside = warped >= 0
        total += np.where(inside, np.abs(warped - views.reference), 0)
        seen += inside
    near, far = (_mean(total, seen, window) for window in (_COARSE_WINDOW, _WIDE_WINDOW))
    return near + _WIDE_SHARE * far


def _mean(total: Image, seen: Image, window: int) -> Image:
    """Mean of the visible values in the window; far above any difference if there are none."""
    count = _box(seen, window)
    return np.where(count > _NEVER, _box(total, window) / np.maximum(count, _NEVER), -_OUTSIDE)


def _vertex(costs: Image, best: npt.NDArray[np.int64]) -> Image:
    """Subpixel offset of the minimum, in -0.5..0.5 steps, from a parabola through three costs."""
    middle = np.clip(best, 1, len(costs) - 2) if len(costs) > 2 else best
    if len(costs) <= 2:
        return np.zeros(best.shape, np.float32)
    before, at, after = (
        np.take_along_axis(costs, (middle + step)[None], 0)[0] for step in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    offset = np.clip((before - after) / (2 * np.where(bend > 0, bend, np.inf)), -0.5, 0.5)
    return np.where(middle == best, offset, 0).astype(np.float32)


def _refined(views: Views, disparity: Image, bounds: tuple[float, float]) -> Slopes:
    """One least-squares step from this disparity."""
    texture, product, error, seen = (np.zeros_like(disparity) for _ in range(4))
    for slope, left, inside in _differences(views, disparity):
        texture += slope * slope
        product += slope * left
        error += left * left
        seen += inside
    windowed = _box(texture, _FINE_WINDOW)
    step = _box(product, _FINE_WINDOW) / (windowed + _damping(windowed))
    limit = 1.0 / views.reach
    step = np.clip(step, -limit, limit)
    error = np.maximum(error - 2 * step * product + step * step * texture, np.float32(0))
    better = cast(Image, cv2.medianBlur(np.clip(disparity + step, *bounds), 5))
    count = np.maximum(_box(seen, _FINE_WINDOW), np.float32(_NEVER))
    return Slopes(better, windowed / count, _box(error, _FINE_WINDOW) / count, seen)


def _damping(texture: Image) -> float:
    return _DAMPING * float(texture.mean()) + 1e-12


def _differences(
    views: Views, disparity: Image
) -> Iterator[tuple[Image, Image, npt.NDArray[np.bool_]]]:
    """For each view: change per unit of disparity, remaining difference, and visibility mask."""
    height, width = disparity.shape
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    along_x = cv2.Sobel(views.reference, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    along_y = cv2.Sobel(views.reference, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    for view, across, down in zip(views.others, views.across, views.down, strict=True):
        warped = cv2.remap(
            view,
            x - disparity * across,
            y - disparity * down,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_OUTSIDE,
        )
        inside = warped >= 0
        slope = (along_x * across + along_y * down) * inside
        yield slope, np.where(inside, warped - views.reference, 0), inside
