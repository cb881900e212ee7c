# SPDX-License-Identifier: Apache-2.0
"""Settings of a depth camera, and conversion of its images to metres with NaN for holes."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding.contract import EncodingSettings, setting
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Metres
from segrgbx_core.plausible import (
    AS_STORED,
    BYTE_ORDERS,
    PLAUSIBLE_M,
    check_byte_order,
    in_order,
)
from segrgbx_core.readings import ImageReading

REPRESENTATIONS = ("log", "inverse", "hha")
UNITS = ("auto", "m", "mm", "disparity")


@dataclass(frozen=True)
class DepthSettings(EncodingSettings):
    """What the depth values mean, and how they are encoded."""

    representation: str = setting(
        "log",
        "log: the same step for the same ratio of distances; inverse: linear in disparity; hha: "
        "inverse depth, height above ground, angle with gravity",
        "",
        ", ".join(REPRESENTATIONS),
    )
    near_m: float = setting(
        0.4, "Depth that becomes 1; nearer is clipped and stays valid", "m", "above 0"
    )
    far_m: float = setting(
        80.0, "Depth that becomes 0; farther is clipped and stays valid", "m", "above near_m"
    )
    unit: str = setting(
        "auto",
        "What scale * reading is; auto is REP-118's: mm for uint16, m for float32",
        "",
        ", ".join(UNITS),
    )
    scale: float = setting(1.0, "Of scale * reading", "unit per count", "above 0")
    focal_px: float | None = setting(
        None,
        "Of the stereo pair, for unit disparity: depth = focal_px * baseline_m / disparity",
        "pixels",
        "above 0",
    )
    baseline_m: float | None = setting(
        None, "Of the stereo pair, for unit disparity", "m", "above 0"
    )
    invalid: float | None = setting(
        None,
        "A further reading that marks holes, as 0, NaN, infinity, below 0, and 65535 of uint16 "
        "always do",
        "the reading's",
    )
    camera: CameraModel | None = setting(None, "Of the depth image, for representation hha")
    gravity: tuple[float, float, float] | None = setting(
        None,
        "For hha: gravity's direction in the camera's axes (x right, y down, z forward); none: "
        "estimated from the surfaces of each image",
        "any length",
        "[x, y, z], not all 0",
    )
    height_limit_m: float = setting(
        3.0, "For hha: height above the lowest surface that becomes 1", "m", "above 0"
    )
    byte_order: str = setting(
        AS_STORED,
        "swapped: the two or four bytes of each reading are in the other order than stated",
        "",
        ", ".join(BYTE_ORDERS),
    )

    def __post_init__(self) -> None:
        _check_known("representation", self.representation, REPRESENTATIONS)
        _check_known("unit", self.unit, UNITS)
        check_byte_order("Depth", self.byte_order)
        if not 0.0 < self.near_m < self.far_m < float("inf"):
            raise InputError(
                f"Depth near_m is {self.near_m} and far_m {self.far_m}; expected 0 < near_m < "
                "far_m, in metres."
            )
        for name in ("scale", "height_limit_m"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise InputError(f"Depth {name} is {getattr(self, name)}; expected above 0.")
        if self.unit == "disparity":
            self._check_stereo()
        if self.gravity is not None and (
            len(self.gravity) != 3 or not 0 < np.linalg.norm(self.gravity) < np.inf
        ):
            raise InputError(
                f"The gravity direction is {self.gravity}; expected three numbers, not all 0, "
                "(0, 1, 0) for a level camera."
            )

    @property
    def focal_times_baseline(self) -> float:
        """Depth in metres of a disparity of 1; 0 if focal length or baseline is not set."""
        return (self.focal_px or 0.0) * (self.baseline_m or 0.0)

    @property
    def camera_needed_by(self) -> str:
        """See EncodingSettings."""
        return "Representation hha" if self.representation == "hha" and not self.camera else ""

    def with_camera(self, camera: CameraModel) -> "DepthSettings":
        """See EncodingSettings; a camera that is already set is kept."""
        return replace(self, camera=camera) if self.camera_needed_by else self

    def _check_stereo(self) -> None:
        for name, unit in (("focal_px", "pixels"), ("baseline_m", "metres")):
            value = getattr(self, name)
            if value is None or not 0.0 < value < float("inf"):
                raise InputError(
                    f"Depth unit 'disparity' needs {name} above 0 in {unit}, but it is {value}; "
                    "both are in the stereo camera's calibration."
                )


def _check_known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"Depth {what} '{value}' is unknown; expected one of {', '.join(known)}.")


_SAMPLE_ROWS = 60
_UNIT_NAMES = {"m": "metres", "mm": "millimetres"}
_METRES = {"m": 1.0, "mm": 1e-3}


def depth_in_metres(reading: ImageReading, settings: DepthSettings) -> Metres:
    """Converts (H, W) uint8, uint16 or float32 in the settings' unit to (H, W) float32 metres.

    Invalid pixels become NaN. Raises InputError for another shape or dtype, and for depths that
    no camera measures, which indicate a wrong unit.
    """
    unit = _unit(reading, settings)
    reading = in_order(reading, settings.byte_order)
    if reading.dtype == np.float32:
        metres = _metres(np.asarray(reading, np.float32), unit, settings)
    else:
        levels = cast(npt.NDArray[np.uint16], reading)
        metres = _table(levels.dtype.char, unit, settings).take(levels)
    check_plausible_depth(metres, reading, unit)
    return metres


def depth_image(
    reading: ImageReading, settings: DepthSettings
) -> tuple[ImageReading, DepthSettings]:
    """The depth as REP-118 has it: uint16 millimetres where the readings are, else float32 metres.

    Metres keep what a rounding to millimetres would change; holes in them are NaN. Raises
    InputError as `depth_in_metres` does.
    """
    if _is_millimetres(reading, settings):
        return reading, replace(settings, unit="auto", scale=1.0)
    metres = depth_in_metres(reading, settings)
    plain = replace(settings, unit="auto", scale=1.0, invalid=None, byte_order=AS_STORED)
    return metres, replace(plain, focal_px=None, baseline_m=None)


def _is_millimetres(reading: ImageReading, settings: DepthSettings) -> bool:
    unit = _unit(reading, settings)
    if reading.dtype != np.uint16 or unit == "disparity" or settings.byte_order != AS_STORED:
        return False
    return bool(np.float32(settings.scale * _METRES[unit]) == np.float32(_METRES["mm"]))


@lru_cache(maxsize=8)
def _table(kind: str, unit: str, settings: DepthSettings) -> Metres:
    """A lookup table from every value of an unsigned integer image to metres."""
    largest = np.iinfo(np.dtype(kind)).max
    metres = _metres(np.arange(largest + 1, dtype=np.float32), unit, settings)
    if largest > np.iinfo(np.uint8).max:
        metres[largest] = np.nan
    return metres


def _metres(values: Metres, unit: str, settings: DepthSettings) -> Metres:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if unit == "disparity":
            metres = np.float32(settings.focal_times_baseline / settings.scale) / values
        else:
            metres = values * np.float32(settings.scale * _METRES[unit])
        known = np.isfinite(metres) & (metres > 0)
    if settings.invalid is not None:
        known &= values != settings.invalid
    np.copyto(metres, np.nan, where=~known)
    return np.asarray(metres, np.float32)


def _unit(reading: ImageReading, settings: DepthSettings) -> str:
    if reading.ndim == 3 and reading.shape[2] == 3:
        raise InputError(
            f"The depth image has three channels {reading.shape}, so it is a picture for people "
            "and its distances are lost; record the 16UC1 or 32FC1 topic instead."
        )
    if reading.ndim != 2 or 0 in reading.shape:
        raise InputError(f"The depth image has shape {reading.shape}; expected (height, width).")
    if reading.dtype == np.uint8 and settings.unit == "auto":
        raise InputError(
            "The depth image has values of type uint8, too coarse for a depth in mm or m; record "
            "the 16UC1 or 32FC1 topic, or set the unit and scale of these bytes."
        )
    if reading.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"The depth image has values of type {reading.dtype}; expected uint16 (mm) or float32 "
            "(m)."
        )
    if settings.unit != "auto":
        return settings.unit
    return "m" if reading.dtype == np.float32 else "mm"


def check_plausible_depth(metres: Metres, reading: ImageReading, unit: str) -> None:
    """InputError if three quarters of the pixels are beyond, or below, the range of cameras."""
    step = max(1, min(metres.shape) // _SAMPLE_ROWS)
    sample, read = metres[::step, ::step], reading[::step, ::step]
    known = np.isfinite(sample)
    if not known.any():
        return
    quarter, three = np.percentile(sample[known], (25, 75))
    low, high = PLAUSIBLE_M
    if quarter <= high and three >= low:
        return
    median, value = float(np.median(sample[known])), float(np.median(read[known]))
    if unit == "disparity":
        way_out = "check focal_px (pixels), baseline_m (metres) and the disparity's scale"
    else:
        likely = "mm" if quarter > high else "m"
        true = value * _METRES[likely]
        fits = low <= true <= high and likely != unit
        way_out = (
            f"it looks like {_UNIT_NAMES[likely]} ({true:.3g} m): set unit '{likely}'"
            if fits
            else "set the scale that takes it to its unit"
        )
    meant = _UNIT_NAMES.get(unit, unit)
    raise InputError(
        f"The depth image has a median of {value:.6g}, which as {meant} is {median:.4g} m, while "
        f"depth cameras measure {low:g} to {high:g} m; {way_out}."
    )
