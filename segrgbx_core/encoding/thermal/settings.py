# SPDX-License-Identifier: Apache-2.0
"""What a user can say about a thermal camera, and whether its numbers can mean what is said."""

from dataclasses import dataclass

import numpy as np

from segrgbx_core.encoding.thermal.colors import palette
from segrgbx_core.errors import InputError

PLAUSIBLE_CELSIUS = (-100.0, 200.0)
COLDEST_CELSIUS = -150.0
_FAR_RANGES = 10.0


@dataclass(frozen=True)
class ThermalUnit:
    """degrees C = scale * value + offset."""

    scale: float
    offset: float
    meaning: str

    def celsius(self, value: float) -> float:
        return self.scale * value + self.offset

    def value(self, celsius: float) -> float:
        return (celsius - self.offset) / self.scale


RAW = "raw"
UNITS: dict[str, ThermalUnit] = {
    "celsius": ThermalUnit(1.0, 0.0, "degrees C"),
    "kelvin": ThermalUnit(1.0, -273.15, "kelvin"),
    "centikelvin": ThermalUnit(0.01, -273.15, "kelvin x 100 (TLinear, high resolution)"),
    "decikelvin": ThermalUnit(0.1, -273.15, "kelvin x 10 (TLinear, low resolution)"),
}


def check_unit(name: str) -> None:
    """InputError for a name that is no unit."""
    if name != RAW and name not in UNITS:
        raise InputError(
            f"Thermal unit '{name}' is unknown; expected {RAW} (counts, or bytes after AGC), "
            f"{', '.join(UNITS)}."
        )


def check_plausible(unit: str, median: float) -> None:
    """InputError where half a scene would be colder or hotter than scenes are.

    median: of the image, after the settings' scale and offset. Nothing can be said of raw counts.
    """
    if unit == RAW:
        return
    low, high = PLAUSIBLE_CELSIUS
    celsius = UNITS[unit].celsius(median)
    if low <= celsius <= high:
        return
    likely = [n for n, u in UNITS.items() if n != unit and low <= u.celsius(median) <= high]
    if likely:
        best = min(likely, key=lambda n: abs(UNITS[n].celsius(median) - 20.0))
        hint = f"it looks like {best} ({UNITS[best].celsius(median):.1f} degrees C): set that unit"
    else:
        hint = f"set scale and offset, or unit '{RAW}' for counts without a known temperature"
    raise InputError(
        f"The thermal image has a median of {median:.6g}, which as {unit} is {celsius:.1f} "
        f"degrees C, outside {low:g} to {high:g}; {hint}."
    )


def check_limits(limits: tuple[float, float], median: float) -> None:
    """InputError where the fixed limits lie so far from the image that their unit is another's.

    limits and median: in the reading's own unit.
    """
    low, high = sorted(limits)
    width = high - low
    if low - _FAR_RANGES * width <= median <= high + _FAR_RANGES * width:
        return
    raise InputError(
        f"The thermal limits {low:.6g} to {high:.6g} are far from the image's median of "
        f"{median:.6g} (both in the reading's own unit), so that every pixel would be clipped; "
        "give limits in the unit that is set, or set the unit."
    )


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
