# SPDX-License-Identifier: Apache-2.0
"""`segrgbx info`: a model, its cost and this machine; the model sizes; an encoding's settings."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.modality import MODALITIES
from segrgbx_core.wording import spoken

if TYPE_CHECKING:
    from rich.console import Console

    from segrgbx_core.encoding.settings_text import SettingLine
    from segrgbx_core.model import ModelSummary, SizeRow
    from segrgbx_core.model.placement import MachineFacts
    from segrgbx_core.weights.card import ModelCard


def add_parser(subparsers: "arguments.Subparsers") -> None:
    """Adds the subcommand."""
    parser = arguments.new_parser(
        subparsers,
        "info",
        "Show a model's card, its cost by part, and what this machine offers it.",
        "segrgbx info demo",
    )
    parser.add_argument(
        "model",
        nargs="?",
        default="demo",
        metavar="MODEL",
        help="a name under models/ or a model folder (default: demo)",
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON on stdout")
    parser.add_argument(
        "--table", action="store_true", help="what every model size costs, by part, beside CMX"
    )
    parser.add_argument(
        "--settings",
        choices=tuple(MODALITIES),
        metavar="MODALITY",
        help="the settings of a sensor's encoding, as --set of replay and segment takes them",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Loads the model, which detects damaged files, and prints the three parts."""
    if args.table:
        return _table(as_json=args.json)
    if args.settings is not None:
        return _settings(args.settings, as_json=args.json)
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.model import summarize
    from segrgbx_core.model.placement import this_machine
    from segrgbx_core.weights.store import load_model

    card = load_model(args.model).card
    cost = summarize(card.architecture)
    machine = this_machine()
    if args.json:
        print(json.dumps(_as_json(card, cost, machine), indent=2))
        return 0
    console = output()
    _print_card(console, card)
    _print_cost(console, cost)
    _print_machine(console, machine)
    return 0


def _table(as_json: bool) -> int:
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.model import size_table

    rows = size_table(components=("ma_clip", "modality_embedding", "dsrm"))
    if as_json:
        print(json.dumps(table_as_json(rows), indent=2))
    else:
        print_table(output(), rows)
    return 0


def _settings(modality: str, as_json: bool) -> int:
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.encoding.settings_text import setting_lines

    lines = setting_lines(modality)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        print_settings(output(), modality, lines)
    return 0


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


def print_settings(console: "Console", modality: str, lines: "tuple[SettingLine, ...]") -> None:
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


def _as_json(
    card: "ModelCard", cost: "ModelSummary", machine: "MachineFacts"
) -> dict[str, object]:
    return {
        "card": asdict(card),
        "cost": {**asdict(cost), "parameters": cost.parameters, "macs": cost.macs},
        "machine": asdict(machine),
    }


def _print_facts(console: "Console", title: str, facts: list[tuple[str, str]]) -> None:
    from rich.table import Table

    from segrgbx_core.console import styled

    console.print(styled(title, "bold"))
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(styled(f"  {name}", "dim"), value)
    console.print(table)
    console.print()


def _print_card(console: "Console", card: "ModelCard") -> None:
    reads, weights = card.preprocessing, card.weights
    size = f"short side {reads.short_side}" if reads.short_side else "native size"
    facts = [
        ("what", card.description),
        ("X sensors", ", ".join(card.modalities) or "none (RGB alone)"),
        ("classes", f"{len(card.label_set)} ({card.label_set.name}): "
            + ", ".join(card.label_set.names).replace("_", " ")),
        ("reads", f"{reads.channel_order}, {size}"),
        ("licence", card.license),
    ]  # fmt: skip
    if weights is not None:
        checked = f"{weights.file}, {weights.dtype}, sha256 {weights.sha256[:12]} (checked)"
        facts.append(("weights", checked))
    facts += [(f"training: {name}", str(value)) for name, value in card.training.items()]
    _print_facts(console, f"Model {card.name}", facts)


def _print_cost(console: "Console", cost: "ModelSummary") -> None:
    from rich.table import Table

    from segrgbx_core.console import styled

    config = cost.config
    encoder = f"MiT-{config.preset}" if config.preset.startswith("b") else config.preset
    blocks = "shared blocks" if config.shared_blocks else "unshared blocks"
    parts = ", ".join(config.components) or "no further components"
    said = f" of one {cost.width}x{cost.height} pair ({encoder}, {blocks}, {parts})"
    console.print(styled("Cost", "bold").append(said))
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("  part")
    table.add_column("parameters", justify="right")
    table.add_column("operations (multiply-adds)", justify="right")
    for part in cost.parts:
        table.add_row(f"  {part.name}", _millions(part.parameters), _billions(part.macs))
    table.add_row("  together", _millions(cost.parameters), _billions(cost.macs), style="bold")
    console.print(table)
    console.print()


def _print_machine(console: "Console", machine: "MachineFacts") -> None:
    cuda = machine.cuda_name or "none"
    if machine.cuda_memory_bytes is not None:
        cuda += f", {machine.cuda_memory_bytes / 2**30:.0f} GiB"
    facts = [
        ("chosen", f"{machine.device} in {machine.precision}"),
        ("CUDA device", cuda),
        ("processor", f"{machine.cpu_cores} cores, {machine.torch_threads} threads for torch"),
        ("torch", machine.torch),
        ("python", machine.python),
    ]
    _print_facts(console, "This machine", facts)


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def _billions(count: int) -> str:
    return f"{count / 1e9:.2f} G"
