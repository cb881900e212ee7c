# SPDX-License-Identifier: Apache-2.0
"""`segrgbx info --settings`: what a sensor's encoding can be told."""

from typing import TYPE_CHECKING

from segrgbx_core.encoding.settings_text import SettingLine, settings_text
from segrgbx_ros.wording import spoken

if TYPE_CHECKING:
    from rich.console import Console


def print_settings(console: "Console", modality: str, lines: tuple[SettingLine, ...]) -> None:
    """Each setting's name, kind and default; below, what they mean."""
    from rich.markup import escape
    from rich.table import Table

    console.print(f"[bold]Settings of {spoken(modality)}[/bold], given as --set name=value")
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for title in ("  name", "value", "default"):
        table.add_column(title)
    for line in lines:
        table.add_row(f"  {line.name}", escape(line.kind), escape(line.default))
    console.print(table)
    console.print()
    console.print(escape(settings_text(modality)), soft_wrap=True)
