# SPDX-License-Identifier: Apache-2.0
"""Convert a light field to one image with all views side by side, and back."""

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.readings import LightFieldViews


def tiled(light_field: LightFieldViews, gaps: bool = False) -> npt.NDArray[np.uint8]:
    """The tiled image (rows * H, columns * W) or (..., 3) uint8, with each view at its place.

    The grid spans the smallest to the largest row and column of the views. gaps: places without a
    view are black. Raises InputError if a place has no view, with gaps only if that in the middle
    has none.
    """
    rows = light_field.rows - light_field.rows.min()
    columns = light_field.columns - light_field.columns.min()
    count = (int(rows.max()) + 1, int(columns.max()) + 1)
    middle = (rows == (count[0] - 1) // 2) & (columns == (count[1] - 1) // 2)
    if count[0] * count[1] != len(light_field.views) and not (gaps and middle.any()):
        raise InputError(
            f"The light field has {len(light_field.views)} views of a grid of {count[0]} rows and "
            f"{count[1]} columns; give all of them for a tiled image."
        )
    height, width = light_field.views.shape[1:3]
    image = np.zeros((count[0] * height, count[1] * width, *light_field.views.shape[3:]), np.uint8)
    for view, row, column in zip(light_field.views, rows, columns, strict=True):
        image[row * height : (row + 1) * height, column * width : (column + 1) * width] = view
    return image


def views_from_tiles(image: npt.NDArray[np.uint8], rows: int, columns: int) -> LightFieldViews:
    """The views of a tiled image (rows * H, columns * W) or (..., 3) uint8, in row-major order.

    Rows and columns are numbered from 0. Raises InputError for another shape or dtype, or if the
    image cannot be divided into the grid.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise InputError(
            f"The tiled light field has {image.dtype} values of shape {image.shape}; expected "
            "uint8 of shape (height, width) or (height, width, 3)."
        )
    height, width = image.shape[:2]
    if rows < 1 or columns < 1 or height % rows or width % columns:
        raise InputError(
            f"The tiled light field is {width}x{height}, which {columns} columns and {rows} rows "
            "do not divide; give the grid's true rows and columns."
        )
    h, w = height // rows, width // columns
    apart = image.reshape(rows, h, columns, w, *image.shape[2:])
    views = np.moveaxis(apart, 2, 1).reshape(rows * columns, h, w, *image.shape[2:])
    at = np.indices((rows, columns)).reshape(2, -1)
    return LightFieldViews(
        np.ascontiguousarray(views), at[0].astype(np.int64), at[1].astype(np.int64)
    )
