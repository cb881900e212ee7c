# SPDX-License-Identifier: Apache-2.0
"""What RGB messages do not say: the order of their channels, and the depth of 16-bit words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from segrgbx_core.errors import InputError
from segrgbx_core.plausible import (
    AS_STORED,
    BIT_DEPTHS,
    WORD_BITS,
    Words,
    bits_in,
    bytes_look_swapped,
    check_byte_order,
    in_order,
    widened,
    word_depth,
)

NAMELESS: Mapping[str, str] = {
    "8UC1": "mono8 or bayer_rggb8",
    "8UC3": "bgr8, which is OpenCV's order, or rgb8",
    "8UC4": "bgra8, which is OpenCV's order, or rgba8",
    "16UC1": "mono16 or bayer_rggb16",
    "16UC3": "bgr16, which is OpenCV's order, or rgb16",
    "16UC4": "bgra16, which is OpenCV's order, or rgba16",
}
"""Encodings that do not tell what their channels are, with what they may be."""


@dataclass(frozen=True)
class RgbSettings:
    """What the RGB messages do not say, or say wrong.

    encoding: what raw images are, whatever their messages say; empty: as they say. bits: of 16-bit
    images, one of BIT_DEPTHS; 0: found from their values. byte_order: of 16-bit images, one of
    BYTE_ORDERS. Raises InputError for other numbers and orders.
    """

    encoding: str = ""
    bits: int = 0
    byte_order: str = AS_STORED

    def __post_init__(self) -> None:
        if self.bits not in (0, *BIT_DEPTHS):
            raise InputError(
                f"RGB bits is {self.bits}; expected 0 (found from the values) or one of "
                f"{', '.join(map(str, BIT_DEPTHS))}."
            )
        check_byte_order("RGB", self.byte_order)


class RgbWords:
    """The 16-bit words of one RGB topic.

    Their depth is the smallest that holds every value so far, so that one scale serves a whole
    recording.
    """

    def __init__(self, settings: RgbSettings | None = None) -> None:
        self.settings = settings or RgbSettings()
        self._bits = self._images = self._swapped = 0
        self._depths: list[int] = []

    def full_range(self, words: Words) -> Words:
        """Words (H, W) or (H, W, C) in the order that is set, stretched to all 16 bits."""
        words = cast(Words, in_order(words, self.settings.byte_order))
        self._images += 1
        self._swapped += bytes_look_swapped(words)
        if self.settings.bits:
            return widened(words, self.settings.bits)
        self._bits |= bits_in(words)
        depth = word_depth(self._bits)
        if self._bits and depth not in self._depths:
            self._depths.append(depth)
        return widened(words, depth)

    def notes(self, topic: str) -> list[str]:
        """What was taken, and what is doubtful, of the words so far."""
        said = []
        if any(depth < WORD_BITS for depth in self._depths):
            said.append(f"The 16-bit images on {topic} {self._depth_words()}.")
        if self._swapped * 2 > self._images:
            said.append(
                f"The 16-bit images on {topic} make sense only with the bytes of each value "
                "swapped: set rgb.byte_order (--rgb-byte-order) to 'swapped', or let the driver "
                "set is_bigendian right."
            )
        return said

    def _depth_words(self) -> str:
        first, *later = self._depths
        if later:
            return (
                f"were taken as {first} bits and, from brighter images on, as "
                f"{', then '.join(map(str, later))}: set rgb.bits (--rgb-bits) to the camera's "
                "bits"
            )
        return (
            f"have no value above {(1 << first) - 1}, so they are taken as {first} bits: set "
            "rgb.bits (--rgb-bits) to the camera's bits, to 16 if the images are that dark"
        )
