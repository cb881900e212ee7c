# SPDX-License-Identifier: Apache-2.0
"""A street made from a seed: its course, its buildings and furniture, and its traffic."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import atan, pi

import numpy as np

from segrgbx_core.scenes.optics.camera import CameraPose
from segrgbx_core.scenes.street import things
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.materials import Label
from segrgbx_core.scenes.street.parts import PartTable, joined
from segrgbx_core.scenes.street.things import Rng

Shape = Callable[[Condition, float], PartTable]
VIEW = 170.0


@dataclass(frozen=True)
class Course:
    """The road's cross section and bend; lengths in metres.

    bend: lateral offset is bend * y^2. road, walk: half width of the carriageway and the outer
    edge of the sidewalk. zebra: distances of pedestrian crossings.
    """

    bend: float
    road: float
    walk: float
    dash: float
    zebra: tuple[float, ...]

    def offset(self, y: float) -> float:
        """Lateral position of the road's middle at distance y, in metres."""
        return self.bend * y * y

    def heading(self, y: float) -> float:
        """Yaw of the road at distance y, in radians."""
        return -atan(2 * self.bend * y)


@dataclass(frozen=True)
class Thing:
    """One object: its position at time 0 along and across the road (m), and its speed (m/s).

    shape: its parts in its own frame for a condition and a time in seconds. facing: yaw relative
    to the road, radians.
    """

    shape: Shape
    along: float
    across: float
    facing: float = 0.0
    speed_along: float = 0.0
    speed_across: float = 0.0

    def parts_at(self, course: Course, condition: Condition, seconds: float) -> PartTable:
        """Its parts in world coordinates."""
        y = self.along + self.speed_along * seconds
        x = self.across + self.speed_across * seconds + course.offset(y)
        return self.shape(condition, seconds).placed((x, y, 0.0), course.heading(y) + self.facing)


def _still(make: Callable[[Rng], PartTable], seed: int) -> Shape:
    table = make(np.random.default_rng(seed))
    return lambda _condition, _seconds: table


def _lamp(seed: int) -> Shape:
    works = np.random.default_rng(seed).random() < 0.8
    return lambda condition, _seconds: things.lamp_post(
        np.random.default_rng(seed), 30.0 if condition.lamps and works else 0.0
    )


def _car(seed: int, running: bool) -> Shape:
    return lambda condition, _seconds: things.car(
        np.random.default_rng(seed), running, 25.0 if running and condition.headlights else 0.0
    )


def _walker(seed: int, pace: float) -> Shape:
    return lambda condition, seconds: things.person(
        np.random.default_rng(seed), seed + 4.2 * pace * seconds, 33.0 - condition.air_celsius
    )


def _cyclist(seed: int) -> Shape:
    def shape(condition: Condition, seconds: float) -> PartTable:
        rng = np.random.default_rng(seed)
        warmth = 33.0 - condition.air_celsius
        rider = things.person(rng, 6.0 * seconds + seed, warmth, Label.CYCLIST, 0.45, 0.2)
        return joined([things.bicycle(rng), rider])

    return shape


@dataclass(frozen=True)
class Street:
    """A street's course and everything in it."""

    course: Course
    things: tuple[Thing, ...]

    def near(self, seconds: float, eye: CameraPose) -> tuple[Thing, ...]:
        """The things within view of the camera at that time."""
        y = eye.position[1]
        return tuple(
            t for t in self.things if -25.0 < t.along + t.speed_along * seconds - y < VIEW
        )

    def parts_of(
        self, things: tuple[Thing, ...], condition: Condition, seconds: float
    ) -> PartTable:
        """The parts of those things at that time, in world coordinates. The same things give the
        same rows."""
        return joined([t.parts_at(self.course, condition, seconds) for t in things])


