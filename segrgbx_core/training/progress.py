# SPDX-License-Identifier: Apache-2.0
"""How far a training is, on the terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LONG_MINUTES = 90


def progress(console: Console) -> Progress:
    """A bar with counts, the time left, and each task's field `note`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def time_left(seconds: float, done: int, to_do: int) -> str:
    """For a line in a log, where no bar is seen: what is left at the speed of the steps done in
    those seconds; empty where that cannot be told, or nothing is."""
    if done < 1 or to_do < 1:
        return ""
    minutes = seconds / done * to_do / 60
    if minutes < 1:
        return ", less than a minute left"
    spoken = f"{minutes / 60:.1f} h" if minutes > _LONG_MINUTES else f"{minutes:.0f} min"
    return f", about {spoken} left"
