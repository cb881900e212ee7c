# SPDX-License-Identifier: Apache-2.0
"""A drive through a street, recorded by two sensors that do not share a trigger."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.labels.label_set import LabelSet, load_label_set
from segrgbx_core.readings import Reading
from segrgbx_core.scenes.optics.camera import CameraPose, PinholeCamera
from segrgbx_core.scenes.optics.motion import moving
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.sensors import visible
from segrgbx_core.scenes.sensors.table import FIELD_OF_VIEW_DEG, SENSORS, X_STREAM
from segrgbx_core.scenes.street.light import CONDITIONS, KNOWN_CONDITIONS, Condition
from segrgbx_core.scenes.street.world import World, stamp_of

_X_RATE = 0.9
_JITTER_S = 0.002

SCENES_SET = "street"
"""The label set that all scenes have."""

SCENES_VERSION = 2
"""Raised when a seed gives other images than before; 2: darker nights, motion blur."""


@dataclass(frozen=True)
class DriveSettings:
    """What to record.

    modality: the second sensor; seconds: length; rate_hz: frames per second of the RGB camera
    (the second sensor runs at 0.9 of it, an event camera continuously); width, height: of the RGB
    image in pixels; conditions: light and weather, one after the other in equal parts. Raises
    InputError outside the bounds.
    """

    modality: str = "thermal"
    seconds: float = 5.0
    rate_hz: float = 10.0
    width: int = 640
    height: int = 480
    seed: int = 7
    conditions: tuple[str, ...] = CONDITIONS

    def __post_init__(self) -> None:
        if self.modality not in SENSORS:
            raise InputError(
                f"Scenes of modality '{self.modality}' cannot be made; those that can: "
                f"{', '.join(SENSORS)}."
            )
        for name, low, high in (
            ("seconds", 0.1, 600.0),
            ("rate_hz", 0.5, 120.0),
            ("width", 64, 4096),
            ("height", 48, 4096),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"Scene {name} is {value}; expected {low} to {high}.")
        if self.seed < 0:
            raise InputError(f"Scene seed is {self.seed}; expected 0 or more.")
        unknown = [c for c in self.conditions if c not in KNOWN_CONDITIONS]
        if unknown or not self.conditions:
            raise InputError(
                f"Scene conditions {', '.join(unknown) or '(none)'} are not known; expected some "
                f"of {', '.join(KNOWN_CONDITIONS)}."
            )


@dataclass(frozen=True)
class RgbCapture:
    """image: (H, W, 3) uint8, red first; labels: (H, W) uint8 class ids."""

    stamp_ns: int
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    condition: str


@dataclass(frozen=True)
class XCapture:
    """The second sensor's reading at a stamp; an event camera's window ends there.

    reading, for an RGB image of H x W: thermal (H/2, W/2) uint16 kelvin x 100; depth (H, W)
    uint16 millimetres, 0 without a measurement; polarization (H, W) uint8 mosaic of polarizers at
    90, 45, 135 and 0 degrees, row by row in each 2x2 (odd sizes lose a pixel); event: Events of
    an (H/2, W/2) sensor; light_field: LightFieldViews, (9, H/2, W/2, 3) uint8 on a 3x3 grid.
    """

    stamp_ns: int
    reading: Reading
    condition: str


class Drive:
    """A recording of one street; the same settings give the same captures.

    The X sensor has the RGB camera's position and field of view. For a light field this holds
    for the central view; the other cameras are placed around it.
    """

    def __init__(self, settings: DriveSettings) -> None:
        self.settings = settings
        self._world = World(settings.seed, settings.seconds, settings.conditions)
        self._sensor = SENSORS[settings.modality]
        w, h = settings.width, settings.height
        self.rgb_camera = PinholeCamera.with_field_of_view(
            w, h, FIELD_OF_VIEW_DEG, "rgb_optical_frame"
        )
        self.x_camera = self._sensor.camera(w, h, f"{settings.modality}_optical_frame")
        self._rgb_times = self._times(settings.rate_hz, 2)
        self._x_times = self._times(settings.rate_hz * _X_RATE, 3)

    def _times(self, rate_hz: float, stream: int) -> npt.NDArray[np.float64]:
        """Seconds after the start at which a free-running camera of that rate captures."""
        rng = np.random.default_rng([self.settings.seed, stream])
        count = max(1, round(self.settings.seconds * rate_hz))
        start = rng.uniform(0.2, 0.8) / rate_hz if stream == 3 else 0.002
        jitter = np.clip(rng.normal(0, _JITTER_S, count), -3 * _JITTER_S, 3 * _JITTER_S)
        return np.asarray(np.sort(np.maximum(start + np.arange(count) / rate_hz + jitter, 0.0)))

    def __len__(self) -> int:
        return len(self._rgb_times) + self._x_count()

    def _x_count(self) -> int:
        stream = self._sensor.stream
        return len(self._x_times) if stream is None else stream.count(self.settings.seconds)

    @property
    def rgb_times(self) -> list[float]:
        """Seconds after the start at which the RGB camera captures."""
        return [float(t) for t in self._rgb_times]

    @property
    def label_set(self) -> LabelSet:
        """The street classes that the label ids refer to."""
        return load_label_set(SCENES_SET)

    def condition_at(self, seconds: float) -> Condition:
        """Light and weather at that time after the start."""
        return self._world.condition_at(seconds)

    def pose_at(self, seconds: float) -> CameraPose:
        """Where the cameras are at that time after the start."""
        return self._world.pose_at(seconds)

    def surfaces_at(self, seconds: float, camera: PinholeCamera) -> Surfaces:
        """What that camera's pixels see at that time."""
        return self._world.surfaces_at(seconds, camera)

    def rgb_at(self, seconds: float) -> RgbCapture:
        """The RGB camera's capture at that time, with labels."""
        condition = self.condition_at(seconds)
        surfaces = self.surfaces_at(seconds, self.rgb_camera)
        light = visible.radiance(surfaces, condition, self._world.course)
        motion = moving(surfaces, self._world, self.rgb_camera, seconds)
        image = visible.expose(light, self._world.noise(4, seconds), motion)
        return RgbCapture(stamp_of(seconds), image, surfaces.label, condition.name)

    def x_at(self, seconds: float) -> XCapture:
        """The second sensor's capture at that time; for an event camera, the window before it."""
        rng = self._world.noise(X_STREAM, seconds)
        reading = self._sensor.read(self._world, self.x_camera, seconds, rng)
        return XCapture(stamp_of(seconds), reading, self.condition_at(seconds).name)

    def x_captures(self) -> Iterator[XCapture]:
        """The second sensor's captures; an event camera's windows follow without a gap."""
        if self._sensor.stream is None:
            yield from (self.x_at(float(seconds)) for seconds in self._x_times)
            return
        windows = self._sensor.stream.windows(self._world, self.x_camera, self.settings.seconds)
        for seconds, reading in windows:
            yield XCapture(stamp_of(seconds), reading, self.condition_at(seconds).name)

    def captures(self) -> Iterator[RgbCapture | XCapture]:
        """Both sensors' captures in the order of their stamps."""
        rgb = (self.rgb_at(seconds) for seconds in self.rgb_times)
        both: list[Iterator[RgbCapture | XCapture]] = [rgb, self.x_captures()]
        yield from merge(*both, key=lambda capture: capture.stamp_ns)
