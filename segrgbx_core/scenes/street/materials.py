# SPDX-License-Identifier: Apache-2.0
"""Materials of surfaces, with the properties that any of the sensors can measure."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Ids of `config/labels/street.yaml`."""

    ROAD = 0
    LANE_MARKING = 1
    SIDEWALK = 2
    BUILDING = 3
    SKY = 4
    VEGETATION = 5
    POLE = 6
    CAR = 7
    PEDESTRIAN = 8
    CYCLIST = 9
    GLASS = 10


@dataclass(frozen=True)
class Material:
    """Physical constants of one material.

    sun_gain: kelvin above the air in full sun; night_offset: kelvin above the air on a clear
    night; emissivity: 0..1 in the long-wave infrared; refractive_index: of the surface, for
    polarization by reflection; grain: strength of its visible texture, 0..1; gloss: 0..1, the
    smooth share of the surface, which reflects specularly.
    """

    name: str
    sun_gain: float
    night_offset: float
    emissivity: float
    refractive_index: float
    grain: float
    gloss: float


# In the order name, sun_gain, night_offset, emissivity.
MATERIALS = (
    Material("asphalt", 17.0, 4.0, 0.95, refractive_index=1.6, grain=0.25, gloss=0.2),
    Material("paint", 11.0, 2.5, 0.92, refractive_index=1.5, grain=0.12, gloss=0.3),
    Material("concrete", 12.0, 2.5, 0.93, refractive_index=1.55, grain=0.2, gloss=0.1),
    Material("masonry", 9.0, 3.5, 0.93, refractive_index=1.55, grain=0.2, gloss=0.05),
    Material("glass", 1.0, 1.5, 0.84, refractive_index=1.52, grain=0.02, gloss=1.0),
    Material("shutter", 8.0, 2.0, 0.93, refractive_index=1.5, grain=0.02, gloss=0.05),
    Material("car_paint", 10.0, -2.0, 0.92, refractive_index=1.5, grain=0.03, gloss=0.9),
    Material("rubber", 9.0, 0.5, 0.95, refractive_index=1.52, grain=0.1, gloss=0.2),
    Material("foliage", 2.0, -0.5, 0.97, refractive_index=1.4, grain=0.55, gloss=0.3),
    Material("grass", 5.0, -2.0, 0.97, refractive_index=1.4, grain=0.45, gloss=0.15),
    Material("bark", 5.0, 0.5, 0.95, refractive_index=1.5, grain=0.35, gloss=0.05),
    Material("skin", 0.0, 0.0, 0.98, refractive_index=1.4, grain=0.05, gloss=0.2),
    Material("cloth", 4.0, 0.0, 0.96, refractive_index=1.5, grain=0.15, gloss=0.03),
    Material("steel", 8.0, -1.5, 0.85, refractive_index=2.0, grain=0.1, gloss=0.5),
    Material("lamp", 4.0, 6.0, 0.9, refractive_index=1.5, grain=0.0, gloss=0.8),
    Material("sky", 0.0, 0.0, 1.0, refractive_index=1.0, grain=0.0, gloss=0.0),
)
MATERIAL_ID = {m.name: i for i, m in enumerate(MATERIALS)}
SUN_GAIN = np.array([m.sun_gain for m in MATERIALS], np.float32)
NIGHT_OFFSET = np.array([m.night_offset for m in MATERIALS], np.float32)
EMISSIVITY = np.array([m.emissivity for m in MATERIALS], np.float32)
GRAIN = np.array([m.grain for m in MATERIALS], np.float32)
REFRACTIVE_INDEX = np.array([m.refractive_index for m in MATERIALS], np.float32)
GLOSS = np.array([m.gloss for m in MATERIALS], np.float32)
