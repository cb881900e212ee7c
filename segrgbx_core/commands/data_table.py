# SPDX-License-Identifier: Apache-2.0
"""Print the result of a dataset check on a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segrgbx_core.datasets.findings import SHOWN
from segrgbx_core.modality import NO_X
from segrgbx_core.wording import spoken

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from segrgbx_core.datasets.findings import DatasetCheck, DatasetFinding


def print_check(console: "Console", check: "DatasetCheck") -> None:
    """Prints the counts, the classes, and what is missing or odd."""
    x = "alone" if check.modality == NO_X else f"with {spoken(check.modality)}"
    x += f" ({check.x})" if check.x else ""
    sizes = ", ".join(f"{size} ({count})" for size, count in list(check.sizes.items())[:4])
    console.print(f"{check.dataset} in {check.folder}: RGB {x}")
    console.print(f"sizes: {sizes or 'none could be read'}")
    console.print()
    console.print(_splits(check))
    console.print()
    if check.sizes:
        console.print(_classes(check))
        console.print(f"unlabelled: {check.unlabelled:.1%} of all pixels")
    for finding in check.notes:
        _print_finding(console, "note", finding)
    for finding in check.problems:
        _print_finding(console, "odd", finding)
    if check.stopped is not None:
        console.print()
        console.print(f"stopped: {check.stopped}", soft_wrap=True)
    console.print()
    verdict = "nothing is missing or odd" if check.clean else "see the lines marked odd"
    console.print("stopped early" if check.stopped else verdict)


def _print_finding(console: "Console", kind: str, finding: "DatasetFinding") -> None:
    console.print()
    console.print(f"{kind}: {finding.what}: {finding.count}", soft_wrap=True)
    for example in finding.examples:
        console.print(f"  {example}", soft_wrap=True)
    if finding.count > SHOWN and len(finding.examples) == SHOWN:
        console.print(f"  and {finding.count - len(finding.examples)} more")


def _splits(check: "DatasetCheck") -> "Table":
    from rich.table import Table

    table = Table("split", box=None, pad_edge=False, padding=(0, 2))
    for heading in ("samples", "published", "missing", "unusable"):
        table.add_column(heading, justify="right")
    table.add_column("conditions")
    for split in check.splits:
        table.add_row(
            split.name,
            str(split.samples),
            "" if split.published is None else str(split.published),
            str(split.missing),
            str(split.bad),
            _counts(split.conditions) + ("; " if split.faults else "") + _counts(split.faults),
        )
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _classes(check: "DatasetCheck") -> "Table":
    from rich.table import Table

    table = Table(f"class of {check.label_set}", box=None, pad_edge=False, padding=(0, 2))
    table.add_column("pixels", justify="right")
    table.add_column("samples", justify="right")
    there = [shown for shown in check.classes if shown.samples]
    for shown in sorted(there, key=lambda c: -c.share):
        table.add_row(spoken(shown.name), f"{shown.share:.2%}", str(shown.samples))
    return table
