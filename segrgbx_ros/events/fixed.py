# SPDX-License-Identifier: Apache-2.0
"""Decodes events of 64 bits each: mono, trigger and libcaer.

mono and trigger: polarity in bit 63, y in 48 to 62, x in 32 to 47, nanoseconds after the packet's
time base in 0 to 31; a trigger has only the first and the last. Source: the README of
github.com/ros-event-camera/event_camera_msgs.

libcaer, the polarity events of iniVation cameras: 32 bits of data (polarity in bit 1, y in 2 to
16, x in 17 to 31), then 31 bits of microseconds after the packet's time base, which includes
earlier wraps. Sources: polarity.h of libcaer, and github.com/ros-event-camera/event_camera_codecs
for the time.
"""

import numpy as np

from segrgbx_ros.events.decoded import NS_PER_US, Decoded, Payload, Triggers, decoded

EVENT_BYTES = 8
_ROW = np.uint16(0x7FFF)
_ROW_BITS = 15


def _events(payload: Payload, big_endian: bool) -> tuple[Payload, bool]:
    """The bytes of the complete events, little-endian, and whether the last one is truncated."""
    whole = len(payload) // EVENT_BYTES * EVENT_BYTES
    events = payload[:whole]
    if big_endian:
        events = events.view(">u8").astype("<u8").view(np.uint8)
    return events, whole != len(payload)


class Mono:
    """Decodes self-contained events; keeps no state between packets."""

    host_clock = False

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times are the time base plus the time of the event, in nanoseconds."""
        events, cut = _events(payload, big_endian)
        shorts = events.view("<u2").reshape(-1, 4)
        t_ns = events.view("<u4")[::2].astype(np.int64) + time_base_ns
        row = shorts[:, 3]
        polarity = (row >> _ROW_BITS).astype(np.bool_)
        return decoded(shorts[:, 2].astype(np.uint16), row & _ROW, polarity, t_ns, cut)

    def resume(self) -> None:
        """No state to forget."""


class TriggerOnly:
    """Decodes packets of encoding "trigger": edges on the sensor's input and no events."""

    host_clock = False

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times are the time base plus the time of the trigger, in nanoseconds."""
        edges, cut = _events(payload, big_endian)
        t_ns = edges.view("<u4")[::2].astype(np.int64) + time_base_ns
        rising = (edges[7::EVENT_BYTES] >> 7).astype(np.bool_)
        triggers = Triggers(t_ns, rising, np.zeros(len(t_ns), np.uint8))
        nothing = np.empty(0, np.uint16)
        return Decoded(
            nothing,
            nothing,
            np.empty(0, np.bool_),
            np.empty(0, np.int64),
            triggers=triggers,
            truncated=cut,
        )

    def resume(self) -> None:
        """No state to forget."""


WRAP_BITS = 31
_ADDRESS = 0x7FFF


class Libcaer:
    """Decodes events whose time is complete except for wraps within their own packet."""

    host_clock = True

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times are the time base, plus wraps within the packet, plus the time of the event.

        They are in nanoseconds. The bytes of the events are always little-endian, as the camera
        sends them.
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
        """No state to forget."""
