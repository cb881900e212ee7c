# SPDX-License-Identifier: Apache-2.0
"""A self-contained HTML file with figures and pictures."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from segrgbx_core.files.images import jpeg_bytes, read_rgb
from segrgbx_core.readings import RgbImage
from segrgbx_core.wording import printable

REPORT_FILE = "report.html"
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Panel:
    """A picture. source: a data URL. width, height: of the picture in pixels."""

    source: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Figure:
    """One headline number."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Chip:
    """A class and its colour in CSS syntax."""

    name: str
    color: str


@dataclass(frozen=True)
class Bar(Chip):
    """A class with a bar. percent: length of the bar, 0..100."""

    percent: float
    value: str


@dataclass(frozen=True)
class Row:
    """The cells of a table's row, or a name and its value, as text."""

    name: str
    cells: tuple[str, ...]


def css(rgb: tuple[int, int, int]) -> str:
    """A colour in CSS syntax."""
    return f"rgb({rgb[0]} {rgb[1]} {rgb[2]})"


def panel_of(file: Path, width: int, caption: str) -> Panel:
    """Reads a picture file as a JPEG of at most this width in pixels.

    Raises InputError for a file that is not a picture.
    """
    picture = read_rgb(file)
    if picture.shape[1] > width:
        height = round(picture.shape[0] * width / picture.shape[1])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        picture = np.asarray(small, np.uint8)
    return panel_from(picture, caption)


def panel_from(picture: RgbImage, caption: str, quality: int = JPEG_QUALITY) -> Panel:
    """A picture (H, W, 3) uint8, red first, as a JPEG of its size; quality: 1 to 100."""
    data = jpeg_bytes(picture, quality)
    source = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    return Panel(source, caption, picture.shape[1], picture.shape[0])


def render_page(template: Path, **content: object) -> bytes:
    """Renders the template, which may include the templates of this package's folder."""
    return b"".join(page_pieces(template, **content))


def page_pieces(template: Path, **content: object) -> Iterator[bytes]:
    """The rendered page piece by piece; what the content iterates over is never held whole."""
    environment = Environment(
        loader=FileSystemLoader((template.parent, Path(__file__).parent)),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for piece in environment.get_template(template.name).generate(**content):
        yield piece.encode()


def _shown(value: object) -> object:
    """Text of a template's expression, before HTML's own characters are escaped."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value
