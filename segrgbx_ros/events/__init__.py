# SPDX-License-Identifier: Apache-2.0
"""Event encodings, one module each, and the table of their decoders."""

from collections.abc import Callable

from segrgbx_ros.events.decoded import NO_TRIGGERS, Decoded, PacketFormat, Triggers
from segrgbx_ros.events.event_array import EventArray
from segrgbx_ros.events.evt3 import Evt3, LibcaerCmp
from segrgbx_ros.events.fixed import Libcaer, Mono, TriggerOnly

FORMATS: dict[str | None, Callable[[], PacketFormat]] = {
    "evt3": Evt3,
    "mono": Mono,
    "trigger": TriggerOnly,
    "libcaer": Libcaer,
    "libcaer_cmp": LibcaerCmp,
    None: EventArray,
}
"""Decoders by the encoding that a message states; EventArray messages state none."""

__all__ = ["FORMATS", "NO_TRIGGERS", "Decoded", "PacketFormat", "Triggers"]
