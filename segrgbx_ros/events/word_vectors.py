# SPDX-License-Identifier: Apache-2.0
"""Vector words: one event per set bit, counted from a start that each word advances."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint16]
Indices = npt.NDArray[np.intp]

KIND_SHIFT = 12
VALUE = 0x7FF
FLAG = 0x800
LONGEST = 12
_BITS = ((np.arange(1 << LONGEST)[:, None] >> np.arange(LONGEST)) & 1).astype(np.bool_)
_BIT_COUNTS = _BITS.sum(axis=1, dtype=np.intp)


@dataclass(frozen=True)
class VectorKinds:
    """base: sets start and polarity of the following vectors. of_8, of_12: 8 and 12 events."""

    base: int
    of_8: int
    of_12: int


class Vectors:
    """The vector words among `words`; bit k of `present` is set if there are words of kind k.

    any: whether there are vectors. known: whether there are vectors, or a base for later ones.
    """

    def __init__(self, kinds: VectorKinds, words: Words, kind: Words, present: int) -> None:
        self._kinds, self._words, self._kind = kinds, words, kind
        self.any = bool(present >> kinds.of_12 & 1 or present >> kinds.of_8 & 1)
        self.known = self.any or bool(present >> kinds.base & 1)
        self.end: int | None = None
        self.end_flag = 0

    @cached_property
    def is_vector(self) -> npt.NDArray[np.bool_]:
        """(N,) bool, whether each word is a vector."""
        mask: npt.NDArray[np.bool_] = self._kind == self._kinds.of_12
        mask |= self._kind == self._kinds.of_8
        return mask

    def bits(self, at: Indices, single: int) -> Words:
        """(M,) uint16, the events of each event word as bits; a single event is bit 0."""
        kind, words = self._kind[at], self._words[at]
        short = np.where(kind == self._kinds.of_8, words & 0xFF, words & 0xFFF)
        return np.where(kind == single, 1, short).astype(np.uint16)

    def resolved(
        self, at: Indices, single: int, base_before: int | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], Words, int]:
        """Start, polarity and bits of the event words, and the number of events without a base.

        base_before: the start left by earlier packets; it replaces the value of the first base
        word.
        """
        words = self._words[at]
        start, flag = (words & VALUE).astype(np.int64), (words & FLAG) != 0
        bits = self.bits(at, single)
        vector_at = (self._kind[at] != single).nonzero()[0]
        starts, flags = self._starts(base_before)
        known = min(len(vector_at), len(starts))
        lost, vector_at = (
            vector_at[: len(vector_at) - known],
            vector_at[len(vector_at) - known :],
        )
        start[vector_at] = starts[len(starts) - known :]
        flag[vector_at] = flags[len(flags) - known :]
        without_base = int(_BIT_COUNTS[bits[lost]].sum())
        bits[lost] = 0
        return start, flag, bits, without_base

    def _starts(
        self, base_before: int | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Start and polarity of every vector word that follows a base."""
        chain_at = (self.is_vector | (self._kind == self._kinds.base)).nonzero()[0]
        kind, words = self._kind[chain_at], self._words[chain_at]
        length = np.where(kind == self._kinds.of_12, 12, np.where(kind == self._kinds.of_8, 8, 0))
        moved = length.cumsum() - length
        base_at = (kind == self._kinds.base).nonzero()[0]
        if not len(base_at):
            return np.empty(0, np.int64), np.empty(0, np.bool_)
        bases = (words[base_at] & VALUE).astype(np.int64)
        if base_before is not None:
            bases[0] = base_before
        counts = np.diff(base_at, append=len(chain_at))
        start = (bases - moved[base_at]).repeat(counts) + moved[base_at[0] :]
        flag = (words[base_at] & FLAG).repeat(counts)
        self.end, self.end_flag = int(start[-1] + length[-1]), int(flag[-1])
        vector = kind[base_at[0] :] != self._kinds.base
        return start[vector], flag[vector] != 0


def bit_counts(bits: Words) -> npt.NDArray[np.intp]:
    """(N,) the number of events in each word."""
    counts: npt.NDArray[np.intp] = _BIT_COUNTS[bits]
    return counts


def expanded(start: npt.NDArray[np.int64], bits: Words) -> tuple[Indices, Words]:
    """For each event, the index of its word and its own coordinate, in the order of the words.

    Coordinates are limited to 65535, which is outside any sensor.
    """
    index = np.arange(len(bits)).repeat(_BIT_COUNTS[bits])
    bit = _BITS[bits].ravel().nonzero()[0] - index * LONGEST
    return index, np.minimum(start[index] + bit, 0xFFFF).astype(np.uint16)
