# SPDX-License-Identifier: Apache-2.0
"""Raw readings of the second sensor to aligned planes: one function a sensor."""

from segrgbx_core.encoding.depth.metres import DepthSettings
from segrgbx_core.encoding.depth.planes import encode_depth
from segrgbx_core.encoding.event import EventSettings, encode_event
from segrgbx_core.encoding.light_field.planes import LightFieldSettings, encode_light_field
from segrgbx_core.encoding.polarization.planes import PolarizationSettings, encode_polarization
from segrgbx_core.encoding.table import ENCODINGS, Settings, encode
from segrgbx_core.encoding.thermal.planes import encode_thermal
from segrgbx_core.encoding.thermal.settings import ThermalSettings

__all__ = [
    "ENCODINGS",
    "DepthSettings",
    "EventSettings",
    "LightFieldSettings",
    "PolarizationSettings",
    "Settings",
    "ThermalSettings",
    "encode",
    "encode_depth",
    "encode_event",
    "encode_light_field",
    "encode_polarization",
    "encode_thermal",
]
