# SPDX-License-Identifier: Apache-2.0
"""Split a polarization sensor's raw 2x2 mosaic into four images with common pixel centres.

The four angles of a superpixel are sampled half a pixel off its centre, in four directions.
Without correction, every edge of an unpolarized scene would show false polarization. So each
angle is interpolated to the superpixel's centre from its own samples: bilinear, 3/4 of the near
sample and 1/4 of the far one in each direction. All four then have the same centre and the same
blur. Interpolation to full resolution would not give this (one angle sharp, three not), and a
quarter of the pixels is enough for all the polarization that the sensor measured.
"""

from typing import Literal, cast

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading

ANGLES = (0, 45, 90, 135)
Demosaic = Literal["interpolate", "superpixel"]

_TOWARDS_NEXT = np.array([0.0, 0.75, 0.25], np.float32)
_TOWARDS_LAST = np.array([0.25, 0.75, 0.0], np.float32)


def parse_layout(layout: str) -> tuple[int, int, int, int]:
    """The angles of a superpixel in degrees: top left, top right, bottom left, bottom right.

    layout: such as "90,45,135,0". Raises InputError unless it names 0, 45, 90 and 135 once each.
    """
    words = [word.strip() for word in layout.split(",")]
    angles = [int(word) for word in words if word in {str(angle) for angle in ANGLES}]
    if len(words) != 4 or sorted(angles) != list(ANGLES):
        raise InputError(
            f"Polarization layout '{layout}' does not name 0, 45, 90 and 135 once each; give the "
            "superpixel's angles row by row, such as '90,45,135,0' (Sony sensors)."
        )
    return angles[0], angles[1], angles[2], angles[3]


def check_mosaic(mosaic: ImageReading) -> None:
    """Raises InputError for a colour image and for an odd or empty size."""
    if mosaic.ndim == 3:
        raise InputError(
            f"The polarization mosaic has shape {mosaic.shape}, so it was debayered or coloured "
            "and its angles are mixed; record the raw mono8 or mono16 topic instead."
        )
    if mosaic.ndim != 2 or 0 in mosaic.shape:
        raise InputError(
            f"The polarization mosaic has shape {mosaic.shape}; expected (height, width)."
        )
    if mosaic.shape[0] % 2 or mosaic.shape[1] % 2:
        raise InputError(
            f"The polarization mosaic is {mosaic.shape[1]}x{mosaic.shape[0]} pixels, which is no "
            "whole number of 2x2 superpixels; crop at even rows and columns of the sensor, or "
            "record the whole image."
        )


def split(
    mosaic: ImageReading, layout: tuple[int, int, int, int], demosaic: Demosaic
) -> npt.NDArray[np.float32]:
    """Splits a mosaic (H, W) into the images behind 0, 45, 90 and 135 degrees.

    Returns (4, H/2, W/2) float32. "interpolate" moves the four to a common centre; "superpixel"
    uses the samples directly, for colour sensors, whose neighbouring superpixels have filters of
    different colours.
    """
    images = np.empty((4, mosaic.shape[0] // 2, mosaic.shape[1] // 2), np.float32)
    for place, angle in enumerate(layout):
        row, column = divmod(place, 2)
        samples = cast(ImageReading, np.ascontiguousarray(mosaic[row::2, column::2]))
        out = images[ANGLES.index(angle)]
        if demosaic == "superpixel":
            out[:] = samples
        else:
            across = _TOWARDS_LAST if column else _TOWARDS_NEXT
            down = _TOWARDS_LAST if row else _TOWARDS_NEXT
            cv2.sepFilter2D(
                samples, cv2.CV_32F, across, down, dst=out, borderType=cv2.BORDER_REPLICATE
            )
    return images


def joined_mosaic(intensity: ImageReading, layout: tuple[int, int, int, int]) -> ImageReading:
    """The mosaic (2H, 2W) of which `split` by superpixels gives these images (4, H, W) back.

    intensity: behind 0, 45, 90 and 135 degrees, of any dtype, which is kept.
    """
    height, width = intensity.shape[1:]
    mosaic = np.empty((2 * height, 2 * width), intensity.dtype)
    for place, angle in enumerate(layout):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = intensity[ANGLES.index(angle)]
    return cast(ImageReading, mosaic)


def spoiled(bad: npt.NDArray[np.bool_], demosaic: Demosaic) -> npt.NDArray[np.bool_]:
    """The superpixels that depend on a bad sample: (H, W) bool to (H/2, W/2) bool."""
    reach = bad
    if demosaic == "interpolate" and bad.any():
        reach = cv2.dilate(bad.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    rows = reach[0::2] | reach[1::2]
    return rows[:, 0::2] | rows[:, 1::2]
