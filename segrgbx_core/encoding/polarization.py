# SPDX-License-Identifier: Apache-2.0
"""Being written."""

from dataclasses import dataclass

from segrgbx_core.encoding.planes import Planes
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading, PolarizerImages, PolarizationState


@dataclass(frozen=True)
class PolarizationSettings:
    """None yet."""


def encode_polarization(reading: ImageReading | PolarizerImages | PolarizationState, settings: PolarizationSettings | None = None) -> Planes:
    """Not yet."""
    raise InputError("Modality 'polarization' has no encoding in this version.")
