# SPDX-License-Identifier: Apache-2.0
"""What a user says of the X sensor: its encoding's settings, and how it comes onto RGB's grid."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding import DepthSettings, Settings
from segrgbx_core.encoding.settings_text import settings_from_text
from segrgbx_core.encoding.stream import Encoder
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Alignment, Resize
from segrgbx_core.geometry.calibration import read_camera, read_extrinsic, read_homography
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection

ALIGNMENTS = ("none", "resize", "homography", "reproject")
CAMERAS_MISSING = (
    "needs the calibration of {what} camera: record its camera_info, or give --{option}-camera "
    "FILE.yaml"
)


@dataclass(frozen=True)
class SensorOptions:
    """settings: texts `name=value` for the encoding. align: one of ALIGNMENTS; None takes
    "homography" or "reproject" where such a file is given, else "none". homography, extrinsic,
    rgb_camera, x_camera: YAML files (`geometry.calibration`); the cameras' come before those of a
    recording. window_ms, window_events: of an event window.
    Raises InputError for options that contradict each other.
    """

    settings: tuple[str, ...] = ()
    align: str | None = None
    homography: Path | None = None
    extrinsic: Path | None = None
    rgb_camera: Path | None = None
    x_camera: Path | None = None
    window_ms: float = 50.0
    window_events: int | None = None

    def __post_init__(self) -> None:
        if self.align is not None and self.align not in ALIGNMENTS:
            raise InputError(
                f"Alignment '{self.align}' is unknown; expected one of {', '.join(ALIGNMENTS)}."
            )
        if self.alignment == "homography" and self.homography is None:
            raise InputError("--align homography needs its matrix: give --homography FILE.yaml.")
        if self.homography is not None and self.alignment != "homography":
            raise InputError(
                f"--homography was given with --align {self.alignment}; leave one of them out."
            )
        if not 0.0 < self.window_ms <= 10_000.0:
            raise InputError(
                f"The event window is {self.window_ms} ms; expected above 0, at most 10000."
            )

    @property
    def alignment(self) -> str:
        """The alignment to use."""
        if self.align is not None:
            return self.align
        if self.homography is not None:
            return "homography"
        return "reproject" if self.extrinsic is not None else "none"


@dataclass(frozen=True, eq=False)
class Geometry:
    """What is known of the two cameras; None where it is not.

    rgb_from_x: (4, 4), takes points in X's optical frame to RGB's, in metres.
    """

    rgb_camera: CameraModel | None = None
    x_camera: CameraModel | None = None
    rgb_from_x: npt.NDArray[np.float64] | None = None

    def with_files(self, options: SensorOptions) -> "Geometry":
        """What the options' files say goes before."""
        told: dict[str, Any] = {}
        if options.rgb_camera is not None:
            told["rgb_camera"] = read_camera(options.rgb_camera)
        if options.x_camera is not None:
            told["x_camera"] = read_camera(options.x_camera)
        if options.extrinsic is not None:
            told["rgb_from_x"] = read_extrinsic(options.extrinsic)
        return replace(self, **told)


def make_encoder(modality: str, options: SensorOptions, geometry: Geometry) -> Encoder:
    """The encoder that the options ask for; geometry already with the options' files.

    Raises InputError for settings that are refused, and where the geometry lacks a part.
    """
    settings = settings_from_text(modality, options.settings)
    alignment = _alignment(options, geometry)
    if not isinstance(alignment, Reprojection):
        settings = _with_camera(settings, geometry)
    return Encoder(modality, settings, alignment)


def _alignment(options: SensorOptions, geometry: Geometry) -> Alignment | None:
    if options.alignment == "resize":
        return Resize()
    if options.homography is not None:
        return read_homography(options.homography)
    if options.alignment != "reproject":
        return None
    for camera, what, option in (
        (geometry.rgb_camera, "the RGB", "rgb"),
        (geometry.x_camera, "the X", "x"),
    ):
        if camera is None:
            missing = CAMERAS_MISSING.format(what=what, option=option)
            raise InputError(f"--align reproject {missing}.")
    if geometry.rgb_camera is None or geometry.x_camera is None or geometry.rgb_from_x is None:
        raise InputError(
            "--align reproject needs the transform from X to RGB: record /tf_static, or give "
            "--extrinsic FILE.yaml."
        )
    return Reprojection(geometry.x_camera, geometry.rgb_camera, geometry.rgb_from_x)


def _with_camera(settings: Settings | None, geometry: Geometry) -> Settings | None:
    """HHA needs the depth camera's intrinsics, which no text gives; Encoder knows them itself
    where it reprojects."""
    if (
        isinstance(settings, DepthSettings)
        and settings.representation == "hha"
        and settings.camera is None
    ):
        if geometry.x_camera is None:
            missing = CAMERAS_MISSING.format(what="the depth", option="x")
            raise InputError(f"Representation hha {missing}.")
        return replace(settings, camera=geometry.x_camera)
    return settings
