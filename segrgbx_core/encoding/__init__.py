# SPDX-License-Identifier: Apache-2.0
"""Encode raw readings of the second sensor as planes: one function for each sensor."""

from segrgbx_core.encoding.contract import Encoding, EncodingSettings
from segrgbx_core.encoding.depth.metres import DepthSettings
from segrgbx_core.encoding.depth.planes import encode_depth
from segrgbx_core.encoding.event import EventSettings, encode_event
from segrgbx_core.encoding.light_field.planes import LightFieldSettings, encode_light_field
from segrgbx_core.encoding.polarization.planes import PolarizationSettings, encode_polarization
from segrgbx_core.encoding.table import encode, encoding_of, read_x
from segrgbx_core.encoding.thermal.planes import encode_thermal
from segrgbx_core.encoding.thermal.settings import ThermalSettings

__all__ = [
    "DepthSettings",
    "Encoding",
    "EncodingSettings",
    "EventSettings",
    "LightFieldSettings",
    "PolarizationSettings",
    "ThermalSettings",
    "encode",
    "encode_depth",
    "encode_event",
    "encode_light_field",
    "encode_polarization",
    "encode_thermal",
    "encoding_of",
    "read_x",
]
