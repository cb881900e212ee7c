# SPDX-License-Identifier: Apache-2.0
"""A run's page: one HTML file that shows every frame, offline; with a folder where it is large."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from segrgbx_core.files.disk import disk_errors, make_folder, replacing, write_whole
from segrgbx_core.labels.label_set import LabelSet
from segrgbx_core.report.layers import (
    PAGE_BYTES,
    FrameLayers,
    layer_files,
    read_layers,
    remove_layers,
)
from segrgbx_core.report.page import REPORT_FILE, page_pieces
from segrgbx_core.report.run_data import page_data
from segrgbx_core.report.run_view import RunView, gains
from segrgbx_core.runs.rows import FrameRow

TEMPLATE = Path(__file__).with_name("run_page.html.j2")
ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("state", "pictures", "viewer", "charts", "timeline", "tables", "scores", "keys")
FILES_FOLDER = "report_files"
FILES_PATTERN = "frames_*.js"
FRAMES_A_FILE = 50


@dataclass(frozen=True)
class _Pictures:
    """Where the page finds its pictures: in itself, or in so many frames a file."""

    frames: Sequence[int]
    folder: str | None
    frames_a_file: int = FRAMES_A_FILE


def write_run_page(
    folder: Path,
    view: RunView,
    label_set: LabelSet,
    rows: Sequence[FrameRow],
    most_bytes: int = PAGE_BYTES,
) -> Path:
    """Writes `report.html` to a run's folder from what its LayerWriter left, which it removes.

    most_bytes: pictures of more go to files in `report_files/` beside the page. They are read one
    frame at a time. Raises OutputError if something cannot be written.
    """
    files = layer_files(folder)
    with disk_errors(folder):
        size = sum(path.stat().st_size for path in files.values())
        _remove_files(folder)
    beside = size > most_bytes
    if beside:
        _write_files(folder / FILES_FOLDER, files)
    pictures = _Pictures(list(files), FILES_FOLDER if beside else None)
    inside = iter(()) if beside else _inside(files)
    with replacing(folder / REPORT_FILE) as file:
        for piece in page_pieces(
            TEMPLATE,
            report=view,
            gains=gains(view.scores),
            data=_json({**page_data(view, label_set, rows), "pictures": asdict(pictures)}),
            pictures=inside,
            beside=FILES_FOLDER if beside else None,
            styles=[_asset("uplot/uPlot.min.css"), _asset("run_page.css")],
            licence=_asset("uplot/LICENSE"),
            library=_asset("uplot/uPlot.iife.min.js"),
            script=Markup("\n").join(_asset(f"{name}.js") for name in SCRIPTS),
        ):
            file.write(piece)
    remove_layers(folder)
    return folder / REPORT_FILE


def page_files(folder: Path) -> list[Path]:
    """The files that a page in the folder may consist of, there or not."""
    beside = sorted((folder / FILES_FOLDER).glob(FILES_PATTERN))
    return [folder / REPORT_FILE, *layer_files(folder).values(), *beside]


def _remove_files(folder: Path) -> None:
    for path in (folder / FILES_FOLDER).glob(FILES_PATTERN):
        path.unlink(missing_ok=True)
    if (folder / FILES_FOLDER).is_dir() and not any((folder / FILES_FOLDER).iterdir()):
        (folder / FILES_FOLDER).rmdir()


def _inside(files: dict[int, Path]) -> Iterator[tuple[int, Markup]]:
    return ((index, _json(_content(layers))) for index, layers in read_layers(files))


def _write_files(folder: Path, files: dict[int, Path]) -> None:
    """A script can be loaded by a page on a disk, where a browser refuses to read other files."""
    make_folder(folder)
    frames = read_layers(files)
    number = 0
    while held := list(islice(frames, FRAMES_A_FILE)):
        some = {str(index): _content(layers) for index, layers in held}
        text = f"segrgbxFrames({_json(some)});\n"
        write_whole(folder / FILES_PATTERN.replace("*", f"{number:04d}"), text.encode())
        number += 1


def _content(layers: FrameLayers) -> dict[str, object]:
    return {name: value for name, value in asdict(layers).items() if value is not None}


def _json(content: object) -> Markup:
    """JSON in which no character ends a script or begins markup."""
    return htmlsafe_json_dumps(content, separators=(",", ":"), allow_nan=False)


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text("utf-8"))
