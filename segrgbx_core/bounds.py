# SPDX-License-Identifier: Apache-2.0
"""How much may be stated before it is believed: the one place of all bounds on sizes.

A size that comes with data is bounded by the data. A size without data, as in a calibration or a
run-length code, is bounded by the RGB image it belongs to, and by what no sensor has.
"""

from dataclasses import dataclass

from segrgbx_core.errors import SegRgbxError

MOST_PIXELS = 1 << 26
"""Pixels of an image, 8192x8192, that need not be backed by data."""

MOST_CAMERA_PIXELS = 1 << 28
"""Pixels that a calibration may state; what is made of it has its image's size."""

PIXELS_PER_BYTE = 64
"""Pixels above MOST_PIXELS that a byte of data is believed to hold."""

X_PER_RGB = 64
"""Pixels of a reading per pixel of its RGB image, where no data are behind them."""

LEAST_X_PIXELS = 1 << 22
"""Pixels of a reading that are always believed, however small the RGB image."""

MOST_ELONGATED = 16
"""Ratio of an image's sides up to which its shorter one is enlarged to a model's size."""

MOST_UNPACKED = 1 << 29
"""Bytes that a compressed file may unpack to."""

MOST_JSON_BYTES = 1 << 24


@dataclass(frozen=True)
class YamlBounds:
    """bytes: of the file. values: those of an alias counted each time."""

    bytes: int
    values: int


SETTINGS_YAML = YamlBounds(1 << 20, 100_000)
LISTING_YAML = YamlBounds(1 << 24, 600_000)
"""Of a file that says something of each sample, of some 300,000."""

MOST_DEPTH = 64
"""Levels of nesting in a YAML file."""

LARGEST_INTEGER = (1 << 128) - 1
"""Of whole numbers in YAML and JSON files; far larger ones cannot even be written out."""


def check_stated_pixels(
    size: tuple[int, int],
    held: int,
    what: str,
    error: type[SegRgbxError],
    per_byte: int | None = None,
) -> None:
    """Raises `error` where (width, height) is more than `held` bytes can be.

    per_byte: pixels that a byte of this format holds at most; None if that has no limit.
    """
    width, height = size
    most = max(MOST_PIXELS, PIXELS_PER_BYTE * held)
    if per_byte is not None:
        most = min(most, per_byte * held)
    if width * height > most:
        raise error(
            f"{what} states {width}x{height} pixels in {held} bytes, more than they can hold; it "
            "is damaged: copy or record it again."
        )


def most_x_pixels(rgb_size: tuple[int, int] | None) -> int:
    """Pixels that a reading may state without data behind them; rgb_size: of its RGB image."""
    if rgb_size is None:
        return MOST_PIXELS
    return min(MOST_PIXELS, max(LEAST_X_PIXELS, X_PER_RGB * rgb_size[0] * rgb_size[1]))
