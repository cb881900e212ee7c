# SPDX-License-Identifier: Apache-2.0
"""What a user can say about a thermal camera."""

from dataclasses import dataclass

import numpy as np

from segrgbx_core.encoding.thermal_colors import palette
from segrgbx_core.encoding.thermal_units import RAW, UNITS, check_unit
from segrgbx_core.errors import InputError


@dataclass(frozen=True)
class ThermalSettings:
    """What the numbers mean, which of them count, and how they become 0..1.

    unit: "raw" (counts, or bytes after AGC), "celsius", "kelvin", "centikelvin" or "decikelvin",
    of scale * reading + offset; a negative scale is for counts that fall with temperature, as
    black-hot pictures. clip_min, clip_max: fixed range in degrees C, with "raw" in scale * reading
    + offset; both None takes the frame's percentiles low_percentile and high_percentile, 0..100.
    range_memory: 0..below 1, how much of the earlier frames' range a video keeps from each frame
    to the next (encoding.stream; a single image has none).
    invalid: a reading that marks pixels without a measurement, as NaN and infinity always do.
    saturation: readings from here up are invalid; None takes 65535 for uint16 and none for others.
    dead_pixels: (row, column) of pixels that are always invalid.
    telemetry_rows: rows that the camera adds to its image for other data, at telemetry_at
    ("bottom" or "top"). They are cut off, not masked: the sensor has no such rows, and with them
    the image would fit neither its CameraInfo nor the RGB image's aspect.
    color_map: the map of a coloured picture, one of OpenCV's by name ("inferno") or "gray".
    """

    clip_min: float | None = None
    clip_max: float | None = None
    low_percentile: float = 1.0
    high_percentile: float = 99.0
    invalid: float | None = None
    unit: str = RAW
    scale: float = 1.0
    offset: float = 0.0
    range_memory: float = 0.8
    saturation: float | None = None
    dead_pixels: tuple[tuple[int, int], ...] = ()
    telemetry_rows: int = 0
    telemetry_at: str = "bottom"
    color_map: str | None = None

    def __post_init__(self) -> None:
        check_unit(self.unit)
        self._check_range()
        if not np.isfinite([self.scale, self.offset]).all() or self.scale == 0:
            raise InputError(
                f"Thermal scale is {self.scale} and offset {self.offset}; expected finite numbers "
                "and a scale other than 0."
            )
        if self.saturation is not None and np.isnan(self.saturation):
            raise InputError("Thermal saturation is nan; expected a reading, or leave it out.")
        if not 0.0 <= self.range_memory < 1.0:
            raise InputError(
                f"Thermal range_memory is {self.range_memory}; expected 0 (none) to below 1."
            )
        if self.telemetry_rows < 0 or self.telemetry_at not in ("bottom", "top"):
            raise InputError(
                f"Thermal telemetry_rows is {self.telemetry_rows} at '{self.telemetry_at}'; "
                "expected 0 or more, at 'bottom' or 'top'."
            )
        if self.color_map is not None:
            palette(self.color_map)

    def _check_range(self) -> None:
        if (self.clip_min is None) != (self.clip_max is None):
            raise InputError("Thermal settings give only one of clip_min and clip_max; give both.")
        if (
            self.clip_min is not None
            and self.clip_max is not None
            and not -np.inf < self.clip_min < self.clip_max < np.inf
        ):
            raise InputError(
                f"Thermal clip_min {self.clip_min} is not below clip_max {self.clip_max}, or not "
                "finite; give the range's cold and hot end."
            )
        if not 0.0 <= self.low_percentile < self.high_percentile <= 100.0:
            raise InputError(
                f"Thermal percentiles {self.low_percentile} and {self.high_percentile} are not "
                "in order within 0..100."
            )

    @property
    def limits(self) -> tuple[float, float] | None:
        """clip_min and clip_max in the reading's own unit; None without them."""
        if self.clip_min is None or self.clip_max is None:
            return None
        low, high = self.clip_min, self.clip_max
        if self.unit != RAW:
            low, high = UNITS[self.unit].value(low), UNITS[self.unit].value(high)
        return (low - self.offset) / self.scale, (high - self.offset) / self.scale

    @property
    def ends(self) -> tuple[float, float]:
        """The percentiles of the reading at the cold and the hot end."""
        if self.scale > 0:
            return self.low_percentile, self.high_percentile
        return 100.0 - self.low_percentile, 100.0 - self.high_percentile
