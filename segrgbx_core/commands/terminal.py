# SPDX-License-Identifier: Apache-2.0
"""Terminal output of the commands: progress on stderr, results on stdout."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from segrgbx_core.console import PlainConsole

if TYPE_CHECKING:
    from segrgbx_core.weights.card import ModelCard

PLAIN_WIDTH = 100


def output() -> PlainConsole:
    """The console for results; in a pipe or file, lines have a fixed width and no colours."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=PLAIN_WIDTH)


def notices() -> PlainConsole:
    """The console for messages that are not results."""
    return PlainConsole(stderr=True, soft_wrap=True)


def say_limits(card: "ModelCard") -> None:
    """Prints what the model must not be used for, on stderr."""
    if card.warning is not None:
        notices().print(f"segrgbx: {card.warning}")


def say_doubts(sentences: Iterable[str]) -> None:
    """Prints what looks wrong in the data, on stderr."""
    for sentence in sentences:
        notices().print(f"segrgbx: {sentence}")


def progress() -> Progress:
    """A progress bar on stderr, removed at the end; silent if stderr is not a terminal."""
    console = PlainConsole(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
