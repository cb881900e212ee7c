# SPDX-License-Identifier: Apache-2.0
"""Time of day and weather: the light of a scene and the state of the air."""

from dataclasses import dataclass, replace
from math import cos, radians, sin

import numpy as np

from segrgbx_core.errors import InputError

CONDITIONS = ("day", "dusk", "night", "fog", "glare")
KNOWN_CONDITIONS = (*CONDITIONS, "wet")
LightColor = tuple[float, float, float]


@dataclass(frozen=True)
class Condition:
    """Radiometric state of a scene; radiances relative to a white sheet in full sun.

    sun_azimuth: radians clockwise from the road's direction; sun_elevation: radians; sun: its
    irradiance; ambient: the sky's; zenith, horizon: sky radiance. fog: extinction per metre in
    the visible. daylight: 0..1 share of solar heating. air_celsius: degrees C. overcast: 0..1
    share of the sky behind clouds. wet: 0..1, amount of water on the ground.
    """

    name: str
    sun_azimuth: float
    sun_elevation: float
    sun: LightColor
    ambient: LightColor
    zenith: LightColor
    horizon: LightColor
    fog: float
    daylight: float
    air_celsius: float
    lamps: bool
    headlights: bool
    veil: float
    overcast: float
    wet: float = 0.0

    def sun_direction(self) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """(3,) unit vector towards the sun."""
        level = cos(self.sun_elevation)
        x, y = level * sin(self.sun_azimuth), level * cos(self.sun_azimuth)
        return np.array([x, y, sin(self.sun_elevation)], np.float32)


def _scaled(color: LightColor, by: float) -> LightColor:
    return (color[0] * by, color[1] * by, color[2] * by)


def make_condition(name: str, rng: np.random.Generator) -> Condition:
    """A random state of the named kind. Raises InputError for an unknown kind."""
    if name == "wet":
        grey = make_condition("fog", rng)
        return replace(grey, name=name, fog=0.002, wet=float(rng.uniform(0.6, 1.0)))
    u = rng.uniform
    azimuth, overcast = float(u(-3.1, 3.1)), float(u(0.0, 1.0))
    common = {
        "day": (float(u(20, 65)), float(u(0.15, 1.0)), float(u(0.25, 0.5)), 1.0, (2, 31)),
        "dusk": (float(u(1, 5)), float(u(0.0, 0.03)), float(u(0.02, 0.06)), 0.3, (0, 25)),
        "night": (5.0, 0.0, float(u(0.0001, 0.0005)), 0.0, (-5, 22)),
        "fog": (30.0, 0.0, float(u(0.25, 0.5)), 0.35, (0, 14)),
        "glare": (float(u(5, 14)), float(u(0.8, 1.3)), float(u(0.12, 0.25)), 0.8, (2, 28)),
    }
    if name not in common:
        raise InputError(
            f"Condition '{name}' is unknown; expected one of {', '.join(KNOWN_CONDITIONS)}."
        )
    elevation, sun, ambient, daylight, air = common[name]
    warm: LightColor = (1.0, 0.95, 0.88) if name in ("day", "fog") else (1.0, 0.75, 0.5)
    blue: LightColor = (0.35 + 0.5 * overcast, 0.55 + 0.35 * overcast, 0.95)
    if name == "fog":
        blue = (0.93, 0.96, 1.0)
    horizon = _scaled((0.9, 0.95, 1.0) if name != "dusk" else (1.0, 0.62, 0.42), ambient * 2.2)
    return Condition(
        name=name,
        sun_azimuth=float(u(-0.35, 0.35)) if name == "glare" else azimuth,
        sun_elevation=radians(elevation),
        sun=_scaled(warm, sun),
        ambient=_scaled((0.85, 0.93, 1.0), ambient),
        zenith=_scaled(blue, ambient * 1.6),
        horizon=horizon,
        fog=3.0 / float(u(20, 70)) if name == "fog" else 0.0006,
        daylight=daylight * (1.0 - 0.4 * overcast),
        air_celsius=float(u(*air)),
        lamps=name in ("dusk", "night") and bool(u() < 0.8),
        headlights=name in ("dusk", "night", "fog"),
        veil=float(u(0.35, 1.1)) if name == "glare" else 0.0,
        overcast=1.0 if name == "fog" else overcast,
    )
