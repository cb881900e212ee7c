# SPDX-License-Identifier: Apache-2.0
"""One HTML file that shows a replay: figures, pictures, and nothing to load from elsewhere."""

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
from jinja2 import Environment, FileSystemLoader

from segrgbx_core.image_files import read_rgb
from segrgbx_core.output import write_whole
from segrgbx_ros.report_view import view_of
from segrgbx_ros.summary_file import read_summary

REPORT_FILE = "report.html"
TEMPLATE = "report.html.j2"
PANELS_SHOWN = 9
FIRST_WIDTH, OTHER_WIDTH = 1284, 960
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Panel:
    """source: a data URL of a JPEG; width, height: of that JPEG in pixels."""

    source: str
    caption: str
    width: int
    height: int


def write_report(folder: Path) -> Path:
    """Makes `report.html` from `summary.json` and `panels/*.png` of a replay's output folder.

    Raises InputError where the summary is missing or not as this version writes it, OutputError
    where the disk refuses.
    """
    view = view_of(read_summary(folder))
    page = render_page(TEMPLATE, report=view, panels=_panels(folder / "panels"))
    path = folder / REPORT_FILE
    write_whole(path, page)
    return path


def _panels(folder: Path) -> list[Panel]:
    """At most nine, spread evenly over the recording; the first is the largest."""
    files = sorted(folder.glob("*.png"))
    count = min(len(files), PANELS_SHOWN)
    chosen = [files[i * (len(files) - 1) // max(1, count - 1)] for i in range(count)]
    return [_panel(file, OTHER_WIDTH if i else FIRST_WIDTH) for i, file in enumerate(chosen)]


def _panel(file: Path, width: int) -> Panel:
    number = int(file.stem) + 1 if file.stem.isdecimal() else 0
    return panel_of(file, width, f"Frame {number}" if number else file.stem)


def panel_of(file: Path, width: int, caption: str) -> Panel:
    """A picture's file as a JPEG of at most that width in pixels.

    Raises InputError for a file that is no picture.
    """
    picture = cv2.cvtColor(read_rgb(file), cv2.COLOR_RGB2BGR)
    if picture.shape[1] > width:
        height = round(picture.shape[0] * width / picture.shape[1])
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    source = "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
    return Panel(source, caption, picture.shape[1], picture.shape[0])


def render_page(template: str, **content: object) -> bytes:
    """A page from one of the templates beside this file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content).encode()
