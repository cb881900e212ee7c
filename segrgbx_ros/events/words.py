# SPDX-License-Identifier: Apache-2.0
"""Decodes a stream of 16-bit words, each with its kind in the upper four bits.

Most words set a state (time, line, start of a vector); the others are events in the current state.
All steps work on whole arrays: each value of a state is repeated for the event words up to the
next change of that state. The state left by earlier packets is put in front as words, so packet
borders have no effect. Two formats are decoded this way, with row and column exchanged: evt3 and
libcaer_cmp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from segrgbx_ros.events.decoded import NO_TRIGGERS, NS_PER_US, Decoded, Triggers
from segrgbx_ros.events.word_vectors import (
    FLAG,
    KIND_SHIFT,
    VALUE,
    VectorKinds,
    Vectors,
    bit_counts,
    expanded,
)

Words = npt.NDArray[np.uint16]
Indices = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int32]
A = TypeVar("A", bound=np.generic)

TIME = 0xFFF
TIME_BITS = 12
# A step back in the upper bits by up to 10 (41 ms) is disorder in the sensor's output, as in
# Prophesee's own decoder and in event_camera_codecs; a larger one is a wrap.
DISORDER = 10


@dataclass(frozen=True)
class WordKinds:
    """The kinds of one format.

    line: sets the coordinate that the next events share. line_is_row: whether that is y. single:
    one event, with its other coordinate and polarity. known: every kind that is defined.
    """

    line: int
    line_is_row: bool
    single: int
    vectors: VectorKinds
    time_low: int
    time_high: int
    trigger: int | None
    known: frozenset[int]


@dataclass
class WordState:
    """The state set by the words so far; None if not set yet.

    high: the upper bits of the time with its wraps. high_holds: it was set after the last loss of
    packets. low: the lower 12 bits, set after such a high. base: start of the next vector. flag:
    its polarity bit.
    """

    high: int | None = None
    high_holds: bool = False
    low: int | None = None
    line: int | None = None
    base: int | None = None
    flag: int = 0

    def resume(self) -> None:
        """Forgets the state after a loss of packets, except the number of wraps."""
        self.high_holds = False
        self.low = self.line = self.base = None


@dataclass(frozen=True)
class _Times:
    """Times set by the words, in microseconds.

    at: indices of the words that set a valid time. us: that time. spans_us: the time range of each
    packet, None if it sets no complete time.
    """

    at: Indices
    us: npt.NDArray[np.int64]
    spans_us: list[tuple[int, int] | None]


@dataclass(frozen=True)
class _Events:
    """Events in the order of the words.

    line, running: both coordinates of each event. us: its time in microseconds. borders: number of
    events before each border of a packet. unplaced: number of events that cannot be placed.
    """

    line: Words
    running: Words
    polarity: npt.NDArray[np.bool_]
    us: npt.NDArray[np.int64]
    borders: Indices
    unplaced: int


_NOWHERE = np.empty(0, np.intp)


class WordStream:
    """Decodes one stream, packet by packet."""

    def __init__(self, kinds: WordKinds) -> None:
        self._kinds = kinds
        self._undefined = [kind for kind in range(16) if kind not in kinds.known]
        self.state = WordState()

    def decode(self, packets: Sequence[Words], time_base_ns: int) -> list[Decoded]:
        """Events and triggers of each of the next packets; time_base_ns is added to every time.

        Many packets in one call take far less time than separately, and give the same result.
        Unplaced events and unknown words are counted in the first packet.
        """
        seeds = self._seeds()
        words = np.concatenate([seeds, *packets])
        borders = np.cumsum([len(seeds), *map(len, packets)])
        kind = words >> np.uint16(KIND_SHIFT)
        present = int(np.bitwise_or.reduce(np.uint16(1) << kind)) if len(kind) else 0
        vectors = Vectors(self._kinds.vectors, words, kind, present)
        is_event = kind == self._kinds.single
        if vectors.any:
            is_event |= vectors.is_vector
        before = is_event.cumsum(dtype=np.int32)
        trigger_at = self._trigger_places(kind, present)
        times = self._times(words, kind, borders, (before, trigger_at))
        events = self._events(
            words=words,
            kind=kind,
            times=times,
            vectors=vectors,
            is_event=is_event,
            before=before,
            borders=borders,
        )
        t_ns = events.us
        t_ns *= NS_PER_US
        t_ns += time_base_ns
        unknown = sum(
            int(np.count_nonzero(kind == k)) for k in self._undefined if present >> k & 1
        )
        triggers = _triggers(words, trigger_at, times, borders, time_base_ns)
        return self._parted(events, times, triggers, time_base_ns, unknown)

    def _parted(
        self,
        events: _Events,
        times: _Times,
        triggers: list[Triggers],
        time_base_ns: int,
        unknown: int,
    ) -> list[Decoded]:
        """Splits the result by packet."""
        x, y = events.running, events.line
        if not self._kinds.line_is_row:
            x, y = y, x
        done = []
        for number, (start, end) in enumerate(pairwise(events.borders.tolist())):
            first_ns = last_ns = None
            span = times.spans_us[number]
            if span is not None:
                first_ns, last_ns = (us * NS_PER_US + time_base_ns for us in span)
            done.append(
                Decoded(
                    x=x[start:end],
                    y=y[start:end],
                    polarity=events.polarity[start:end],
                    t_ns=events.us[start:end],
                    first_ns=first_ns,
                    last_ns=last_ns,
                    triggers=triggers[number],
                    unplaced=0 if number else events.unplaced,
                    unknown=0 if number else unknown,
                )
            )
        return done

    def _seeds(self) -> Words:
        """The state as words to put in front."""
        kinds, state = self._kinds, self.state
        seeds: list[int] = []
        if state.high_holds and state.high is not None:
            seeds.append(kinds.time_high << KIND_SHIFT | state.high & TIME)
        if state.low is not None:
            seeds.append(kinds.time_low << KIND_SHIFT | state.low)
        if state.line is not None:
            seeds.append(kinds.line << KIND_SHIFT | state.line)
        if state.base is not None:
            value = min(state.base, VALUE) | state.flag
            seeds.append(kinds.vectors.base << KIND_SHIFT | value)
        return np.array(seeds, np.uint16)

    def _times(
        self, words: Words, kind: Words, borders: Indices, users: tuple[Counts, Indices]
    ) -> _Times:
        """Every complete time, lower and upper half, that an event or trigger uses.

        users: (N,) number of event words up to and including each word, and indices of the
        triggers.
        """
        low_at = (kind == self._kinds.time_low).nonzero()[0]
        high_at = (kind == self._kinds.time_high).nonzero()[0]
        nothing = _Times(_NOWHERE, np.empty(0, np.int64), [None] * (len(borders) - 1))
        if not len(high_at):
            return nothing
        high_at, highs = self._changes(high_at, words[high_at] & TIME)
        self.state.high, self.state.high_holds = int(highs[-1]) >> TIME_BITS, True
        low_at = low_at[low_at.searchsorted(high_at[0]) :]
        if not len(low_at):
            return nothing
        lows = (words[low_at] & TIME).astype(np.int64)
        self.state.low = int(lows[-1])
        slot = low_at.searchsorted(high_at)
        us = _spread(highs, slot, len(low_at))
        us |= lows
        spans = [
            (int(us[start]), int(us[start:end].max())) if end > start else None
            for start, end in pairwise(low_at.searchsorted(borders).tolist())
        ]
        alone = _without_low(low_at, high_at, slot, users)
        if len(alone):
            at = np.insert(low_at, slot[alone], high_at[alone])
            us = np.insert(us, slot[alone], highs[alone] | lows[slot[alone] - 1])
            return _Times(at, us, spans)
        return _Times(low_at, us, spans)

    def _changes(self, at: Indices, highs: Words) -> tuple[Indices, npt.NDArray[np.int64]]:
        """Where the upper half of the time changes, and its new values in microseconds.

        The values continue where 24 bits wrap. Most words repeat the previous value.
        """
        changed = np.empty(len(highs), np.bool_)
        changed[0] = True
        np.not_equal(highs[1:], highs[:-1], out=changed[1:])
        values = highs[changed].astype(np.int64)
        before = int(values[0]) if self.state.high is None else self.state.high
        wrapped = np.empty(len(values), np.bool_)
        wrapped[0] = values[0] - (before & TIME) < -DISORDER
        np.less(values[1:] - values[:-1], -DISORDER, out=wrapped[1:])
        values += (wrapped.cumsum() + (before >> TIME_BITS)) << TIME_BITS
        return at[changed], values << TIME_BITS

    def _events(
        self,
        words: Words,
        kind: Words,
        times: _Times,
        vectors: Vectors,
        is_event: npt.NDArray[np.bool_],
        before: Counts,
        borders: Indices,
    ) -> _Events:
        """The events that have a time and a line, and a base if they need one."""
        total = int(before[-1]) if len(before) else 0
        line_at = (kind == self._kinds.line).nonzero()[0]
        lines = _spread(words[line_at] & VALUE, before[line_at], total)
        us = _spread(times.us, before[times.at], total)
        placed = min(len(lines), len(us))
        at = is_event.nonzero()[0]
        unplaced = 0
        if placed < total:
            early, at = at[: total - placed], at[total - placed :]
            unplaced = int(bit_counts(vectors.bits(early, self._kinds.single)).sum())
        lines, us = lines[len(lines) - placed :], us[len(us) - placed :]
        if len(line_at):
            self.state.line = int(words[line_at[-1]] & VALUE)
        if not vectors.known:
            singles, ends = words[at], at.searchsorted(borders)
            polarity = (singles & FLAG) != 0
            return _Events(lines, singles & np.uint16(VALUE), polarity, us, ends, unplaced)
        start, flag, bits, without_base = vectors.resolved(at, self._kinds.single, self.state.base)
        self.state.base, self.state.flag = vectors.end, vectors.end_flag
        index, running = expanded(start, bits)
        ends = index.searchsorted(at.searchsorted(borders))
        unplaced += without_base
        return _Events(lines[index], running, flag[index], us[index], ends, unplaced)

    def _trigger_places(self, kind: Words, present: int) -> Indices:
        trigger = self._kinds.trigger
        if trigger is None or not present >> trigger & 1:
            return _NOWHERE
        at: Indices = (kind == trigger).nonzero()[0]
        return at


def _without_low(
    low_at: Indices, high_at: Indices, slot: Indices, users: tuple[Counts, Indices]
) -> Indices:
    """Indices of the changes of the upper half that are used before their lower half arrives.

    Such a time has the previous lower half, so it is up to 4 ms ahead. slot: number of lower
    halves before each change.
    """
    before, triggers = users
    until = np.append(low_at, len(before))[slot]
    used = before[until - 1] > before[high_at]
    if len(triggers):
        used |= triggers.searchsorted(until) > triggers.searchsorted(high_at)
    alone: Indices = ((slot > 0) & used).nonzero()[0]
    return alone


def _triggers(
    words: Words, at: Indices, times: _Times, borders: Indices, time_base_ns: int
) -> list[Triggers]:
    """Bit 0 is the edge, bits 8 to 11 the input; triggers before the first time are left out."""
    if not len(at) or not len(times.at):
        return [NO_TRIGGERS] * (len(borders) - 1)
    at = at[at > times.at[0]]
    edges = words[at]
    t_ns = times.us[times.at.searchsorted(at) - 1] * NS_PER_US + time_base_ns
    rising, channel = (edges & 1) != 0, (edges >> np.uint16(8) & 0xF).astype(np.uint8)
    return [
        Triggers(t_ns[start:end], rising[start:end], channel[start:end])
        for start, end in pairwise(at.searchsorted(borders).tolist())
    ]


def _spread(values: npt.NDArray[A], start: npt.NDArray[Any], total: int) -> npt.NDArray[A]:
    """Repeats each value from its own start up to the next one, and the last up to `total`."""
    counts = np.empty(len(start), np.intp)
    counts[:-1] = start[1:] - start[:-1]
    counts[-1:] = total - start[-1:]
    return values.repeat(counts)
