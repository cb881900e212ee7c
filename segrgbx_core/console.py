# SPDX-License-Identifier: Apache-2.0
"""A terminal on which text from files and recordings is text: no markup, no control characters."""

from typing import Any

from rich.console import Console
from rich.text import Text

from segrgbx_core.wording import printable


class PlainConsole(Console):
    """Prints every `str`, also in a table's cells and titles, as one line as `printable` gives it.

    `styled` and `lines` give a style and several lines.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """What `Console` makes of every `str` that it is given."""
        settings |= {"markup": False, "emoji": False, "highlight": False, "highlighter": None}
        return super().render_str(printable(text), **settings)


def styled(text: str, style: str) -> Text:
    """The text in one style, printable."""
    return Text(printable(text), style)


def lines(*parts: str | Text) -> Text:
    """Each part, printable, on a line of its own."""
    return Text("\n").join(
        part if isinstance(part, Text) else Text(printable(part)) for part in parts
    )
