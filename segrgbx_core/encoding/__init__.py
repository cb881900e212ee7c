# SPDX-License-Identifier: Apache-2.0
"""Raw readings of the second sensor to aligned planes: one function a sensor."""

from segrgbx_core.encoding.depth import DepthSettings, encode_depth
from segrgbx_core.encoding.event import EventSettings, encode_event
from segrgbx_core.encoding.light_field import LightFieldSettings, encode_light_field
from segrgbx_core.encoding.planes import Planes
from segrgbx_core.encoding.polarization import PolarizationSettings, encode_polarization
from segrgbx_core.encoding.table import ENCODINGS, Settings, encode
from segrgbx_core.encoding.thermal import ThermalSettings, encode_thermal

__all__ = [
    "ENCODINGS",
    "DepthSettings",
    "EventSettings",
    "LightFieldSettings",
    "Planes",
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
