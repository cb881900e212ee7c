# SPDX-License-Identifier: Apache-2.0
"""The views of a light field: cut from a tiled image, selected, and equalised in brightness.

ROS has no message type for light fields. They come either as one file per view, or as one image
with all views side by side, row by row.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.light_field.disparity import Image, Views
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading, LightFieldViews

ViewPlace = tuple[int, int]

_GRID = range(1, 10)
VIEW_SETS: dict[str, frozenset[ViewPlace]] = {
    "8": frozenset((5, column) for column in _GRID),
    "33": frozenset(
        (row, column)
        for row in _GRID
        for column in _GRID
        if 5 in (row, column) or row == column or row + column == 10
    ),
    "80": frozenset((row, column) for row in _GRID for column in _GRID),
}
"""Row and column in UrbanLF's names `<row>_<column>.png`: the middle row, the four lines through
the centre, all. Each set contains the centre 5_5; the names 8 and 80 do not count it, 33 does."""

_WAYS: dict[str, ViewPlace] = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}

_MOST_TILES = 17
_ALIKE = 0.6
_SAME = 1.2
_SHOWN = 5
_DARKEST = 0.5
_BLUR = 0.8


def parse_numbering(numbering: str) -> tuple[ViewPlace, ViewPlace]:
    """The movement (right, down) of the view for the next row and for the next column.

    numbering: such as "down,right". Raises InputError unless one word is up or down, and the
    other left or right.
    """
    words = [word.strip() for word in numbering.split(",")]
    ways = [_WAYS[word] for word in words if word in _WAYS]
    if len(words) != 2 or len(ways) != 2 or bool(ways[0][0]) == bool(ways[1][0]):
        raise InputError(
            f"Light field numbering '{numbering}' is unknown; give the direction in which the "
            "view moves with the row's number and with the column's, such as 'down,right'."
        )
    return ways[0], ways[1]


@dataclass(frozen=True)
class Grid:
    """images: (N, H, W) float32 brightness. places: (N, 2) int64 row and column of each."""

    images: Image
    places: npt.NDArray[np.int64]

    def names(self) -> set[ViewPlace]:
        """The places (row, column) of the views."""
        return {(row, column) for row, column in self.places.tolist()}


def from_views(reading: LightFieldViews) -> Grid:
    """Brightness of separate views. Raises InputError for views that are not uint8."""
    views = reading.views
    if views.dtype != np.uint8 or 0 in views.shape or (views.ndim == 4 and views.shape[3] != 3):
        raise InputError(
            f"The light field's views have shape {views.shape} and type {views.dtype}; expected "
            "(views, height, width) or (views, height, width, 3) of uint8."
        )
    images = np.stack([_brightness(view) for view in views])
    return Grid(images, np.stack([reading.rows, reading.columns], axis=1))


def from_tiles(image: ImageReading, rows: int | None, columns: int | None) -> Grid:
    """Cuts an image of rows x columns views; rows and columns are numbered from 1.

    image: (H, W) or (H, W, 3) uint8 or uint16. rows, columns: None estimates the number.
    Raises InputError for another shape or dtype, a size that is not a multiple of the grid, or if
    the grid cannot be estimated.
    """
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] != 3):
        raise InputError(
            f"The tiled light field has shape {image.shape}; expected (height, width) or (height, "
            "width, 3)."
        )
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"The tiled light field has values of type {image.dtype}; expected uint8 or uint16."
        )
    grey = _brightness(image)
    rows = rows or _count_down(grey, "rows")
    columns = columns or _count_down(grey.T, "columns")
    height, width = grey.shape
    if height % rows or width % columns:
        raise InputError(
            f"The tiled light field is {width}x{height} pixels, which is no grid of {rows} rows "
            f"and {columns} columns of equal views; set rows and columns to those of the image."
        )
    tiles = grey.reshape(rows, height // rows, columns, width // columns).swapaxes(1, 2)
    places = np.indices((rows, columns)).reshape(2, -1).T + 1
    return Grid(tiles.reshape(-1, *tiles.shape[2:]), places.astype(np.int64))


def chosen(grid: Grid, name: str) -> Grid:
    """The views of a set of VIEW_SETS. Raises InputError that names missing views."""
    wanted = VIEW_SETS[name]
    missing = sorted(wanted - grid.names())
    if missing:
        shown = ", ".join(f"{row}_{column}" for row, column in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise InputError(
            f"The light field lacks {shown}{more} (row_column) of its view set '{name}'; add the "
            "missing views, or set views to 'all' to use the existing ones."
        )
    keep = [place in wanted for place in map(tuple, grid.places.tolist())]
    return Grid(grid.images[keep], grid.places[keep])


def related(grid: Grid, numbering: str) -> Views:
    """The view nearest to the grid's middle (the first of equals) and the others around it.

    Each view is scaled to the reference's mean brightness. A view less than half as bright is
    outside the lens or from a dead camera, and is left out.
    Raises InputError if fewer than two views remain, or the reference is black.
    """
    down, across = parse_numbering(numbering)
    middle = (grid.places.min(axis=0) + grid.places.max(axis=0)) / 2
    order = np.lexsort((*grid.places.T[::-1], ((grid.places - middle) ** 2).sum(axis=1)))
    reference = int(order[0])
    means = grid.images.mean(axis=(1, 2))
    bright = means > _DARKEST * means[reference]
    bright[reference] = False
    if not bright.any():
        row, column = grid.places[reference]
        raise InputError(
            f"The light field has {len(means)} view{'s' * (len(means) > 1)}, and no second one "
            f"that is half as bright as the central view {row}_{column}; give at least two views, "
            "which disparity needs."
        )
    steps = (grid.places[bright] - grid.places[reference]) @ np.array([down, across])
    gains = means[reference] / means[bright]
    others = [_smooth(view * gain) for view, gain in zip(grid.images[bright], gains, strict=True)]
    return Views(
        _smooth(grid.images[reference]),
        np.stack(others),
        steps[:, 0].astype(np.float32),
        steps[:, 1].astype(np.float32),
    )


def _smooth(image: Image) -> Image:
    """Reduces noise and keeps gradients valid over the length of a step."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _BLUR), np.float32)


def _brightness(image: ImageReading) -> Image:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float32)


def _count_down(grey: Image, what: str) -> int:
    """The number of tiles in a column of the image.

    Views of one scene are similar, so the image is most similar to itself shifted by one tile;
    other shifts show the difference between unrelated places. If two numbers fit (3 tiles of 9
    are also a period), the larger one is returned.
    """
    thin = np.ascontiguousarray(grey[:, :: max(1, grey.shape[1] // 256)])
    unlike = {}
    for count in range(2, min(_MOST_TILES, len(thin)) + 1):
        period = max(1, round(len(thin) / count))
        unlike[count] = float(np.abs(thin[period:] - thin[:-period]).mean())
    fitting = [count for count in unlike if len(thin) % count == 0]
    least = min((unlike[count] for count in fitting), default=np.inf)
    if not unlike or not least < _ALIKE * float(np.median(list(unlike.values()))):
        height, width = grey.shape if what == "rows" else grey.shape[::-1]
        raise InputError(
            f"The number of {what} of views cannot be estimated from the tiled light field of "
            f"{width}x{height} pixels; set rows and columns."
        )
    return max(count for count in fitting if unlike[count] <= _SAME * least)
