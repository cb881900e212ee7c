# SPDX-License-Identifier: Apache-2.0
"""The page's tables, in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.report.figures import NOT_RUN, BySeed, Figure, figure


@dataclass(frozen=True)
class Line:
    """name: the first cells. values: figures by column. extra: cells after them."""

    name: tuple[str, ...]
    values: tuple[BySeed, ...]
    extra: tuple[str, ...] = ()


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table; the first `left` columns are text, the others numbers."""
    marks = ["---" if i < left else "---:" for i in range(len(head))]
    lines = [head, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def compared(lines: Sequence[Line]) -> list[list[str]]:
    """The rows with the best mean of each column in bold, where two or more have a mean."""
    columns = [[figure(line.values[i]) for line in lines] for i in range(len(lines[0].values))]
    rows = [list(line.name) for line in lines]
    for column in columns:
        known = [value.mean for value in column if value is not None]
        best = max(known) if len(known) > 1 else None
        for row, value in zip(rows, column, strict=True):
            row.append(_text(value, best))
    for row, line in zip(rows, lines, strict=True):
        row += [_seeds(line), *line.extra]
    return rows


def _text(value: Figure | None, best: float | None) -> str:
    if value is None:
        return NOT_RUN
    return f"**{value.text}**" if value.mean == best else value.text


def _seeds(line: Line) -> str:
    return str(max((len(values) for values in line.values), default=0))
