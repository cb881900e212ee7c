# SPDX-License-Identifier: Apache-2.0
"""The interface of a sensor's module: its `Encoding`, and the base class of its settings."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.files.images import READING_SUFFIXES, read_reading
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection
from segrgbx_core.readings import ImageReading, Planes, Reading, RgbImage

T = TypeVar("T")
S = TypeVar("S", bound="EncodingSettings")
PlaneNames = tuple[str, str, str]
PlaneValues = npt.NDArray[np.float32]
Three = tuple[float, float, float]
INFERNO, TURBO = cv2.COLORMAP_INFERNO, cv2.COLORMAP_TURBO


@dataclass(frozen=True)
class SettingText:
    """The help of one setting.

    meaning: one sentence. unit, accepts: unit and range of the values; empty if the type is
    enough.
    """

    meaning: str
    unit: str = ""
    accepts: str = ""


def setting(default: T, meaning: str, unit: str = "", accepts: str = "") -> T:
    """A field of an encoding's settings, with the help that `segrgbx info --settings` prints."""
    return field(default=default, metadata={"setting": SettingText(meaning, unit, accepts)})


def text_of(setting_field: "Field[Any]") -> SettingText:
    """The help of a field that was made by `setting`."""
    return cast(SettingText, setting_field.metadata["setting"])


@dataclass(frozen=True)
class EncodingSettings:
    """Base of the settings of every encoding; each field is a `setting`.

    The defaults suit a typical sensor. Raises InputError for values out of range.
    """

    @property
    def camera_needed_by(self) -> str:
        """What needs the X camera's calibration, as the subject of an error sentence.

        Empty if no setting needs it.
        """
        return ""

    def with_camera(self: S, camera: CameraModel) -> S:
        """The settings with the X camera's calibration added, if they need it."""
        del camera
        return self


@dataclass(frozen=True)
class PlaneNoise:
    """The faults that training simulates, at the default noise level of 0.03.

    All values except gain scale with the noise level. gain: range of the relative change of the
    planes about `centre`; the change is at most half of it in either direction. planes: noise of
    each plane, relative to the noise level. common: use one noise image for all planes. specks:
    largest share of pixels with a random value. holes: largest share of the image without a
    measurement, in patches.
    """

    gain: float = 0.3
    centre: Three = (0.5, 0.5, 0.5)
    planes: Three = (1.0, 1.0, 1.0)
    common: bool = False
    specks: float = 0.0
    holes: float = 0.0


def read_image(path: Path, grid: tuple[int, int] | None = None) -> Reading:
    """Reads a reading that is one image; see `files.images.read_reading`."""
    del grid
    return read_reading(path)


def as_one_image(reading: ImageReading, settings: S) -> tuple[ImageReading, S]:
    """A reading that is one image already, and its settings."""
    return reading, settings


def as_colours(planes: PlaneValues) -> RgbImage:
    """Planes (3, H, W) in 0..1 as the red, green and blue of an (H, W, 3) uint8 image."""
    values = np.moveaxis(planes, 0, -1) * 255.0
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)


def color_mapped(plane: PlaneValues, colors: int) -> RgbImage:
    """Applies an OpenCV colour map to a plane (H, W) in 0..1; returns (H, W, 3) uint8."""
    levels = np.clip(np.ascontiguousarray(plane) * 255.0, 0, 255).round().astype(np.uint8)
    return cast(RgbImage, cv2.cvtColor(cv2.applyColorMap(levels, colors), cv2.COLOR_BGR2RGB))


def hues(turns: PlaneValues, saturation: PlaneValues, brightness: PlaneValues) -> RgbImage:
    """Converts hue in turns, saturation and brightness in 0..1, each (H, W), to RGB.

    Returns (H, W, 3) uint8.
    """
    hsv = np.stack([turns * 179, saturation * 255, brightness * 255], axis=-1)
    return cast(RgbImage, cv2.cvtColor(hsv.round().astype(np.uint8), cv2.COLOR_HSV2RGB))


@dataclass(frozen=True)
class Encoding:
    """How the library handles one kind of sensor; each sensor's module defines one.

    encode: takes a reading and the settings (None: the defaults), returns planes. settings: the
    type of the settings. readings: the types that `encode` accepts. plane_names: short names of
    the three planes. read: reads a file or folder; its second argument is the rows and columns of
    a tiled light field. suffixes: file endings. in_folders: whether a folder can be one reading.
    picture: converts planes (3, H, W) to an image (H, W, 3) uint8 for display. noise: the faults
    that training simulates. relative_noise: whether the noise of a raw reading is proportional to
    its value. mirrored_plane: the plane p that becomes 1 - p when the image is mirrored.
    published_size: (height, width) of the published image, if the planes are smaller. after:
    `encode` for video; takes the state that the previous frame returned and returns the next
    state. reprojected: `encode` for a reading that is moved into the RGB camera. worn: `encode`
    for training, with the faults that a clean reading lacks, from a seed. imaged: the reading as
    the one image that a driver would publish, with the settings by which `encode` gives the same
    planes from it; None if the sensor delivers no images. single_shots: settings as `name=value`
    for images that do not follow each other in time.
    """

    encode: Callable[[Any, Any], Planes]
    settings: type[EncodingSettings]
    readings: tuple[type, ...]
    plane_names: Callable[[Any], PlaneNames]
    read: Callable[[Path, tuple[int, int] | None], Reading] = read_image
    suffixes: tuple[str, ...] = READING_SUFFIXES
    in_folders: bool = False
    picture: Callable[[PlaneValues], RgbImage] = as_colours
    noise: PlaneNoise = PlaneNoise()
    relative_noise: bool = False
    mirrored_plane: int | None = None
    published_size: Callable[[Any], tuple[int, int] | None] | None = None
    after: Callable[[Any, Any, Any], tuple[Planes, Any]] | None = None
    reprojected: Callable[[Any, Any, Reprojection], Planes] | None = None
    worn: Callable[[Any, Any, int], Planes] | None = None
    imaged: Callable[[Any, Any], tuple[ImageReading, Any]] | None = as_one_image
    single_shots: tuple[str, ...] = ()

    def setting_texts(self) -> dict[str, SettingText]:
        """The help of each setting, by the setting's name."""
        return {f.name: text_of(f) for f in fields(self.settings)}
