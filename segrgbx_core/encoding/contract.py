# SPDX-License-Identifier: Apache-2.0
"""What the module of a sensor offers: its encoding, in one row, and the form of its settings."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from segrgbx_core.files.images import READING_SUFFIXES, read_reading
from segrgbx_core.geometry.camera_model import CameraModel
from segrgbx_core.geometry.reprojection import Reprojection
from segrgbx_core.readings import Planes, Reading, RgbImage

T = TypeVar("T")
S = TypeVar("S", bound="EncodingSettings")
PlaneNames = tuple[str, str, str]
Floats = npt.NDArray[np.float32]
Three = tuple[float, float, float]


@dataclass(frozen=True)
class SettingText:
    """meaning: one sentence. unit and accepts: of its values, empty where the type says it."""

    meaning: str
    unit: str = ""
    accepts: str = ""


def setting(default: T, meaning: str, unit: str = "", accepts: str = "") -> T:
    """A field of an encoding's settings, with the words that `segrgbx info --settings` prints."""
    return field(default=default, metadata={"setting": SettingText(meaning, unit, accepts)})


def text_of(setting_field: "Field[Any]") -> SettingText:
    """What a field made by `setting` means."""
    return cast(SettingText, setting_field.metadata["setting"])


@dataclass(frozen=True)
class EncodingSettings:
    """Base of the settings of every encoding; each field is a `setting`.

    The defaults suit the usual sensor of its kind. Raises InputError for values that are refused.
    """

    @property
    def camera_needed_by(self) -> str:
        """What needs the X camera's calibration, as a sentence begins; empty for nothing."""
        return ""

    def with_camera(self: S, camera: CameraModel) -> S:
        """The settings with the X camera's calibration, where they need it."""
        del camera
        return self


@dataclass(frozen=True)
class PlaneNoise:
    """Faults of a worse sensor, at the usual noise of 0.03; all but the gain grow with it.

    gain: relative change of the planes about `centre`, at most half of this either way. planes:
    noise of each plane, relative to the sample's. common: one noise image for all planes. specks:
    share of pixels that show any value, at most. holes: share of the image without a measurement,
    in patches, at most.
    """

    gain: float = 0.3
    centre: Three = (0.5, 0.5, 0.5)
    planes: Three = (1.0, 1.0, 1.0)
    common: bool = False
    specks: float = 0.0
    holes: float = 0.0


def read_image(path: Path, grid: tuple[int, int] | None = None) -> Reading:
    """A reading that is one image; see `files.images.read_reading`."""
    del grid
    return read_reading(path)


def as_colours(planes: Floats) -> RgbImage:
    """(3, H, W) in 0..1 as red, green and blue, (H, W, 3) uint8."""
    values = np.moveaxis(planes, 0, -1) * 255.0
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)


@dataclass(frozen=True)
class Encoding:
    """Everything the library knows of one kind of sensor; the module of a sensor holds one.

    encode: a reading and the settings (None: the defaults) to planes. settings: their type.
    readings: the types that `encode` takes. plane_names: what the three planes hold, in a few
    words each.
    read: a file or folder to a reading; the grid is the rows and columns of views that lie side by
    side. suffixes: what its files end in. in_folders: whether a folder may be one reading.
    picture: planes (3, H, W) to (H, W, 3) uint8 as a person would look at them. noise: what a
    worse sensor does to the planes, for training. relative_noise: whether the noise of a raw
    reading grows with its value. mirrored_plane: the plane that becomes 1 minus itself in a
    mirror. published_size: (height, width) of the image that a reading was published as, where
    the planes are smaller. after: `encode` in a video, given what the frame before left; returns
    what to give the next one. reprojected: `encode` as the RGB camera would have measured.
    """

    encode: Callable[[Any, Any], Planes]
    settings: type[EncodingSettings]
    readings: tuple[type, ...]
    plane_names: Callable[[Any], PlaneNames]
    read: Callable[[Path, tuple[int, int] | None], Reading] = read_image
    suffixes: tuple[str, ...] = READING_SUFFIXES
    in_folders: bool = False
    picture: Callable[[Floats], RgbImage] = as_colours
    noise: PlaneNoise = PlaneNoise()
    relative_noise: bool = False
    mirrored_plane: int | None = None
    published_size: Callable[[Any], tuple[int, int] | None] | None = None
    after: Callable[[Any, Any, Any], tuple[Planes, Any]] | None = None
    reprojected: Callable[[Any, Any, Reprojection], Planes] | None = None

    def setting_texts(self) -> dict[str, SettingText]:
        """What each setting means, by its name."""
        return {f.name: text_of(f) for f in fields(self.settings)}
