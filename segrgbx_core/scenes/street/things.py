# SPDX-License-Identifier: Apache-2.0
"""The buildings, plants, vehicles and people of a street, built of solids. Sizes in metres."""

from math import cos, pi, sin

import numpy as np

from segrgbx_core.scenes.street.materials import Label
from segrgbx_core.scenes.street.parts import PartBuilder, PartTable, Solid, Vector

Rng = np.random.Generator
_PLASTER: tuple[Vector, ...] = (
    (0.55, 0.5, 0.42),
    (0.45, 0.22, 0.15),
    (0.35, 0.35, 0.36),
    (0.6, 0.58, 0.55),
    (0.3, 0.33, 0.28),
    (0.5, 0.35, 0.25),
    (0.22, 0.2, 0.2),
    (0.4, 0.42, 0.5),
)
_LEAVES: tuple[Vector, ...] = (
    (0.06, 0.13, 0.03),
    (0.1, 0.16, 0.05),
    (0.05, 0.09, 0.04),
    (0.2, 0.13, 0.03),
    (0.14, 0.15, 0.06),
)


def _shade(rng: Rng, color: Vector, spread: float) -> Vector:
    mixed = np.clip(np.array(color) * rng.uniform(1 - spread, 1 + spread, 3), 0.005, 0.95)
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]))


def _any_color(rng: Rng) -> Vector:
    """Greys, blacks and whites as often as colours, as for cars and clothes."""
    value = float(rng.choice([0.02, 0.06, 0.15, 0.3, 0.6]))
    if rng.random() < 0.5:
        return _shade(rng, (value, value, value), 0.1)
    return _shade(rng, (0.2, 0.2, 0.2), 0.95)


def building(rng: Rng, width: float, depth: float, height: float) -> PartTable:
    """A block with windows in its facades, which face local -x and +x."""
    parts = PartBuilder(Label.BUILDING)
    color = _shade(rng, _PLASTER[int(rng.integers(len(_PLASTER)))], 0.3)
    spacing = float(rng.uniform(2.2, 4.0))
    parts.add(
        Solid.BOX,
        (0, 0, height / 2),
        (depth / 2, width / 2, height / 2),
        "masonry",
        color,
        heat=float(rng.uniform(-1, 2)),
        facade=spacing,
    )
    roof = _shade(rng, (0.15, 0.12, 0.11), 0.5)
    parts.add(
        Solid.BOX,
        (0, 0, height + 0.2),
        (depth / 2 + 0.25, width / 2, 0.2),
        "masonry",
        roof,
    )
    return parts.table()


def tree(rng: Rng) -> PartTable:
    """A trunk with a ragged crown."""
    parts = PartBuilder(Label.VEGETATION)
    height = float(rng.uniform(4.0, 9.0))
    bark = _shade(rng, (0.1, 0.07, 0.05), 0.4)
    parts.add(Solid.CYLINDER, (0, 0, height * 0.25), (0.16, 0.16, height * 0.25), "bark", bark)
    leaf = _shade(rng, _LEAVES[int(rng.integers(len(_LEAVES)))], 0.3)
    for _ in range(4):
        x, y = rng.uniform(-0.9, 0.9, 2)
        z = height * rng.uniform(0.5, 0.85)
        size = rng.uniform(1.0, 1.9, 3)
        half = (float(size[0]), float(size[1]), float(size[2]))
        center = (float(x), float(y), float(z))
        color = _shade(rng, leaf, 0.2)
        parts.add(Solid.ELLIPSOID, center, half, "foliage", color, ragged=0.8)
    return parts.table()


def hedge(rng: Rng, length: float) -> PartTable:
    """A row of shrubs along local y."""
    parts = PartBuilder(Label.VEGETATION)
    leaf = _shade(rng, _LEAVES[int(rng.integers(len(_LEAVES)))], 0.3)
    for y in np.arange(-length / 2 + 0.6, length / 2, 1.2):
        tall = float(rng.uniform(0.5, 1.1))
        parts.add(
            Solid.ELLIPSOID,
            (0, float(y), tall * 0.6),
            (0.8, 0.9, tall),
            "foliage",
            _shade(rng, leaf, 0.2),
            ragged=0.7,
        )
    return parts.table()


def lamp_post(rng: Rng, lit: float) -> PartTable:
    """A street lamp; its head is towards local -x. lit: radiance of the lamp, 0 when off."""
    parts = PartBuilder(Label.POLE)
    color = _shade(rng, (0.18, 0.19, 0.18), 0.5)
    parts.add(Solid.CYLINDER, (0, 0, 3.2), (0.09, 0.09, 3.2), "steel", color)
    parts.add(Solid.BOX, (-0.8, 0, 6.4), (0.85, 0.06, 0.06), "steel", color)
    parts.add(Solid.BOX, (-1.5, 0, 6.32), (0.32, 0.14, 0.07), "lamp", color, glow=lit)
    return parts.table()


def sign_post(rng: Rng) -> PartTable:
    """A thin post with a small plate that faces the road's start."""
    parts = PartBuilder(Label.POLE)
    color = _shade(rng, (0.35, 0.35, 0.35), 0.4)
    parts.add(Solid.CYLINDER, (0, 0, 1.4), (0.05, 0.05, 1.4), "steel", color)
    plate = _shade(rng, (0.4, 0.2, 0.2), 0.9)
    parts.add(Solid.BOX, (0, -0.05, 2.45), (0.32, 0.02, 0.32), "steel", plate)
    return parts.table()


