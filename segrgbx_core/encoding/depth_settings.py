# SPDX-License-Identifier: Apache-2.0
"""What a user can say about a depth camera and the planes made of it."""

from dataclasses import dataclass

import numpy as np

from segrgbx_core.camera_model import CameraModel
from segrgbx_core.errors import InputError

REPRESENTATIONS = ("log", "inverse", "hha")
UNITS = ("auto", "m", "mm", "disparity")


@dataclass(frozen=True)
class DepthSettings:
    """What the numbers mean, and what is made of them.

    representation: "log", "inverse" or "hha" (see encoding.depth). near_m, far_m: depth in metres
    that becomes 1 and 0; beyond them it is clipped and stays valid.
    unit: "m", "mm" or "disparity" of scale * reading; "auto" is REP-118's, mm for uint16 and m for
    float32. focal_px, baseline_m: of the stereo pair, depth = focal_px * baseline_m / disparity.
    invalid: a further reading that marks holes, as 0, NaN, infinity, below 0, and 65535 of uint16
    always do.
    camera, for "hha": of the depth image. gravity: its direction in the camera's axes (x right,
    y down, z forward), any length, or None to estimate it from the surfaces of each image.
    height_limit_m: height above the lowest surface that becomes 1.
    """

    representation: str = "log"
    near_m: float = 0.4
    far_m: float = 80.0
    unit: str = "auto"
    scale: float = 1.0
    focal_px: float | None = None
    baseline_m: float | None = None
    invalid: float | None = None
    camera: CameraModel | None = None
    gravity: tuple[float, float, float] | None = None
    height_limit_m: float = 3.0

    def __post_init__(self) -> None:
        _check_known("representation", self.representation, REPRESENTATIONS)
        _check_known("unit", self.unit, UNITS)
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
        """Depth in metres of a disparity of 1; 0 where it is not given."""
        return (self.focal_px or 0.0) * (self.baseline_m or 0.0)

    def _check_stereo(self) -> None:
        for name, unit in (("focal_px", "pixels"), ("baseline_m", "metres")):
            value = getattr(self, name)
            if value is None or not 0.0 < value < float("inf"):
                raise InputError(
                    f"Depth unit 'disparity' needs {name} above 0 in {unit}, and it is {value}; "
                    "both are in the stereo camera's calibration."
                )


def _check_known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"Depth {what} '{value}' is unknown; expected one of {', '.join(known)}.")
