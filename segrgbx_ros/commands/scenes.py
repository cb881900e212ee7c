# SPDX-License-Identifier: Apache-2.0
"""`segrgbx scenes` with support for writing recordings."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from segrgbx_core.commands import scenes
from segrgbx_core.stopping import StoppedError

if TYPE_CHECKING:
    from segrgbx_core.commands.arguments import Subparsers
    from segrgbx_core.scenes import Drive


def add_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommand."""
    scenes.add_parser(subparsers, _write_bag)


def _write_bag(drive: "Drive", out: Path, storage: str, on_capture: Callable[[], None]) -> None:
    """Writes the bag to a temporary folder and moves it, because a bag's folder must be new.

    A bag that is stopped between two captures is whole, and is moved as well.
    """
    from segrgbx_ros.bags.scenes import write_drive_bag

    with TemporaryDirectory(dir=out, prefix=".part-") as part:
        made = Path(part) / out.resolve().name
        try:
            write_drive_bag(drive, made, storage, on_capture)
        except StoppedError:
            _move(made, out)
            raise
        _move(made, out)


def _move(made: Path, out: Path) -> None:
    for file in sorted(made.iterdir(), key=lambda path: path.name == "metadata.yaml"):
        file.replace(out / file.name)
