# SPDX-License-Identifier: Apache-2.0
"""`segrgbx scenes` with support for writing recordings."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from segrgbx_core.commands import scenes

if TYPE_CHECKING:
    from segrgbx_core.commands.arguments import Subparsers
    from segrgbx_core.scenes import Drive


def add_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommand."""
    scenes.add_parser(subparsers, _write_bag)


def _write_bag(drive: "Drive", out: Path, storage: str, on_capture: Callable[[], None]) -> None:
    """Writes the bag beside its place and moves it, because a bag's folder must be new."""
    from segrgbx_ros.bags.making.place import placed_in
    from segrgbx_ros.bags.scenes import write_drive_bag

    with placed_in(out) as made:
        write_drive_bag(drive, made, storage, on_capture)
