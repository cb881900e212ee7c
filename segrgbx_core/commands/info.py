# SPDX-License-Identifier: Apache-2.0
"""`segrgbx info`: show a model's card, its cost, and the hardware of this machine."""

import argparse
import json
from typing import TYPE_CHECKING

from segrgbx_core.commands import arguments
from segrgbx_core.modality import MODALITIES

if TYPE_CHECKING:
    from rich.console import Console

    from segrgbx_core.model import ModelSummary
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
    from segrgbx_core.commands.info_table import print_table, table_as_json
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.model import size_table

    rows = size_table(components=("ma_clip", "modality_embedding", "dsrm"))
    if as_json:
        print(json.dumps(table_as_json(rows), indent=2))
    else:
        print_table(output(), rows)
    return 0


def _settings(modality: str, as_json: bool) -> int:
    from dataclasses import asdict

    from segrgbx_core.commands.info_table import print_settings
    from segrgbx_core.commands.terminal import output
    from segrgbx_core.encoding.settings_text import setting_lines

    lines = setting_lines(modality)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        print_settings(output(), modality, lines)
    return 0


def _as_json(
    card: "ModelCard", cost: "ModelSummary", machine: "MachineFacts"
) -> dict[str, object]:
    from dataclasses import asdict

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
