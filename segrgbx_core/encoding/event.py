# SPDX-License-Identifier: Apache-2.0
"""Being written."""

from dataclasses import dataclass

from segrgbx_core.encoding.planes import Planes
from segrgbx_core.errors import InputError
from segrgbx_core.readings import Events


@dataclass(frozen=True)
class EventSettings:
    """None yet."""


def encode_event(reading: Events, settings: EventSettings | None = None) -> Planes:
    """Not yet."""
    raise InputError("Modality 'event' has no encoding in this version.")
