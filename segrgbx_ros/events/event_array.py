# SPDX-License-Identifier: Apache-2.0
"""Decodes dvs_msgs and prophesee_event_msgs EventArray directly from the CDR bytes.

An event is uint16 x, uint16 y, int32 seconds, uint32 nanoseconds, bool polarity. CDR aligns each
field to its own size, counted from the start of the message, and the array begins at a multiple of
4. The times are therefore 16 bytes apart from byte 4 on. x and y use the free bytes after the
polarity of the previous event; those of the first event have no such bytes to use.
"""

import numpy as np

from segrgbx_ros.events.decoded import Decoded, Payload, decoded
from segrgbx_ros.messages.types import NS_PER_S

STRIDE = 16
LAST_BYTES = 13
_FIRST_SHIFT = 2


class EventArray:
    """Decodes a serialised array of events, without its length prefix."""

    host_clock = True

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times are the stamps of the events; a truncated event is left out."""
        count = (len(payload) + STRIDE - LAST_BYTES) // STRIDE
        whole = STRIDE * count - (STRIDE - LAST_BYTES) if count else 0
        shifted = np.zeros(STRIDE * count, np.uint8)
        shifted[_FIRST_SHIFT : _FIRST_SHIFT + whole] = payload[:whole]
        shifted[0:4] = shifted[_FIRST_SHIFT : _FIRST_SHIFT + 4] if count else 0
        order = ">" if big_endian else "<"
        layout = np.dtype(
            {
                "names": ["x", "y", "sec", "nanosec", "polarity"],
                "formats": [f"{order}u2", f"{order}u2", f"{order}i4", f"{order}u4", "u1"],
                "offsets": [0, 2, 6, 10, 14],
                "itemsize": STRIDE,
            }
        )
        events = shifted.view(layout)
        t_ns = events["sec"].astype(np.int64) * NS_PER_S + events["nanosec"] + time_base_ns
        return decoded(
            events["x"].astype(np.uint16),
            events["y"].astype(np.uint16),
            events["polarity"].astype(np.bool_),
            t_ns,
            whole != len(payload),
        )

    def resume(self) -> None:
        """No state to forget."""
