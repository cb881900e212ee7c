# SPDX-License-Identifier: Apache-2.0
"""The user's settings of the X sensor, and the encoder that they define.

Commands, replay and live node use the same settings; only the source of the cameras' calibration
differs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segrgbx_core.encoding import EncodingSettings
from segrgbx_core.encoding.settings_text import settings_from_text
from segrgbx_core.encoding.stream import Encoder, check_reprojectable
from segrgbx_core.errors import InputError
from segrgbx_core.geometry.align import Alignment, Homography, Resize
from segrgbx_core.geometry.calibration import read_camera, read_extrinsic
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection

ALIGNMENTS = ("none", "resize", "homography", "reproject")


@dataclass(frozen=True)
class SensorSettings:
    """The settings of the X sensor.

    settings: `name=value` texts for the modality's encoding. align: one of ALIGNMENTS.
    homography: nine numbers, row-major, from X pixels to RGB pixels; for align "homography".
    Raises InputError for an unknown alignment, and for "homography" without nine numbers.
    """

    settings: tuple[str, ...] = ()
    align: str = "none"
    homography: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.align not in ALIGNMENTS:
            raise InputError(
                f"Alignment '{self.align}' is unknown; expected one of {', '.join(ALIGNMENTS)}."
            )
        given = 0 if self.homography is None else len(self.homography)
        if self.align == "homography" and given != 9:
            raise InputError(f"The homography has {given} numbers; expected 9, row-major.")
        if self.align == "homography":
            Homography(np.array(self.homography))

    @property
    def reprojects(self) -> bool:
        """Whether X is reprojected into the RGB camera by its depth."""
        return self.align == "reproject"


class Cameras(Protocol):
    """A source of the two cameras' calibration.

    Each method raises InputError while its part is unknown. The sentence starts with `purpose`
    and ends with the remedy.
    """

    def rgb_camera(self, purpose: str) -> CameraModel:
        """The calibration of the published RGB images."""
        ...

    def x_camera(self, purpose: str) -> CameraModel:
        """The calibration of the published X images."""
        ...

    def rgb_from_x(self, purpose: str) -> npt.NDArray[np.float64]:
        """The transform (4, 4) from X's optical frame to RGB's, in metres."""
        ...


@dataclass(frozen=True)
class CameraFiles:
    """Cameras from YAML files (`geometry.calibration`); None for a file that was not given."""

    rgb: Path | None = None
    x: Path | None = None
    extrinsic: Path | None = None

    def check(self) -> "CameraFiles":
        """These files; raises InputError for one that is missing or broken, needed or not."""
        for file in (self.rgb, self.x):
            if file is not None:
                read_camera(file)
        if self.extrinsic is not None:
            read_extrinsic(self.extrinsic)
        return self

    def files(self) -> list[Path]:
        """Those that were given."""
        return [path for path in (self.rgb, self.x, self.extrinsic) if path is not None]

    def rgb_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        if self.rgb is None:
            raise unknown_part(purpose, "calibration of the RGB camera", "--rgb-camera")
        return read_camera(self.rgb)

    def x_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        if self.x is None:
            raise unknown_part(purpose, "calibration of the X camera", "--x-camera")
        return read_camera(self.x)

    def rgb_from_x(self, purpose: str) -> npt.NDArray[np.float64]:
        """See Cameras."""
        if self.extrinsic is None:
            raise unknown_part(purpose, "transform from X to the RGB camera", "--extrinsic")
        return read_extrinsic(self.extrinsic)


@dataclass(frozen=True)
class SeenFromRgb:
    """`Cameras` for a depth that is already seen from the RGB camera, as clouds are."""

    cameras: Cameras

    def rgb_camera(self, purpose: str) -> CameraModel:
        """See Cameras."""
        return self.cameras.rgb_camera(purpose)

    def x_camera(self, purpose: str) -> CameraModel:
        """The RGB camera."""
        return self.cameras.rgb_camera(purpose)

    def rgb_from_x(self, purpose: str) -> npt.NDArray[np.float64]:
        """Nothing is left to move."""
        del purpose
        return np.eye(4)


def unknown_part(purpose: str, part: str, option: str, record: str = "") -> InputError:
    """The error for an unknown part; record: what can be recorded instead of giving the file."""
    recorded = f"record {record}, or " if record else ""
    return InputError(f"{purpose} needs the {part}: {recorded}give {option} FILE.yaml.")


def check_sensor(modality: str, sensor: SensorSettings) -> EncodingSettings | None:
    """Parses and checks the encoding's settings; None for the defaults. Needs no camera.

    Raises InputError for settings that the modality's encoding does not accept, and for a
    reprojection of a modality other than depth.
    """
    if sensor.reprojects:
        check_reprojectable(modality)
    return settings_from_text(modality, sensor.settings)


def needs_x_camera(modality: str, sensor: SensorSettings) -> bool:
    """Whether the encoder needs the X camera's calibration."""
    settings = check_sensor(modality, sensor)
    return sensor.reprojects or bool(settings is not None and settings.camera_needed_by)


def make_encoder(modality: str, sensor: SensorSettings, cameras: Cameras) -> Encoder:
    """Makes the encoder with its alignment; requests only the calibration that it needs.

    Raises InputError for settings that are not accepted, and if a needed camera is unknown.
    """
    settings = check_sensor(modality, sensor)
    alignment = _alignment(sensor, cameras)
    if settings is not None and settings.camera_needed_by and not sensor.reprojects:
        settings = settings.with_camera(cameras.x_camera(settings.camera_needed_by))
    return Encoder(modality, settings, alignment)


def _alignment(sensor: SensorSettings, cameras: Cameras) -> Alignment | None:
    if sensor.align == "resize":
        return Resize()
    if sensor.align == "homography":
        return Homography(np.array(sensor.homography))
    if not sensor.reprojects:
        return None
    purpose = "Alignment reproject"
    rgb, x = cameras.rgb_camera(purpose), cameras.x_camera(purpose)
    return Reprojection(x, rgb, cameras.rgb_from_x(purpose))
