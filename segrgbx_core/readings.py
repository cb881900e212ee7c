# SPDX-License-Identifier: Apache-2.0
"""The types of the sensors' readings, and of the planes that the model receives.

Thermal and depth images, and raw polarization mosaics, are plain arrays. Readings that do not fit
into one array have a class here. Every encoding returns `Planes`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError

ImageReading = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]

MOST_EVENT_PIXELS = 1 << 26
"""A larger event sensor indicates damaged data; the largest real ones have 2^20 pixels."""
_EVENT_TYPES = {"x": np.uint16, "y": np.uint16, "polarity": np.bool_, "t_ns": np.int64}


@dataclass(frozen=True)
class Events:
    """The events of one time window.

    x, y: (N,) uint16 pixel of each event, 0-based from the top left. polarity: (N,) bool, True if
    the pixel became brighter. t_ns: (N,) int64 nanoseconds on the clock of the RGB stamps, not
    necessarily in order. width, height: of the sensor in pixels. start_ns, end_ns: the window,
    start included, end excluded. complete: False if the sensor is known to have dropped events
    within the window.
    Raises InputError for another dtype, arrays of different lengths, an implausible sensor size,
    and events outside the sensor.
    """

    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    polarity: npt.NDArray[np.bool_]
    t_ns: npt.NDArray[np.int64]
    width: int
    height: int
    start_ns: int
    end_ns: int
    complete: bool = True

    def __post_init__(self) -> None:
        for name, expected in _EVENT_TYPES.items():
            dtype = getattr(self, name).dtype
            if dtype != expected:
                raise InputError(
                    f"The events' {name} has values of type {dtype}; expected "
                    f"{np.dtype(expected)}: convert it with astype."
                )
        if min(self.width, self.height) < 1 or self.width * self.height > MOST_EVENT_PIXELS:
            raise InputError(
                f"The event sensor is stated to have {self.width}x{self.height} pixels; expected "
                "its true size."
            )
        lengths = {len(self.x), len(self.y), len(self.polarity), len(self.t_ns)}
        if len(lengths) != 1:
            raise InputError(
                f"The event arrays x, y, polarity and t have lengths {sorted(lengths)}; expected "
                "one length."
            )
        if len(self.x) and (self.x.max() >= self.width or self.y.max() >= self.height):
            raise InputError(
                f"An event lies at ({int(self.x.max())}, {int(self.y.max())}), outside the sensor "
                f"of {self.width}x{self.height}; give the sensor's true size."
            )

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class PolarizerImages:
    """Four polarizer images.

    intensity: (4, H, W) uint8, uint16 or float32 behind polarizers at 0, 45, 90 and 135 degrees,
    linear in light. Raises InputError for another shape.
    """

    intensity: ImageReading

    def __post_init__(self) -> None:
        if self.intensity.ndim != 3 or self.intensity.shape[0] != 4:
            raise InputError(
                f"The polarizer images have shape {self.intensity.shape}; expected (4, height, "
                "width), the angles 0, 45, 90 and 135 degrees in this order."
            )


@dataclass(frozen=True)
class PolarizationState:
    """Degree and angle of linear polarization.

    dolp: (H, W) float32 in 0..1. aolp: (H, W) float32 in radians, not limited to one turn. NaN in
    either marks an invalid pixel. Raises InputError if the shapes differ.
    """

    dolp: npt.NDArray[np.float32]
    aolp: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.dolp.ndim != 2 or self.dolp.shape != self.aolp.shape:
            raise InputError(
                f"DoLP has shape {self.dolp.shape} and AoLP {self.aolp.shape}; expected two "
                "(height, width) images of one size."
            )


@dataclass(frozen=True)
class LightFieldViews:
    """Sub-aperture views of one light field.

    views: (N, H, W) or (N, H, W, 3) uint8, red first. rows, columns: (N,) int64 place of each
    view in the angular grid. The central view is the one nearest to the middle of the grid.
    Raises InputError if the counts differ or a place occurs twice.
    """

    views: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.views)
        if self.views.ndim not in (3, 4) or len(self.rows) != count or len(self.columns) != count:
            raise InputError(
                f"The light field has views of shape {self.views.shape}, {len(self.rows)} rows "
                f"and {len(self.columns)} columns; expected (views, height, width) with as many "
                "of each."
            )
        places = Counter(zip(self.rows.tolist(), self.columns.tolist(), strict=True))
        (row, column), times = max(places.items(), key=lambda item: item[1], default=((0, 0), 1))
        if times > 1:
            raise InputError(
                f"{times} views of the light field are at row {row}, column {column}; expected "
                "one view a place: check the files' names."
            )


Reading = ImageReading | Events | PolarizerImages | PolarizationState | LightFieldViews


_SAME_ASPECT = 0.02

RgbImage = npt.NDArray[np.uint8]


def same_aspect(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two sizes in pixels, in the same order, have the same aspect ratio within 2 %."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1.0) <= _SAME_ASPECT


@dataclass(frozen=True)
class Planes:
    """An encoded reading. data: (3, H, W) float32 in 0..1, 0 where invalid. valid: (H, W) bool."""

    data: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
