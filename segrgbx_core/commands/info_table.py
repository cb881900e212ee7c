# SPDX-License-Identifier: Apache-2.0
"""`segrgbx info --table` and `--settings`: cost of the model sizes, settings of the encodings."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from segrgbx_core.encoding.settings_text import SettingLine
from segrgbx_core.wording import spoken

if TYPE_CHECKING:
    from rich.console import Console

    from segrgbx_core.model import ModelSummary, SizeRow


def table_as_json(rows: "tuple[SizeRow, ...]") -> dict[str, object]:
    """The numbers of `print_table` for JSON; parameters and macs are exact counts."""
    from segrgbx_core.model import CMNEXT

    first = rows[0].shared
    return {
        "height": first.height,
        "width": first.width,
        "num_classes": first.config.num_classes,
        "components": list(first.config.components),
        "presets": [
            {"preset": row.preset, "shared_blocks": _sums(row.shared), "cmx": _sums(row.cmx)}
            for row in rows
        ],
        "cmnext": asdict(CMNEXT),
    }


def print_table(console: "Console", rows: "tuple[SizeRow, ...]") -> None:
    """Prints two tables, parameters and operations: one row per preset, one column per part."""
    from segrgbx_core.console import styled

    first = rows[0].shared
    components = ", ".join(first.config.components) or "no further components"
    said = f": {first.config.num_classes} classes, shared blocks, {components}"
    console.print(styled("Model sizes", "bold").append(said))
    _print_parts(console, "parameters, M", rows, "parameters", 1e6)
    what = f"multiply-adds of one {first.width}x{first.height} pair, G"
    _print_parts(console, what, rows, "macs", 1e9)
    console.print(_notes(), style="dim")


def _notes() -> str:
    from segrgbx_core.model import CMNEXT

    return (
        "CMX: the same parts with unshared blocks and no further components, computed as here. "
        f"CMNeXt: not computed here, as its X stream is of other blocks; its authors give "
        f"{CMNEXT.parameters / 1e6:.2f} M parameters and {CMNEXT.flops / 1e9:.2f} GFLOPs for "
        f"{CMNEXT.preset} with one X, without the image's size ({CMNEXT.source})."
    )


def _print_parts(
    console: "Console", title: str, rows: "tuple[SizeRow, ...]", kind: str, unit: float
) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1), title=title, title_justify="left")
    table.add_column("  preset")
    for part in rows[0].shared.parts:
        table.add_column(part.name.replace("modality_", ""), justify="right")
    table.add_column("together", justify="right", style="bold")
    table.add_column("CMX", justify="right")
    table.add_column("of CMX", justify="right")
    for row in rows:
        ours, theirs = getattr(row.shared, kind), getattr(row.cmx, kind)
        cells = [f"{getattr(part, kind) / unit:.2f}" for part in row.shared.parts]
        cells += [f"{ours / unit:.2f}", f"{theirs / unit:.2f}", f"{100 * ours / theirs:.0f} %"]
        table.add_row(f"  {row.preset}", *cells)
    console.print(table)
    console.print()


def _sums(summary: "ModelSummary") -> dict[str, object]:
    return {
        "parts": {
            part.name: {"parameters": part.parameters, "macs": part.macs} for part in summary.parts
        },
        "parameters": summary.parameters,
        "macs": summary.macs,
    }


def print_settings(console: "Console", modality: str, lines: tuple[SettingLine, ...]) -> None:
    """Prints each setting's name, type, default, unit, accepted values and meaning."""
    from rich.table import Table

    from segrgbx_core.console import styled

    heading = styled(f"Settings of {spoken(modality)}", "bold")
    console.print(heading.append(", given as --set name=value"))
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for title in ("name", "value", "default", "meaning"):
        table.add_column(title, overflow="fold", no_wrap=title == "name")
    for line in lines:
        value = line.accepts or line.kind
        unit = f" ({line.unit})" if line.unit else ""
        table.add_row(line.name, value + unit, line.default, line.meaning)
    console.print(table)
