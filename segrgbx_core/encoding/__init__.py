# SPDX-License-Identifier: Apache-2.0
"""Raw readings of the second sensor to aligned planes: one function a sensor."""

from segrgbx_core.encoding.planes import Planes
from segrgbx_core.encoding.thermal import ThermalSettings, encode_thermal
from segrgbx_core.errors import InputError
from segrgbx_core.frame import Reading
from segrgbx_core.modality import modality_named

__all__ = ["Planes", "ThermalSettings", "encode", "encode_thermal"]

ENCODERS = {"thermal": encode_thermal}


def encode(modality: str, reading: Reading, settings: ThermalSettings | None = None) -> Planes:
    """A reading of the named modality to planes; the units and errors of its own encoder.

    Raises InputError for a modality that is unknown or has no encoding yet.
    """
    name = modality_named(modality).name
    if name not in ENCODERS:
        raise InputError(
            f"Modality '{name}' has no encoding in this version; those that have one: "
            f"{', '.join(ENCODERS)}."
        )
    return ENCODERS[name](reading, settings)
