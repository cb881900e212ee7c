# SPDX-License-Identifier: Apache-2.0
"""image_transport's `compressedDepth`: PNG or RVL after a header of 12 bytes.

RVL encodes a depth image as runs of zeros and of differences between neighbours, with each number
in groups of three bits (A. D. Wilson, "Fast Lossless Depth Image Compression", 2017). 32FC1 images
are stored as quantised inverse depth, q = a / z + b, with a and b in the header.
"""

import re

import cv2
import numpy as np
import numpy.typing as npt

from segrgbx_core.bounds import most_x_pixels
from segrgbx_core.errors import BagError, guarded
from segrgbx_core.files.headers import check_image
from segrgbx_core.files.images import is_cut

HEADER_BYTES = 12
RVL_SIZE_BYTES = 8
# A difference of 16 bits takes 6 groups and a run over MOST_PIXELS 9; 21 would overflow 63 bits.
MOST_GROUPS = 10

Quantised = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def is_compressed_depth(form: str) -> bool:
    """Whether a CompressedImage's format names this transport."""
    return "compressedDepth" in form


def decode_compressed_depth(
    data: npt.NDArray[np.uint8], form: str, topic: str, rgb_size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint16] | npt.NDArray[np.float32]:
    """(H, W) uint16 as recorded, or float32 metres with NaN without a measurement.

    data: (N,) uint8, the message's bytes. form: its format, such as "16UC1; compressedDepth rvl";
    without a name at the end it is PNG, as from older publishers. rgb_size: (height, width) of the
    RGB image, which bounds the size that RVL data may state. Raises BagError for another name, and
    for truncated or damaged data.
    """
    packing = form.partition("compressedDepth")[2].strip() or "png"
    if packing not in ("png", "rvl"):
        raise BagError(
            f"Topic {topic} has compressedDepth pictures packed as '{packing}' (format '{form}'); "
            "png and rvl are known: set the publisher's format to one of them."
        )
    body = data[HEADER_BYTES:]
    refusal = (
        f"A compressedDepth picture on topic {topic} (format '{form}', {data.size} bytes) cannot "
        f"be decoded; expected whole {packing.upper()} data of one channel with 16 bits."
    )
    with guarded("a compressedDepth picture", BagError, refusal):
        quantised = _from_png(body) if packing == "png" else _from_rvl(body, topic, rgb_size)
    if quantised is None:
        raise BagError(refusal)
    if not re.match(r"\s*32FC1", form):
        return quantised
    return _metres(data, quantised)


def _from_png(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16] | None:
    data = body.tobytes()
    check_image(data, "A compressedDepth picture", BagError)
    image = None if not data or is_cut(data) else cv2.imdecode(body, cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint16:
        return None
    return np.asarray(image, np.uint16)


def _from_rvl(
    body: npt.NDArray[np.uint8], topic: str, rgb_size: tuple[int, int] | None
) -> npt.NDArray[np.uint16] | None:
    """Columns and rows as two little-endian words, then the code; None if it is truncated."""
    if body.size < RVL_SIZE_BYTES:
        return None
    columns, rows = (int(n) for n in body[:RVL_SIZE_BYTES].view("<u4"))
    if columns * rows > most_x_pixels(rgb_size):
        raise BagError(
            f"A compressedDepth picture on topic {topic} states {columns}x{rows} pixels in "
            f"{body.size} bytes; expected at most {most_x_pixels(rgb_size)}"
            f"{' beside an RGB image of its size' if rgb_size else ''}: it is damaged."
        )
    numbers = _rvl_numbers(body[RVL_SIZE_BYTES:])
    if not columns * rows or numbers is None:
        return None
    flat = _rvl_pixels(numbers, columns * rows)
    return None if flat is None else flat.reshape(rows, columns)


def _rvl_numbers(code: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64] | None:
    """The numbers of the code: groups of four bits, most significant group of a word first.

    None for a number longer than any can be.

    A group holds three bits of the number, lowest first; its top bit is set if more follow.
    """
    swapped = code[: code.size // 4 * 4].reshape(-1, 4)[:, ::-1].reshape(-1)
    groups = np.stack([swapped >> 4, swapped & 15], axis=1).reshape(-1)
    last = np.flatnonzero(groups < 8)
    if not last.size:
        return np.empty(0, np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    if (last - first).max() >= MOST_GROUPS:
        return None
    groups = groups[: last[-1] + 1]
    place = np.arange(groups.size) - np.repeat(first, last - first + 1)
    parts = (groups & 7).astype(np.int64) << 3 * place
    return np.add.reduceat(parts, first)


def _rvl_pixels(numbers: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.uint16] | None:
    """The pixels from the runs: each is a number of zeros, then of zigzag differences."""
    runs = _rvl_runs(numbers.tolist(), count)
    if runs is None:
        return None
    starts, places, lengths = np.array(runs, np.int64).reshape(-1, 3).T
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    zigzag = numbers[np.repeat(starts, lengths) + within]
    pixels = np.zeros(count, np.uint16)
    values = np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
    pixels[np.repeat(places, lengths) + within] = values.astype(np.uint16)
    return pixels


def _rvl_runs(numbers: list[int], count: int) -> list[tuple[int, int, int]] | None:
    """Each run's first difference, first pixel and length; None if the code is truncated."""
    runs = []
    at = filled = 0
    while filled < count:
        if at + 2 > len(numbers):
            return None
        place, length = filled + numbers[at], numbers[at + 1]
        runs.append((at + 2, place, length))
        at += 2 + length
        filled = place + length
    return runs if filled == count and at <= len(numbers) else None


def _metres(
    data: npt.NDArray[np.uint8], quantised: npt.NDArray[np.uint16]
) -> npt.NDArray[np.float32]:
    """z = a / (q - b), with q = 0 for no measurement."""
    a, b = data[4:HEADER_BYTES].view("<f4")
    with np.errstate(all="ignore"):
        metres: npt.NDArray[np.float32] = a / (quantised.astype(np.float32) - b)
    metres[quantised == 0] = np.nan
    return metres