def _roadside(rng: Rng, side: int, course: Course, length: float) -> list[Thing]:
    """Buildings, gardens and trees along one side."""
    roadside: list[Thing] = []
    y = -20.0
    setback = course.walk + float(rng.uniform(0.3, 5.0))
    green = float(rng.uniform(0.1, 0.7))
    while y < length:
        width = float(rng.uniform(7, 22))
        seed = int(rng.integers(1 << 30))
        if rng.random() < green:
            for _ in range(int(width // 5) + 1):
                across = side * (course.walk + float(rng.uniform(1.2, 9.0)))
                along = y + float(rng.uniform(0, width))
                roadside.append(Thing(_still(things.tree, seed + len(roadside)), along, across))
            if rng.random() < 0.5:
                shape = _still(partial(things.hedge, length=width), seed)
                roadside.append(Thing(shape, y + width / 2, side * (course.walk + 1.0)))
        else:
            depth, tall = float(rng.uniform(8, 14)), float(rng.uniform(3.5, 19))
            block = partial(things.building, width=width, depth=depth, height=tall)
            roadside.append(
                Thing(_still(block, seed), y + width / 2, side * (setback + depth / 2))
            )
        y += width + float(rng.choice([0.0, 0.5, 4.0]))
    return roadside


def _furniture(rng: Rng, side: int, course: Course, length: float) -> list[Thing]:
    """Lamps, signs and trees on the sidewalk."""
    kerb = side * (course.road + 0.45)
    facing = 0.0 if side > 0 else pi
    spacing = float(rng.uniform(18, 32))
    furniture = [
        Thing(_lamp(int(rng.integers(1 << 30))), float(y), kerb, facing)
        for y in np.arange(rng.uniform(0, spacing), length, spacing)
    ]
    for y in np.arange(rng.uniform(0, 20), length, rng.uniform(14, 40)):
        kind = things.sign_post if rng.random() < 0.65 else things.tree
        furniture.append(Thing(_still(kind, int(rng.integers(1 << 30))), float(y), kerb))
    return furniture


def _traffic(rng: Rng, course: Course, length: float) -> list[Thing]:
    """Parked, oncoming and leading cars, cyclists."""
    vehicles: list[Thing] = []

    def seed() -> int:
        return int(rng.integers(1 << 30))

    parked = float(rng.uniform(0.0, 0.7))
    for side in (-1, 1):
        for y in np.arange(rng.uniform(2, 9), length, 6.2):
            if rng.random() < parked:
                facing = 0.0 if side > 0 else pi
                vehicles.append(
                    Thing(_car(seed(), False), float(y), side * (course.road - 1.1), facing)
                )
    lane = (course.road - 2.2) / 2
    for y in np.arange(rng.uniform(12, 45), length * 1.6, rng.uniform(18, 60)):
        speed = -float(rng.uniform(5, 11))
        vehicles.append(Thing(_car(seed(), True), float(y), -lane, pi, speed))
    for y in np.arange(rng.uniform(9, 40), length, rng.uniform(30, 80)):
        vehicles.append(Thing(_car(seed(), True), float(y), lane, 0.0, float(rng.uniform(7.5, 9))))
    for y in np.arange(rng.uniform(4, 30), length, rng.uniform(10, 45)):
        side = int(rng.choice([-1, 1]))
        across = side * (course.road - 2.6 + float(rng.uniform(-0.3, 0.5)))
        speed = side * float(rng.uniform(3, 6))
        vehicles.append(Thing(_cyclist(seed()), float(y), across, 0.0 if side > 0 else pi, speed))
    return vehicles


def _people(rng: Rng, course: Course, length: float) -> list[Thing]:
    """Walkers along the sidewalks and across the road."""
    walkers: list[Thing] = []
    for y in np.arange(rng.uniform(3, 10), length, rng.uniform(3.5, 14)):
        seed = int(rng.integers(1 << 30))
        pace = float(rng.uniform(0.8, 1.7))
        if rng.random() < 0.72:
            side, way = rng.choice([-1, 1], 2)
            across = float(side * rng.uniform(course.road + 0.6, course.walk - 0.2))
            facing = 0.0 if way > 0 else pi
            walkers.append(Thing(_walker(seed, pace), float(y), across, facing, float(way * pace)))
        else:
            way = rng.choice([-1, 1])
            across = float(rng.uniform(-course.road, course.road))
            facing = -way * pi / 2
            walkers.append(
                Thing(_walker(seed, pace), float(y), across, facing, 0.0, float(way * pace))
            )
    return walkers


def make_street(rng: Rng, length: float = VIEW) -> Street:
    """A street of the given length in metres, ahead of its start."""
    crossings = tuple(float(v) for v in np.arange(rng.uniform(8, 60), length, rng.uniform(40, 90)))
    course = Course(
        bend=float(rng.uniform(-1, 1)) * 0.0009 * min(1.0, (VIEW / length) ** 2),
        road=float(rng.uniform(4.4, 6.6)),
        walk=0.0,
        dash=float(rng.uniform(3, 7)),
        zebra=crossings,
    )
    course = Course(
        course.bend,
        course.road,
        course.road + float(rng.uniform(1.8, 4.2)),
        course.dash,
        crossings,
    )
    everything = _traffic(rng, course, length) + _people(rng, course, length)
    for side in (-1, 1):
        everything += _roadside(rng, side, course, length) + _furniture(rng, side, course, length)
    block = partial(things.building, width=60.0, depth=10.0, height=14.0)
    end = _still(block, int(rng.integers(1 << 30)))
    if rng.random() < 0.5:
        everything.append(Thing(end, length - 5.0, 0.0, pi / 2))
    return Street(course, tuple(everything))
