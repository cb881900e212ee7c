# SPDX-License-Identifier: Apache-2.0
"""The street and the vehicle driving through it, shared by all sensors of a drive."""

from math import sin

import numpy as np

from segrgbx_core.scenes.optics.camera import CameraPose, PinholeCamera
from segrgbx_core.scenes.optics.surfaces import Surfaces, ground_look, look_at
from segrgbx_core.scenes.street.light import Condition, make_condition
from segrgbx_core.scenes.street.street import VIEW, Course, Thing, make_street

FIRST_STAMP_NS = 1_700_000_000_000_000_000


def stamp_of(seconds: float) -> int:
    """Nanoseconds since the epoch of a time after the drive's start."""
    return FIRST_STAMP_NS + round(seconds * 1e9)


class World:
    """A street, its light and weather, and the vehicle's path; all times in seconds.

    length: of the drive in seconds; conditions: one after the other in equal parts of it.
    """

    def __init__(self, seed: int, length: float, conditions: tuple[str, ...]) -> None:
        self._seed, self._length = seed, length
        rng = np.random.default_rng([seed, 0])
        self._speed = float(rng.uniform(6, 10))
        self.street = make_street(rng, VIEW + self._speed * length)
        self._look = ground_look(rng)
        lane = self.course.road / 2 - 0.6
        self._mount = (lane + float(rng.uniform(-0.7, 0.5)), float(rng.uniform(1.35, 1.8)))
        self._tilt = float(rng.uniform(-0.06, 0.01))
        self._sway = rng.uniform(0, 6.28, 3)
        self._conditions = [
            make_condition(name, np.random.default_rng([seed, 1, i]))
            for i, name in enumerate(conditions)
        ]

    @property
    def course(self) -> Course:
        """The road's course."""
        return self.street.course

    def condition_at(self, seconds: float) -> Condition:
        """Light and weather at that time after the start."""
        share = min(max(seconds / self._length, 0.0), 0.999999)
        return self._conditions[int(share * len(self._conditions))]

    def pose_at(self, seconds: float) -> CameraPose:
        """Where the cameras are: moving along the lane and swaying slightly."""
        y = self._speed * seconds
        across, height = self._mount
        a, b, c = (float(v) for v in self._sway)
        return CameraPose(
            (across + self.course.offset(y) + 0.1 * sin(0.5 * seconds + a), y, height),
            self.course.heading(y) + 0.02 * sin(0.8 * seconds + b),
            self._tilt + 0.006 * sin(7 * seconds + c),
            0.008 * sin(2 * seconds + a),
        )

    def things_at(self, seconds: float) -> tuple[Thing, ...]:
        """The things within view of the vehicle."""
        return self.street.near(seconds, self.pose_at(seconds))

    def surfaces_at(
        self,
        seconds: float,
        camera: PinholeCamera,
        pose: CameraPose | None = None,
        condition: Condition | None = None,
    ) -> Surfaces:
        """What that camera's pixels see. pose, condition: None for those at that time."""
        condition = condition or self.condition_at(seconds)
        parts = self.street.parts_of(self.things_at(seconds), condition, seconds)
        pose = pose or self.pose_at(seconds)
        return look_at(parts, self.course, self._look, condition, camera, pose)

    def noise(self, stream: int, seconds: float | None = None) -> np.random.Generator:
        """Random numbers of one stream, at one time or (None) for the whole drive."""
        when = [] if seconds is None else [round(seconds * 1e6)]
        return np.random.default_rng([self._seed, stream, *when])
