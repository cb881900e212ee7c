# SPDX-License-Identifier: Apache-2.0
"""libcaer_cmp, the compressed form in which libcaer_driver sends iniVation's events.

Words like those of EVT 3.0 with row and column exchanged and other numbers for the kinds; the
time starts from zero in every packet and counts from the packet's time base. Source of the
layout: libcaer_cmp_types.h of github.com/ros-event-camera/event_camera_codecs.
"""

from dataclasses import replace

import numpy as np

from segrgbx_ros.event_formats.decoded import Bytes, Decoded
from segrgbx_ros.event_formats.word_vectors import VectorKinds
from segrgbx_ros.event_formats.words import WordKinds, WordStream

TIME_HIGH, TIME_LOW, ADDR_X, ADDR_Y, VECT_BASE_Y, VECT_8 = range(6)
VECT_12 = 6
KINDS = WordKinds(
    line=ADDR_X,
    line_is_row=False,
    single=ADDR_Y,
    vectors=VectorKinds(VECT_BASE_Y, VECT_8, VECT_12),
    time_low=TIME_LOW,
    time_high=TIME_HIGH,
    trigger=None,
    known=frozenset(range(7)),
)


class LibcaerCmp:
    """Events of a stream of libcaer_cmp words."""

    host_clock = True

    def __init__(self) -> None:
        self._stream = WordStream(KINDS)

    def decode(self, payload: Bytes, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times in nanoseconds are the time base plus the words' microseconds."""
        state = self._stream.state
        state.high, state.high_holds, state.low = 0, True, 0
        whole = len(payload) // 2 * 2
        words = payload[:whole].view(">u2" if big_endian else "<u2")
        (found,) = self._stream.decode([words.astype(np.uint16, copy=False)], time_base_ns)
        return replace(found, truncated=True) if whole != len(payload) else found

    def resume(self) -> None:
        """Wait for the column and the vectors' start anew."""
        self._stream.state.resume()
