# SPDX-License-Identifier: Apache-2.0
"""A white sheet for charts: antialiased lines and one font, the same on every machine."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from segrgbx_core.pictures.frames import font
from segrgbx_core.readings import RgbImage
from segrgbx_core.wording import printable

Color = tuple[int, int, int]
Point = tuple[float, float]

PAPER: Color = (255, 255, 255)
TEXT: Color = (28, 32, 40)
QUIET: Color = (104, 113, 128)
GRID: Color = (226, 230, 236)
# Okabe and Ito's colours, which colour-blind people can distinguish; without yellow, which is hard
# to see on white.
COLORS: tuple[Color, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (117, 112, 179),
    (140, 86, 75),
)
_FINER = 2


class Sheet:
    """A drawing area of width x height pixels.

    All positions are in pixels from the top left. Everything is drawn at twice the size and then
    reduced, for antialiasing.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * _FINER, height * _FINER), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point], color: Color, width: float = 1.0) -> None:
        """Draws a line through the points."""
        self._draw.line(
            [_finer(p) for p in points], color, max(1, round(width * _FINER)), joint="curve"
        )

    def dashes(self, start: Point, end: Point, color: Color, width: float = 1.0) -> None:
        """Draws a dashed line, 7 pixels on and 5 off."""
        length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
        for at in np.arange(0, length, 12.0):
            ends = (at / length, min(at + 7.0, length) / length)
            self.line([_between(start, end, share) for share in ends], color, width)

    def dot(self, at: Point, color: Color, radius: float = 3.0, filled: bool = True) -> None:
        """Draws a disc, or a ring filled with white."""
        (x, y), reach = _finer(at), radius * _FINER
        box = (x - reach, y - reach, x + reach, y + reach)
        self._draw.ellipse(box, color if filled else PAPER, color, round(1.5 * _FINER))

    def box(self, corner: Point, size: Point, color: Color) -> None:
        """Draws a filled rectangle."""
        x, y = _finer(corner)
        self._draw.rectangle((x, y, x + size[0] * _FINER - 1, y + size[1] * _FINER - 1), color)

    def text(
        self, at: Point, words: str, size: int = 14, color: Color = TEXT, anchor: str = "lm"
    ) -> None:
        """Draws text with Pillow's anchor, such as lm: left end, middle of the line's height."""
        self._draw.text(_finer(at), printable(words), color, font(size * _FINER), anchor=anchor)

    def text_upwards(self, at: Point, words: str, size: int = 14, color: Color = TEXT) -> None:
        """Draws text that reads from bottom to top; its start is centred on the position."""
        face, words = font(size * _FINER), printable(words)
        length, tall = round(face.getlength(words)) + 2, round(size * _FINER * 1.5)
        strip = Image.new("RGB", (length, tall), PAPER)
        ImageDraw.Draw(strip).text((0, tall / 2), words, color, face, anchor="lm")
        x, y = _finer(at)
        self._image.paste(strip.rotate(90, expand=True), (round(x - tall / 2), round(y - length)))

    def picture(self) -> RgbImage:
        """The finished drawing, (height, width, 3) uint8."""
        small = self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)
        return np.array(small)


def length_of(words: str, size: int = 14) -> int:
    """The length of the text on a sheet, in pixels."""
    return round(font(size).getlength(printable(words)))


def _finer(at: Point) -> Point:
    return at[0] * _FINER, at[1] * _FINER


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
