# SPDX-License-Identifier: Apache-2.0
"""libcaer, the polarity events of iniVation's cameras as libcaer has them.

64 bits an event: 32 bits of data (bit 1 polarity, 2 to 16 y, 17 to 31 x), then 31 bits of
microseconds after the packet's time base, which holds the wraps before the packet. Sources:
polarity.h of libcaer, and github.com/ros-event-camera/event_camera_codecs for the time.
"""

import numpy as np

from segrgbx_ros.event_formats.decoded import NS_PER_US, Bytes, Decoded, decoded

EVENT_BYTES = 8
WRAP_BITS = 31
_ADDRESS = 0x7FFF


class Libcaer:
    """Events that each tell all but the wraps within their own packet."""

    host_clock = True

    def decode(self, payload: Bytes, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times in nanoseconds are the time base, wraps within the packet and the event's own.

        The bytes of the events are the camera's, lowest first, on every machine.
        """
        del big_endian
        whole = len(payload) // EVENT_BYTES * EVENT_BYTES
        pairs = payload[:whole].view("<u4").reshape(-1, 2)
        data, us = pairs[:, 0], pairs[:, 1].astype(np.int32).astype(np.int64)
        half_turn = 1 << (WRAP_BITS - 1)
        wraps = (np.diff(us, prepend=us[:1]) < -half_turn).cumsum()
        t_ns = (us + (wraps << WRAP_BITS)) * NS_PER_US + time_base_ns
        x = (data >> 17 & _ADDRESS).astype(np.uint16)
        y = (data >> 2 & _ADDRESS).astype(np.uint16)
        return decoded(x, y, (data >> 1 & 1).astype(np.bool_), t_ns, whole != len(payload))

    def resume(self) -> None:
        """Nothing to forget."""
