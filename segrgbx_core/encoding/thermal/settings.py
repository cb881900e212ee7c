# SPDX-License-Identifier: Apache-2.0
"""Settings of a thermal camera, and checks that its values are plausible in the stated unit."""

from dataclasses import dataclass

import numpy as np

from segrgbx_core.encoding.contract import EncodingSettings, setting
from segrgbx_core.encoding.thermal.colors import palette
from segrgbx_core.errors import InputError
from segrgbx_core.plausible import AS_STORED, BYTE_ORDERS, PLAUSIBLE_CELSIUS, check_byte_order

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
    """Raises InputError for an unknown unit."""
    if name != RAW and name not in UNITS:
        raise InputError(
            f"Thermal unit '{name}' is unknown; expected {RAW} (counts, or bytes after AGC), "
            f"{', '.join(UNITS)}."
        )


def check_plausible_thermal(unit: str, median: float) -> None:
    """Raises InputError if half of the scene would be implausibly cold or hot.

    median: of the image, after the settings' scale and offset. Raw counts are not checked.
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
    """Raises InputError if the fixed limits are so far from the image that their unit is wrong.

    limits, median: in the reading's unit.
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
class ThermalSettings(EncodingSettings):
    """What the readings mean, which of them are valid, and how they are scaled to 0..1."""

    clip_min: float | None = setting(
        None,
        "The cold end of a fixed range: degrees C, with unit raw scale * reading + offset; none: "
        "low_percentile of the frame",
        "degrees C, or raw",
        "below clip_max; both or none",
    )
    clip_max: float | None = setting(
        None,
        "The hot end of a fixed range; none: high_percentile of the frame",
        "degrees C, or raw",
        "above clip_min; both or none",
    )
    low_percentile: float = setting(
        1.0, "The cold end without clip_min", "%", "0 to high_percentile"
    )
    high_percentile: float = setting(
        99.0, "The hot end without clip_max", "%", "low_percentile to 100"
    )
    invalid: float | None = setting(
        None,
        "A reading that marks pixels without a measurement, as NaN and infinity always do",
        "the reading's",
    )
    unit: str = setting(
        RAW,
        "What scale * reading + offset is: raw for counts, or bytes after AGC",
        "",
        ", ".join((RAW, *UNITS)),
    )
    scale: float = setting(
        1.0,
        "Of scale * reading + offset; negative for counts that fall with temperature, as "
        "black-hot pictures",
        "unit per count",
        "not 0",
    )
    offset: float = setting(0.0, "Of scale * reading + offset", "unit")
    range_memory: float = setting(
        0.8,
        "How much of the earlier frames' range a video keeps from each frame to the next",
        "",
        "0 to below 1",
    )
    saturation: float | None = setting(
        None,
        "Readings from here up are invalid; none: 65535 for uint16, no limit for others",
        "the reading's",
    )
    dead_pixels: tuple[tuple[int, int], ...] = setting(
        (), "Pixels that are always invalid, as [row, column]", "pixels"
    )
    telemetry_rows: int = setting(
        0,
        "Rows of other data that the camera adds to its image; they are cut off, since the "
        "sensor, its CameraInfo and the RGB image have no such rows",
        "rows",
        "0 or more",
    )
    telemetry_at: str = setting("bottom", "Where the telemetry rows are", "", "bottom, top")
    color_map: str | None = setting(
        None,
        "The colour map of a coloured picture, one of OpenCV's by name (inferno) or gray",
    )

    byte_order: str = setting(
        AS_STORED,
        "swapped: the two or four bytes of each reading are in the other order than stated",
        "",
        ", ".join(BYTE_ORDERS),
    )

    def __post_init__(self) -> None:
        check_unit(self.unit)
        check_byte_order("Thermal", self.byte_order)
        self._check_range()
        if not np.isfinite([self.scale, self.offset]).all() or self.scale == 0:
            raise InputError(
                f"Thermal scale is {self.scale} and offset {self.offset}; expected finite numbers "
                "and a scale other than 0."
            )
        if self.saturation is not None and np.isnan(self.saturation):
            raise InputError("Thermal saturation is nan; give a reading, or leave it out.")
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
                f"Thermal percentiles are {self.low_percentile} and {self.high_percentile}; "
                "expected ascending values within 0..100."
            )

    @property
    def limits(self) -> tuple[float, float] | None:
        """clip_min and clip_max in the reading's unit; None if they are not set."""
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
