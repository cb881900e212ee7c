# SPDX-License-Identifier: Apache-2.0
"""The solids that make up a scene, as one table of arrays."""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from math import cos, sin

import numpy as np
import numpy.typing as npt

from segrgbx_core.scenes.street.materials import MATERIAL_ID, Label

Vector = tuple[float, float, float]


class Solid(IntEnum):
    """Shapes of half size 1 along each local axis; WHEEL is a ring facing local x."""

    BOX = 0
    ELLIPSOID = 1
    CYLINDER = 2
    WHEEL = 3


@dataclass(frozen=True)
class PartTable:
    """N solids. Lengths in metres, colours linear reflectance 0..1.

    rotation: (N, 3, 3), columns are the local axes. heat: kelvin above the material's own
    temperature. glow: emitted radiance. facade: spacing of windows in metres, 0 for none.
    ragged: 0..1, how much of the outline is broken up.
    """

    solid: npt.NDArray[np.int16]
    center: npt.NDArray[np.float32]
    rotation: npt.NDArray[np.float32]
    half: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
    material: npt.NDArray[np.int16]
    color: npt.NDArray[np.float32]
    heat: npt.NDArray[np.float32]
    glow: npt.NDArray[np.float32]
    facade: npt.NDArray[np.float32]
    ragged: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.solid)

    def placed(self, position: Vector, yaw: float) -> "PartTable":
        """The same parts turned by yaw (radians, counter-clockwise) and moved."""
        c, s = cos(yaw), sin(yaw)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)
        center = self.center @ turn.T + np.array(position, np.float32)
        return replace(self, center=center, rotation=turn @ self.rotation)

    def chosen(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "PartTable":
        """The rows that the index or mask selects."""
        return PartTable(*(getattr(self, f.name)[index] for f in fields(self)))


def joined(tables: list[PartTable]) -> PartTable:
    """All rows of all tables, in order."""
    return PartTable(
        *(np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(PartTable))
    )


class PartBuilder:
    """Collects parts in an object's own frame: x right, y forward, z up, origin on the ground."""

    def __init__(self, label: Label) -> None:
        self._label = label
        self._rows: list[tuple[object, ...]] = []

    def add(
        self,
        solid: Solid,
        center: Vector,
        half: Vector,
        material: str,
        color: Vector,
        *,
        heat: float = 0.0,
        glow: float = 0.0,
        tilt: float = 0.0,
        facade: float = 0.0,
        ragged: float = 0.0,
    ) -> None:
        """One solid; tilt turns it about the local x axis, in radians (top forward)."""
        c, s = cos(tilt), sin(tilt)
        rotation = ((1.0, 0.0, 0.0), (0.0, c, s), (0.0, -s, c))
        what = (int(self._label), MATERIAL_ID[material], color, heat, glow, facade, ragged)
        self._rows.append((int(solid), center, rotation, half, *what))

    def table(self) -> PartTable:
        """The parts added so far."""
        kinds = (np.int16, *[np.float32] * 3, np.uint8, np.int16, *[np.float32] * 5)
        columns = zip(*self._rows, strict=True)
        return PartTable(*(np.array(c, k) for c, k in zip(columns, kinds, strict=True)))
