# SPDX-License-Identifier: Apache-2.0
"""Which encoding reads which modality, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from segrgbx_core.encoding.depth.metres import DepthSettings
from segrgbx_core.encoding.depth.planes import encode_depth
from segrgbx_core.encoding.event import EventSettings, encode_event
from segrgbx_core.encoding.light_field.planes import LightFieldSettings, encode_light_field
from segrgbx_core.encoding.polarization.planes import PolarizationSettings, encode_polarization
from segrgbx_core.encoding.thermal.planes import encode_thermal
from segrgbx_core.encoding.thermal.settings import ThermalSettings
from segrgbx_core.errors import InputError
from segrgbx_core.modality import modality_named
from segrgbx_core.readings import (
    Events,
    LightFieldViews,
    Planes,
    PolarizationState,
    PolarizerImages,
    Reading,
)

Settings = (
    EventSettings | ThermalSettings | DepthSettings | PolarizationSettings | LightFieldSettings
)


@dataclass(frozen=True)
class Encoding:
    """readings: the types that `encode` takes; settings: the type of its settings."""

    encode: Callable[[Any, Any], Planes]
    settings: type[Settings]
    readings: tuple[type, ...]


ENCODINGS: dict[str, Encoding] = {
    "event": Encoding(encode_event, EventSettings, (Events,)),
    "thermal": Encoding(encode_thermal, ThermalSettings, (np.ndarray,)),
    "depth": Encoding(encode_depth, DepthSettings, (np.ndarray,)),
    "polarization": Encoding(
        encode_polarization,
        PolarizationSettings,
        (np.ndarray, PolarizerImages, PolarizationState),
    ),
    "light_field": Encoding(encode_light_field, LightFieldSettings, (LightFieldViews, np.ndarray)),
}


def encode(modality: str, reading: Reading | Planes, settings: Settings | None = None) -> Planes:
    """A reading of the named modality to planes; the units and errors of its own encoder.

    Planes, as some datasets hold instead of readings, are returned as they are.
    Raises InputError for an unknown modality, and for a reading or settings of another modality.
    """
    name = modality_named(modality).name
    if isinstance(reading, Planes):
        return reading
    encoding = ENCODINGS[name]
    for what, given, expected in (
        ("reading", reading, encoding.readings),
        ("settings", settings, (encoding.settings, type(None))),
    ):
        if not isinstance(given, expected):
            raise InputError(
                f"Modality '{name}' was given {what} of type {type(given).__name__}; expected "
                f"{' or '.join(t.__name__ for t in expected if t is not type(None))}."
            )
    return encoding.encode(reading, settings)
