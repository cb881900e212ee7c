# SPDX-License-Identifier: Apache-2.0
"""What the commands show on a terminal: progress on stderr, results on stdout."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PLAIN_WIDTH = 100


def output() -> Console:
    """Where results go; a pipe or a file gets lines of a fixed width, without colours."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def notices() -> Console:
    """Where remarks go that are no results."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def progress() -> Progress:
    """A bar on stderr that leaves nothing behind; silent where stderr is not a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
