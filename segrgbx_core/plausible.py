# SPDX-License-Identifier: Apache-2.0
"""What each sensor's numbers can be, and how to see that they are something else.

A 16-bit word may hold 8 to 14 bits, its two bytes may be in the other order, and 8 bits may have
cut off what 16 held. The checks in `segrgbx_core.doubts` and the encodings take their limits here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError
from segrgbx_core.readings import Events, ImageReading

PLAUSIBLE_CELSIUS = (-100.0, 200.0)
"""Degrees C that half of a thermal image's pixels lie within."""
PLAUSIBLE_M = (0.05, 200.0)
"""Metres that depth cameras measure."""
BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Bits of the converters of cameras."""
WORD_BITS = 16
AS_STORED, SWAPPED = "as_stored", "swapped"
BYTE_ORDERS = (AS_STORED, SWAPPED)

_STRIDE = 8
_ROUGHER = 1.8
_FEWEST_PAIRS = 64
_STRANGE, _PLAIN = 0.3, 0.05
_FLOAT_RANGE = (1e-12, 1e12)
_CLIPPED = 0.5
_FEWEST_EVENTS = 50
_WINDOW_SHARE = 500
_EXACT_FLOAT32 = 1 << 24

Words = npt.NDArray[np.uint16]
Numbers = npt.NDArray[Any]


def bits_in(words: Words) -> int:
    """All bits that any of the words has set."""
    return int(np.bitwise_or.reduce(words, axis=None)) if words.size else 0


def word_depth(bits: int) -> int:
    """The bits of the converter behind 16-bit words, the smallest of BIT_DEPTHS that holds them.

    bits: of `bits_in`. 16 for words without a bit, and for fewer bits at the upper end of the
    word, which have the full range.
    """
    return next(d for d in BIT_DEPTHS if bits.bit_length() <= d) if bits else WORD_BITS


def full_scale(words: Words) -> int | None:
    """The full scale of 16-bit words if a sample reaches it, else None.

    A saturated sample has all bits of the converter set: every bit that any sample has, and these
    are 8, 10, 12, 14 or 16 consecutive bits, at either end of the word.
    """
    bits = bits_in(words)
    depth = bits.bit_count()
    ends = ((1 << depth) - 1, ((1 << depth) - 1) << (WORD_BITS - depth))
    return bits if depth in BIT_DEPTHS and bits in ends else None


def widened(words: Words, depth: int) -> Words:
    """Words of that many bits, stretched over all 16."""
    if depth >= WORD_BITS:
        return words
    most = (1 << depth) - 1
    wide = np.minimum(words, most).astype(np.uint32) * 65535
    return np.asarray((wide + most // 2) // most, np.uint16)


def in_order(values: ImageReading, byte_order: str) -> ImageReading:
    """The values with the two or four bytes of each swapped, if byte_order is SWAPPED."""
    if byte_order != SWAPPED or values.dtype.itemsize == 1:
        return values
    swapped: ImageReading = values.byteswap()
    return swapped


def check_byte_order(what: str, byte_order: str) -> None:
    """Raises InputError for a word that is not one of BYTE_ORDERS."""
    if byte_order not in BYTE_ORDERS:
        raise InputError(
            f"{what} byte_order '{byte_order}' is unknown; expected {' or '.join(BYTE_ORDERS)}."
        )


def bytes_look_swapped(values: Numbers) -> bool:
    """Whether the numbers of an image (H, W) or (H, W, C) make sense only in the other byte order.

    Of 16 bits: in the wrong order the fast byte counts 256 times as much, so that neighbours
    differ far more. Pixels two apart are compared, as a mosaic's neighbours are of other kinds.
    Of floats: their exponents are absurd. Other types never do.
    """
    if values.dtype == np.float32:
        strange, other = (_strange(v) for v in (values, values.byteswap()))
        return strange > _STRANGE and other < _PLAIN
    if values.dtype != np.uint16 or values.ndim < 2:
        return False
    rows = values[::_STRIDE] if len(values) >= 2 * _STRIDE else values
    rough, other = _roughness(rows), _roughness(rows.byteswap())
    return bool(rough > _ROUGHER * other > 0)


def _roughness(values: Numbers) -> float:
    """Mean difference of pixels two apart, in standard deviations; zeros are left out."""
    left, right = values[:, :-2], values[:, 2:]
    both = (left > 0) & (right > 0)
    if np.count_nonzero(both) < _FEWEST_PAIRS:
        return 0.0
    a, b = left[both].astype(np.float64), right[both].astype(np.float64)
    spread = float(a.std())
    return float(np.abs(a - b).mean()) / spread if spread else 0.0


def _strange(values: Numbers) -> float:
    """The share of floats that no sensor measures."""
    sample = values[::_STRIDE, ::_STRIDE] if min(values.shape[:2]) >= 2 * _STRIDE else values
    size = np.abs(sample)
    low, high = _FLOAT_RANGE
    plain = (size == 0) | ((size > low) & (size < high))
    return 1.0 - float(plain.mean()) if plain.size else 0.0


def share_at_the_top(values: Numbers) -> float:
    """The share of the pixels of an 8-bit image that are 255, where it is most; else 0."""
    if values.dtype != np.uint8 or not values.size:
        return 0.0
    share = float((values == 255).mean())
    return share if share > _CLIPPED else 0.0


def events_lie_at_the_start(events: Events) -> bool:
    """Whether all events lie in the first 500th of their window, as microseconds do in one of
    nanoseconds."""
    if len(events) < _FEWEST_EVENTS:
        return False
    latest = int(events.t_ns.max()) - events.start_ns
    return latest * _WINDOW_SHARE <= events.end_ns - events.start_ns


def plain_numbers(values: Numbers) -> ImageReading | None:
    """The same numbers as uint8, uint16 or float32 in the machine's byte order.

    Whole numbers become the smallest unsigned type of 8 or 16 bits of their own width or less that
    holds them, else float32 if that is exact. None for numbers that fit in neither, and for other
    types.
    """
    kind = values.dtype.kind
    if kind == "f":
        return np.asarray(values, np.float32) if values.dtype.itemsize <= 8 else None
    if kind not in "iu":
        return None
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if values.dtype.itemsize == 1 and low >= 0:
        return np.asarray(values, np.uint8)
    if low >= 0 and high <= 65535:
        return np.asarray(values, np.uint16)
    if max(-low, high) <= _EXACT_FLOAT32:
        return np.asarray(values, np.float32)
    return None
