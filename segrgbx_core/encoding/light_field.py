# SPDX-License-Identifier: Apache-2.0
"""Being written."""

from dataclasses import dataclass

from segrgbx_core.encoding.planes import Planes
from segrgbx_core.errors import InputError
from segrgbx_core.readings import LightFieldViews, ImageReading


@dataclass(frozen=True)
class LightFieldSettings:
    """None yet."""


def encode_light_field(reading: LightFieldViews | ImageReading, settings: LightFieldSettings | None = None) -> Planes:
    """Not yet."""
    raise InputError("Modality 'light_field' has no encoding in this version.")
