# SPDX-License-Identifier: Apache-2.0
"""Decodes 16-bit words: EVT 3.0 of Prophesee sensors, and libcaer_cmp of iniVation sensors.

EVT 3.0: https://docs.prophesee.ai/stable/data/encoding_formats/evt3.html. Time has 24 bits of
microseconds and wraps every 16.8 s.

libcaer_cmp is the compressed format of libcaer_driver. Its words resemble those of EVT 3.0, with
row and column exchanged and other numbers for the kinds. The time starts from zero in every packet
and is relative to the packet's time base. Source of the layout: libcaer_cmp_types.h of
github.com/ros-event-camera/event_camera_codecs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from segrgbx_ros.events.decoded import Decoded, Payload
from segrgbx_ros.events.word_vectors import VectorKinds, Words
from segrgbx_ros.events.words import WordKinds, WordStream

ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8 = 0x0, 0x2, 0x3, 0x4, 0x5
TIME_LOW, CONTINUED_4, TIME_HIGH = 0x6, 0x7, 0x8
EXT_TRIGGER, OTHERS, CONTINUED_12 = 0xA, 0xE, 0xF
KINDS = WordKinds(
    line=ADDR_Y,
    line_is_row=True,
    single=ADDR_X,
    vectors=VectorKinds(VECT_BASE_X, VECT_8, VECT_12),
    time_low=TIME_LOW,
    time_high=TIME_HIGH,
    trigger=EXT_TRIGGER,
    known=frozenset(
        {
            *(ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8),
            *(TIME_LOW, CONTINUED_4, TIME_HIGH),
            *(EXT_TRIGGER, OTHERS, CONTINUED_12),
        }
    ),
)
_NO_BYTES = np.empty(0, np.uint8)


class Evt3:
    """Decodes a stream of EVT 3.0 words, which may start and be split into packets anywhere.

    OTHERS (sensor monitoring) and its CONTINUED words are skipped. Events before the first time
    and row are `unplaced`. An odd byte at the end of a packet is half a word. It is joined with
    the next packet if that also has an odd length; otherwise the packet was truncated.
    """

    host_clock = False

    def __init__(self) -> None:
        self._stream = WordStream(KINDS)
        self._half = _NO_BYTES

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times are on the sensor's clock, in whole microseconds from its start."""
        del time_base_ns
        truncated = bool(len(self._half)) and len(payload) % 2 == 0
        if len(self._half) and not truncated:
            payload = np.concatenate([self._half, payload])
        whole = len(payload) // 2 * 2
        self._half = payload[whole:].copy()
        (content,) = self._stream.decode([_words(payload[:whole], big_endian)], 0)
        return replace(content, truncated=True) if truncated else content

    def decode_all(self, payloads: Sequence[Payload], big_endian: bool) -> list[Decoded]:
        """Like `decode` for each in turn; small packets take a third of the time together."""
        if len(self._half) or any(len(payload) % 2 for payload in payloads):
            return [self.decode(payload, 0, big_endian) for payload in payloads]
        return self._stream.decode([_words(payload, big_endian) for payload in payloads], 0)

    def resume(self) -> None:
        """Waits for the next time and row; keeps the number of wraps."""
        self._stream.state.resume()
        self._half = _NO_BYTES


def _words(payload: Payload, big_endian: bool) -> Words:
    return payload.view(">u2" if big_endian else "<u2").astype(np.uint16, copy=False)


CMP_TIME_HIGH, CMP_TIME_LOW, CMP_ADDR_X, CMP_ADDR_Y, CMP_VECT_BASE_Y, CMP_VECT_8 = range(6)
CMP_VECT_12 = 6
CMP_KINDS = WordKinds(
    line=CMP_ADDR_X,
    line_is_row=False,
    single=CMP_ADDR_Y,
    vectors=VectorKinds(CMP_VECT_BASE_Y, CMP_VECT_8, CMP_VECT_12),
    time_low=CMP_TIME_LOW,
    time_high=CMP_TIME_HIGH,
    trigger=None,
    known=frozenset(range(7)),
)


class LibcaerCmp:
    """Decodes a stream of libcaer_cmp words."""

    host_clock = True

    def __init__(self) -> None:
        self._stream = WordStream(CMP_KINDS)

    def decode(self, payload: Payload, time_base_ns: int, big_endian: bool) -> Decoded:
        """Times are the time base plus the microseconds of the words, in nanoseconds."""
        state = self._stream.state
        state.high, state.high_holds, state.low = 0, True, 0
        whole = len(payload) // 2 * 2
        words = payload[:whole].view(">u2" if big_endian else "<u2")
        (content,) = self._stream.decode([words.astype(np.uint16, copy=False)], time_base_ns)
        return replace(content, truncated=True) if whole != len(payload) else content

    def resume(self) -> None:
        """Waits for the next column and the next start of vectors."""
        self._stream.state.resume()
