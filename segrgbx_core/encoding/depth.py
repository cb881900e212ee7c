# SPDX-License-Identifier: Apache-2.0
"""Being written."""

from dataclasses import dataclass

from segrgbx_core.encoding.planes import Planes
from segrgbx_core.errors import InputError
from segrgbx_core.readings import ImageReading


@dataclass(frozen=True)
class DepthSettings:
    """None yet."""


def encode_depth(reading: ImageReading, settings: DepthSettings | None = None) -> Planes:
    """Not yet."""
    raise InputError("Modality 'depth' has no encoding in this version.")
