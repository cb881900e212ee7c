# SPDX-License-Identifier: Apache-2.0
"""What a thermal camera's numbers mean, and whether they can mean what is said of them."""

from dataclasses import dataclass

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
