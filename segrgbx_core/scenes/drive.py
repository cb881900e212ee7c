# SPDX-License-Identifier: Apache-2.0
"""A drive through a street, recorded by two cameras that do not share a trigger."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sin

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.labels import LabelSet, load_label_set
from segrgbx_core.scenes import thermal, visible
from segrgbx_core.scenes.camera import CameraPose, PinholeCamera
from segrgbx_core.scenes.light import CONDITIONS, Condition, make_condition
from segrgbx_core.scenes.street import VIEW, make_street
from segrgbx_core.scenes.surfaces import Surfaces, ground_look, look_at

MODALITIES = ("thermal",)
FIELD_OF_VIEW_DEG = 70.0
FIRST_STAMP_NS = 1_700_000_000_000_000_000
_X_RATE = 0.9
_JITTER_S = 0.002


@dataclass(frozen=True)
class DriveSettings:
    """What to record.

    seconds: length; rate_hz: frames a second of the RGB camera (the second sensor runs at 0.9 of
    it); width, height: of the RGB image in pixels; conditions: light and weather, one after the
    other in equal parts. Raises InputError outside the bounds.
    """

    modality: str = "thermal"
    seconds: float = 5.0
    rate_hz: float = 10.0
    width: int = 640
    height: int = 480
    seed: int = 7
    conditions: tuple[str, ...] = CONDITIONS

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise InputError(
                f"Scenes of modality '{self.modality}' cannot be made in this version; those that "
                f"can: {', '.join(MODALITIES)}."
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
        unknown = [c for c in self.conditions if c not in CONDITIONS]
        if unknown or not self.conditions:
            raise InputError(
                f"Scene conditions {', '.join(unknown) or '(none)'} are not known; expected some "
                f"of {', '.join(CONDITIONS)}."
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
    """reading: (H/2, W/2) uint16 kelvin x 100 for thermal."""

    stamp_ns: int
    reading: npt.NDArray[np.uint16]
    condition: str


class Drive:
    """A recording of one street; the same settings give the same captures."""

    def __init__(self, settings: DriveSettings) -> None:
        self.settings = settings
        rng = np.random.default_rng([settings.seed, 0])
        self._speed = float(rng.uniform(6, 10))
        self._street = make_street(rng, VIEW + self._speed * settings.seconds)
        self._look = ground_look(rng)
        lane = self._street.course.road / 2 - 0.6
        self._mount = (lane + float(rng.uniform(-0.7, 0.5)), float(rng.uniform(1.35, 1.8)))
        self._tilt = float(rng.uniform(-0.06, 0.01))
        self._sway = rng.uniform(0, 6.28, 3)
        self._conditions = [
            make_condition(name, np.random.default_rng([settings.seed, 1, i]))
            for i, name in enumerate(settings.conditions)
        ]
        w, h = settings.width, settings.height
        self.rgb_camera = PinholeCamera.with_field_of_view(
            w, h, FIELD_OF_VIEW_DEG, "rgb_optical_frame"
        )
        self.x_camera = PinholeCamera.with_field_of_view(
            w // 2, h // 2, FIELD_OF_VIEW_DEG, f"{settings.modality}_optical_frame"
        )
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
        return len(self._rgb_times) + len(self._x_times)

    @property
    def rgb_times(self) -> list[float]:
        """Seconds after the start at which the RGB camera captures."""
        return [float(t) for t in self._rgb_times]

    @property
    def label_set(self) -> LabelSet:
        """The street classes that the labels' ids mean."""
        return load_label_set("street")

    def condition_at(self, seconds: float) -> Condition:
        """Light and weather at that time after the start."""
        share = min(max(seconds / self.settings.seconds, 0.0), 0.999999)
        return self._conditions[int(share * len(self._conditions))]

    def pose_at(self, seconds: float) -> CameraPose:
        """Where the cameras are: moving along the lane, swaying a little on their springs."""
        course = self._street.course
        y = self._speed * seconds
        across, height = self._mount
        a, b, c = (float(v) for v in self._sway)
        return CameraPose(
            (across + course.offset(y) + 0.1 * sin(0.5 * seconds + a), y, height),
            course.heading(y) + 0.02 * sin(0.8 * seconds + b),
            self._tilt + 0.006 * sin(7 * seconds + c),
            0.008 * sin(2 * seconds + a),
        )

    def surfaces_at(self, seconds: float, camera: PinholeCamera) -> Surfaces:
        """What that camera's pixels see at that time."""
        condition, pose = self.condition_at(seconds), self.pose_at(seconds)
        return look_at(self._street, self._look, condition, camera, pose, seconds)

    def rgb_at(self, seconds: float) -> RgbCapture:
        """The RGB camera's capture at that time, with labels."""
        condition = self.condition_at(seconds)
        surfaces = self.surfaces_at(seconds, self.rgb_camera)
        light = visible.radiance(surfaces, condition, self._street.course.walk)
        image = visible.expose(light, self._noise(seconds, 4))
        return RgbCapture(self._stamp(seconds), image, surfaces.label, condition.name)

    def x_at(self, seconds: float) -> XCapture:
        """The second sensor's capture at that time."""
        condition = self.condition_at(seconds)
        celsius = thermal.apparent_celsius(self.surfaces_at(seconds, self.x_camera), condition)
        reading = thermal.expose(celsius, self._noise(seconds, 5))
        return XCapture(self._stamp(seconds), reading, condition.name)

    def captures(self) -> Iterator[RgbCapture | XCapture]:
        """Both cameras' captures in the order of their stamps."""
        moments = [(t, 0) for t in self._rgb_times] + [(t, 1) for t in self._x_times]
        for seconds, stream in sorted(moments):
            yield self.rgb_at(float(seconds)) if stream == 0 else self.x_at(float(seconds))

    @staticmethod
    def _stamp(seconds: float) -> int:
        return FIRST_STAMP_NS + round(seconds * 1e9)

    def _noise(self, seconds: float, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, stream, round(seconds * 1e6)])