def car(rng: Rng, running: bool, lights: float) -> PartTable:
    """A car heading along local y. lights: radiance of its lamps, 0 when off."""
    parts = PartBuilder(Label.CAR)
    paint = _any_color(rng)
    length, tall = float(rng.uniform(1.9, 2.4)), float(rng.uniform(0.34, 0.5))
    warm = float(rng.uniform(4, 14)) if running else float(rng.uniform(-0.5, 1.5))
    parts.add(
        Solid.BOX,
        (0, -0.35, 0.45 + tall / 2),
        (0.88, length - 0.45, tall),
        "car_paint",
        paint,
        heat=warm * 0.25,
    )
    parts.add(
        Solid.BOX,
        (0, length - 0.6, 0.4 + tall / 2),
        (0.86, 0.6, tall * 0.85),
        "car_paint",
        paint,
        heat=warm,
    )
    top = 0.45 + 1.5 * tall
    glass = (0.03, 0.035, 0.04)
    cabin = float(rng.uniform(0.5, 0.7)) * length
    parts.add(Solid.BOX, (0, -0.3, top + 0.27), (0.76, cabin, 0.3), "glass", glass)
    parts.add(Solid.BOX, (0, -0.3, top + 0.58), (0.72, cabin - 0.15, 0.04), "car_paint", paint)
    for y in (-length + 0.75, length - 0.85):
        for x in (-0.82, 0.82):
            parts.add(
                Solid.ELLIPSOID,
                (x, y, 0.33),
                (0.13, 0.33, 0.33),
                "rubber",
                (0.02, 0.02, 0.02),
                heat=warm * 0.6,
            )
    for x in (-0.62, 0.62):
        parts.add(
            Solid.BOX, (x, length, 0.7), (0.16, 0.04, 0.09), "lamp", (0.6, 0.6, 0.6), glow=lights
        )
        parts.add(
            Solid.BOX,
            (x, -length + 0.08, 0.8),
            (0.16, 0.04, 0.09),
            "lamp",
            (0.5, 0.03, 0.03),
            glow=lights * 0.12,
        )
    return parts.table()


def _limb(
    parts: PartBuilder,
    x: float,
    hip: float,
    length: float,
    swing: float,
    *,
    girth: float,
    material: str,
    color: Vector,
    heat: float,
    joint: float = 0.0,
) -> None:
    """One arm or leg, attached at height `hip` and swung by an angle in radians."""
    y = joint + length / 2 * sin(swing)
    z = hip - length / 2 * cos(swing)
    parts.add(
        Solid.ELLIPSOID,
        (x, y, z),
        (girth, girth, length / 2 + 0.04),
        material,
        color,
        heat=heat,
        tilt=-swing,
    )


def person(
    rng: Rng,
    gait: float,
    warmth: float,
    label: Label = Label.PEDESTRIAN,
    lean: float = 0.0,
    lift: float = 0.0,
) -> PartTable:
    """A walking person facing local y.

    gait: phase of the step in radians; warmth: skin temperature above the air in kelvin; lean: of
    the body in radians; lift: height of the feet above the ground in metres.
    """
    parts = PartBuilder(label)
    size = float(rng.uniform(0.85, 1.08))
    upper, lower = _any_color(rng), _any_color(rng)
    skin = _shade(rng, (0.35, 0.22, 0.15), 0.5)
    clothed, legs = warmth * float(rng.uniform(0.35, 0.65)), warmth * float(rng.uniform(0.3, 0.5))
    swing = 0.32 * sin(gait)
    hip, neck = 0.88 * size + lift, 1.45 * size + lift
    reach = 0.55 * size * sin(lean)
    for x, way in ((-0.09, swing), (0.09, -swing)):
        _limb(
            parts,
            x,
            hip,
            0.86 * size,
            way,
            girth=0.085,
            material="cloth",
            color=lower,
            heat=legs,
        )
    parts.add(
        Solid.ELLIPSOID,
        (0, reach / 2, (hip + neck) / 2),
        (0.21, 0.14, 0.34 * size),
        "cloth",
        upper,
        heat=clothed,
        tilt=lean,
    )
    arms, shoulder = neck - 0.04, 0.62 * size
    for x, way in ((-0.22, -swing), (0.22, swing)):
        ahead = way * (1 if lean == 0 else 0) + 1.6 * lean
        _limb(
            parts,
            x,
            arms,
            shoulder,
            ahead,
            girth=0.06,
            material="cloth",
            color=upper,
            heat=clothed,
            joint=reach,
        )
    parts.add(
        Solid.ELLIPSOID,
        (0, reach, neck + 0.17),
        (0.1, 0.11, 0.14),
        "skin",
        skin,
        heat=warmth * 0.92,
    )
    return parts.table()


def bicycle(rng: Rng) -> PartTable:
    """A bicycle heading along local y, labelled with its rider."""
    parts = PartBuilder(Label.CYCLIST)
    color = _any_color(rng)
    for y in (-0.52, 0.52):
        parts.add(Solid.WHEEL, (0, y, 0.35), (0.03, 0.35, 0.35), "rubber", (0.02, 0.02, 0.02))
    for center, length, tilt in (
        ((0.0, 0.0, 0.6), 0.42, pi / 2),
        ((0.0, -0.22, 0.6), 0.33, -0.3),
        ((0.0, 0.45, 0.68), 0.36, -0.3),
    ):
        parts.add(Solid.CYLINDER, center, (0.03, 0.03, length), "steel", color, tilt=tilt)
    parts.add(Solid.BOX, (0, 0.36, 1.0), (0.27, 0.03, 0.03), "steel", color)
    return parts.table()
