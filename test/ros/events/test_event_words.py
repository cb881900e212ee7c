# SPDX-License-Identifier: Apache-2.0
"""EVT 3.0 and libcaer_cmp: each word by hand, and any stream against a word-by-word decoder."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_ros.events.decoded import Decoded
from segrgbx_ros.events.evt3 import Evt3, LibcaerCmp

Row = tuple[int, int, bool, int]
Y, X, BASE, V12, V8, LOW, CONT4, HIGH, TRIG, OTHERS, CONT12 = (
    *(0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0xA, 0xE),
    0xF,
)
ON = 0x800


def payload(*words: tuple[int, int]) -> np.ndarray:
    """Words given as (kind, value), as bytes."""
    return np.array([kind << 12 | value for kind, value in words], "<u2").view(np.uint8)


def rows(*parts: Decoded) -> list[Row]:
    """x, y, polarity, microseconds."""
    return [
        (x, y, p, t // 1000)
        for part in parts
        for x, y, p, t in zip(
            part.x.tolist(),
            part.y.tolist(),
            part.polarity.tolist(),
            part.t_ns.tolist(),
            strict=True,
        )
    ]


def decode(*words: tuple[int, int]) -> Decoded:
    return Evt3().decode(payload(*words), 0, False)


def test_single_events_by_hand() -> None:
    packet = decode((HIGH, 2), (LOW, 5), (Y, 7), (X, 3 | ON), (X, 4), (LOW, 6), (Y, 8), (X, 1))
    # 2 << 12 is 8192, plus 5 and 6.
    assert rows(packet) == [(3, 7, True, 8197), (4, 7, False, 8197), (1, 8, False, 8198)]
    assert (packet.first_ns, packet.last_ns) == (8_197_000, 8_198_000)
    assert (packet.unplaced, packet.unknown, packet.truncated) == (0, 0, False)
    assert packet.x.dtype == packet.y.dtype == np.uint16
    assert packet.t_ns.dtype == np.int64


def test_covered_time_is_not_ahead_where_only_its_upper_half_is_told() -> None:
    """At the end of the packet the time would read 3 << 12 | 4000; it is at least 3 << 12."""
    decoder = Evt3()
    first = decoder.decode(payload((HIGH, 2), (LOW, 4000), (Y, 1), (X, 1), (HIGH, 3)), 0, False)
    second = decoder.decode(payload((HIGH, 3), (LOW, 9), (X, 1)), 0, False)
    assert (first.first_ns, first.last_ns) == (12_192_000, 12_192_000)
    assert (second.first_ns, second.last_ns) == (12_297_000, 12_297_000)


def test_vectors_move_their_base() -> None:
    packet = decode(
        *((HIGH, 0), (LOW, 1), (Y, 9), (BASE, 100 | ON)),
        *((V12, 0b1000_0000_0001), (V8, 0b1000_0010), (X, 5), (V12, 0b10), (BASE, 50), (V8, 1)),
    )
    # The first base is 100, then 112 after twelve and 120 after eight; single events do not count.
    assert rows(packet) == [
        *((100, 9, True, 1), (111, 9, True, 1), (113, 9, True, 1), (119, 9, True, 1)),
        *((5, 9, False, 1), (121, 9, True, 1), (50, 9, False, 1)),
    ]


def test_vector_8_ignores_its_unused_bits() -> None:
    packet = decode((HIGH, 0), (LOW, 0), (Y, 0), (BASE, 10), (V8, 0xF01))
    assert rows(packet) == [(10, 0, False, 0)]


def test_row_word_carries_the_camera_in_its_upper_bit() -> None:
    packet = decode((HIGH, 0), (LOW, 0), (Y, 9 | 0x800), (X, 1))
    assert rows(packet) == [(1, 9, False, 0)]


def test_triggers() -> None:
    packet = decode((TRIG, 1), (HIGH, 1), (TRIG, 1), (LOW, 4), (TRIG, 0x301), (LOW, 9), (TRIG, 0))
    assert packet.triggers.t_ns.tolist() == [4_100_000, 4_105_000]
    assert packet.triggers.rising.tolist() == [True, False]
    assert packet.triggers.channel.tolist() == [3, 0]


def test_upper_half_alone_goes_with_the_lower_half_of_before() -> None:
    packet = decode((HIGH, 1), (LOW, 9), (Y, 0), (HIGH, 2), (X, 1), (HIGH, 3), (TRIG, 1), (LOW, 0))
    assert rows(packet) == [(1, 0, False, (2 << 12) + 9)]
    assert packet.triggers.t_ns.tolist() == [((3 << 12) + 9) * 1000]


def test_monitoring_words_are_passed_over_and_undefined_ones_counted() -> None:
    packet = decode(
        *((HIGH, 0), (LOW, 0), (Y, 3), (OTHERS, 0x17), (CONT4, 1), (CONT12, 0xFFF)),
        *((0x1, 5), (0xD, 5), (X, 2)),
    )
    assert rows(packet) == [(2, 3, False, 0)]
    assert packet.unknown == 2


def test_start_in_mid_stream_waits_for_time_row_and_base() -> None:
    packet = decode(
        *((X, 1), (LOW, 7), (Y, 5), (X, 2), (HIGH, 1), (X, 3), (V12, 0b111), (LOW, 8)),
        *((V8, 0b11), (X, 4), (BASE, 20), (V8, 0b1)),
    )
    # Row 5 was set earlier; the times are valid from the low word after the high one.
    assert rows(packet) == [(4, 5, False, 4104), (20, 5, False, 4104)]
    # 1, 2 and 3, three of the first vector, two of the second, which has no base.
    assert packet.unplaced == 3 + 3 + 2


def test_time_may_be_told_across_a_border() -> None:
    decoder = Evt3()
    parts = [
        decoder.decode(payload(*words), 0, False)
        for words in (((Y, 1), (HIGH, 3)), ((LOW, 2), (X, 9)))
    ]
    assert rows(*parts) == [(9, 1, False, (3 << 12) + 2)]


def test_time_wraps_after_24_bits() -> None:
    decoder = Evt3()
    parts = [
        decoder.decode(payload(*words), 0, False)
        for words in (
            ((HIGH, 4095), (LOW, 4095), (Y, 0), (X, 0), (HIGH, 0), (LOW, 0), (X, 1)),
            ((HIGH, 4000), (X, 2), (HIGH, 1), (LOW, 2), (X, 3)),
        )
    ]
    us = [t for *_, t in rows(*parts)]
    wrap = 1 << 24
    assert us == [wrap - 1, wrap, wrap + (4000 << 12), 2 * wrap + (1 << 12) + 2]


def test_a_small_step_back_is_no_wrap() -> None:
    packet = decode((HIGH, 20), (LOW, 0), (Y, 0), (X, 0), (HIGH, 10), (LOW, 0), (X, 1))
    assert [t for *_, t in rows(packet)] == [20 << 12, 10 << 12]
    packet = decode((HIGH, 20), (LOW, 0), (Y, 0), (X, 0), (HIGH, 9), (LOW, 0), (X, 1))
    assert [t for *_, t in rows(packet)] == [20 << 12, (1 << 24) + (9 << 12)]


def test_big_endian_words() -> None:
    words = payload((HIGH, 2), (LOW, 5), (Y, 7), (X, 3 | ON))
    swapped = words.reshape(-1, 2)[:, ::-1].reshape(-1)
    assert rows(Evt3().decode(swapped, 0, True)) == rows(Evt3().decode(words, 0, False))


def test_odd_byte_is_counted_and_the_rest_kept() -> None:
    whole = payload((HIGH, 0), (LOW, 1), (Y, 1), (X, 1), (X, 2))
    decoder = Evt3()
    first = decoder.decode(whole[:-1], 0, False)
    second = decoder.decode(payload((X, 3)), 0, False)
    assert rows(first, second) == [(1, 1, False, 1), (3, 1, False, 1)]
    assert [first.truncated, second.truncated] == [False, True]


def test_after_lost_packets_it_waits_again_but_keeps_the_wraps() -> None:
    decoder = Evt3()
    decoder.decode(payload((HIGH, 4095), (LOW, 0), (Y, 1), (HIGH, 5), (LOW, 0), (X, 1)), 0, False)
    decoder.resume()
    packet = decoder.decode(payload((X, 2), (HIGH, 7), (LOW, 3), (X, 3), (Y, 2), (X, 4)), 0, False)
    assert rows(packet) == [(4, 2, False, (1 << 24) + (7 << 12) + 3)]
    assert packet.unplaced == 2


def test_an_empty_packet_has_no_events_and_no_time() -> None:
    decoder = Evt3()
    decoder.decode(payload((HIGH, 1), (LOW, 1), (Y, 1)), 0, False)
    packet = decoder.decode(np.empty(0, np.uint8), 0, False)
    assert (rows(packet), packet.first_ns, packet.last_ns) == ([], None, None)


def test_libcaer_cmp_by_hand() -> None:
    high, low, column, event, base, v8 = range(6)
    words = payload(
        *((column, 40), (event, 7 | ON), (low, 3), (event, 8), (high, 1), (low, 2)),
        *((base, 20 | ON), (v8, 0b101), (v8, 0b1)),
    )
    packet = LibcaerCmp().decode(words, 5_000_000, False)
    assert [(x, y, p) for x, y, p, _ in rows(packet)] == [
        *((40, 7, True), (40, 8, False), (40, 20, True), (40, 22, True), (40, 28, True)),
    ]
    # Time counts from the packet's base: 0, 3 us, then (1 << 12) + 2 us.
    assert packet.t_ns.tolist() == [5_000_000, 5_003_000, *[5_000_000 + 4_098_000] * 3]


def test_libcaer_cmp_keeps_the_column_but_not_the_time() -> None:
    decoder = LibcaerCmp()
    decoder.decode(payload((2, 40), (0, 9), (1, 9)), 0, False)
    packet = decoder.decode(payload((3, 5)), 1_000, False)
    assert [(*row[:3], t) for row, t in zip(rows(packet), packet.t_ns.tolist(), strict=True)] == [
        (40, 5, False, 1_000)
    ]


@dataclass
class WordByWord:
    """A slow decoder that handles one word after the other, for comparison."""

    high: int | None = None
    low: int = 0
    fresh: bool = False
    seen_high: bool = False
    row: int | None = None
    base: int | None = None
    base_on: bool = False
    unplaced: int = 0
    triggers: list[tuple[int, bool, int]] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    def add(self, x: int, on: bool, known: bool = True) -> None:
        if self.fresh and self.row is not None and known:
            assert self.high is not None
            self.events.append((x, self.row, on, self.high << 12 | self.low))
        else:
            self.unplaced += 1

    def feed(self, words: list[tuple[int, int]]) -> None:
        for kind, value in words:
            if kind == Y:
                self.row = value & 0x7FF
            elif kind == X:
                self.add(value & 0x7FF, bool(value & ON))
            elif kind == BASE:
                self.base, self.base_on = value & 0x7FF, bool(value & ON)
            elif kind in (V12, V8):
                length = 12 if kind == V12 else 8
                for bit in range(length):
                    if value >> bit & 1:
                        self.add((self.base or 0) + bit, self.base_on, self.base is not None)
                if self.base is not None:
                    self.base += length
            elif kind == HIGH:
                last = 0 if self.high is None else self.high
                if self.high is not None and value < (last & 0xFFF) - 10:
                    last += 1 << 12
                self.high = (last & ~0xFFF) | value
                self.seen_high = True
            elif kind == LOW:
                self.low = value
                self.fresh = self.fresh or self.seen_high
            elif kind == TRIG and self.fresh and self.high is not None:
                when = self.high << 12 | self.low
                self.triggers.append((when, bool(value & 1), value >> 8 & 0xF))


KINDS = [*(Y, X, X, BASE, V12, V8, LOW, HIGH, TRIG), *(OTHERS, CONT4, CONT12, 0x1, 0x9)]
values = st.one_of(st.integers(0, 3), st.integers(0, 0xFFF))
streams = st.lists(st.tuples(st.sampled_from(KINDS), values), max_size=40)


@settings(max_examples=200, deadline=None)
@given(words=streams, borders=st.lists(st.integers(0, 40), max_size=6))
def test_any_stream_in_any_packets_equals_word_by_word(
    words: list[tuple[int, int]], borders: list[int]
) -> None:
    slow, fast = WordByWord(), Evt3()
    slow.feed(words)
    cuts = [0, *sorted(min(b, len(words)) for b in borders), len(words)]
    parts = [fast.decode(payload(*words[a:b]), 0, False) for a, b in pairwise(cuts)]
    assert rows(*parts) == slow.events
    assert sum(part.unplaced for part in parts) == slow.unplaced
    triggers = [
        (t // 1000, on, channel)
        for part in parts
        for t, on, channel in zip(
            part.triggers.t_ns.tolist(),
            part.triggers.rising.tolist(),
            part.triggers.channel.tolist(),
            strict=True,
        )
    ]
    assert triggers == slow.triggers


@settings(max_examples=60, deadline=None)
@given(words=streams, border=st.integers(0, 80))
def test_two_packets_may_part_anywhere_even_within_a_word(
    words: list[tuple[int, int]], border: int
) -> None:
    data = payload(*words)
    border = min(border, len(data))
    decoder = Evt3()
    parts = [decoder.decode(part, 0, False) for part in (data[:border], data[border:])]
    assert rows(*parts) == rows(Evt3().decode(data, 0, False))
    assert not any(part.truncated for part in parts)


def encoded(events: list[Row]) -> list[tuple[int, int]]:
    """Events in time order as EVT 3.0 words, with runs of neighbours as vectors."""
    words: list[tuple[int, int]] = []
    high = low = row = -1
    at = 0
    while at < len(events):
        x, y, on, us = events[at]
        if us >> 12 != high:
            high, low = us >> 12, -1
            words.append((HIGH, high & 0xFFF))
        if us & 0xFFF != low:
            low = us & 0xFFF
            words.append((LOW, low))
        if y != row:
            row = y
            words.append((Y, row))
        run = 1
        while at + run < len(events) and events[at + run] == (x + run, y, on, us) and run < 12:
            run += 1
        if run > 1:
            words += [(BASE, x | on << 11), (V12, (1 << run) - 1)]
        else:
            words.append((X, x | on << 11))
        at += run
    return words


pixels = st.tuples(st.integers(0, 1279), st.integers(0, 719), st.booleans())


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(pixels, st.integers(0, 30_000), st.integers(1, 6)), max_size=40),
    start=st.integers(0, 1 << 24),
)
def test_what_was_encoded_comes_back(
    places: list[tuple[tuple[int, int, bool], int, int]], start: int
) -> None:
    events: list[Row] = []
    us = start
    for (x, y, on), step, run in places:
        us += step
        events += [(min(x + i, 1279), y, on, us) for i in range(run)]
    returned = rows(decode(*encoded(events)))
    # The stream does not contain the number of wraps before its start.
    unseen = start >> 24 << 24 if not places else (start + places[0][1]) >> 24 << 24
    assert returned == [(x, y, on, t - unseen) for x, y, on, t in events]


@pytest.mark.parametrize("decoder", [Evt3, LibcaerCmp])
def test_random_bytes_never_raise(decoder: type[Evt3] | type[LibcaerCmp]) -> None:
    rng = np.random.default_rng(0)
    stream = decoder()
    for length in range(200):
        packet = stream.decode(rng.integers(0, 256, length, dtype=np.uint8), 0, False)
        assert len(packet.x) == len(packet.y) == len(packet.polarity) == len(packet.t_ns)
