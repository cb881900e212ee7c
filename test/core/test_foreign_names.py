# SPDX-License-Identifier: Apache-2.0
"""Names from files reach the terminal, the log and the pictures as text on one line."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table

from segrgbx_core.console import PlainConsole, lines, styled
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.pictures.frames import captioned, legend
from segrgbx_core.pictures.sheet import Sheet, length_of
from segrgbx_core.report.page import Row, render_page
from segrgbx_core.wording import printable

EVIL = (
    "[/red]", "[bold]x[/bold]", ":car:", "\x1b[2J\x1b]0;t\x07", "a\nsegrgbx: all is well",
    "a\rb", "\x9b31m", "\u202egpj.exe", "\u2028", "\x00", "\udcff", "<script>alert(1)</script>",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [/red] text", "plain [/red] text"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egpj", "\\u202egpj"),
        ("\udcff", "\\udcff"),
        ("straße 車 é", "straße 車 é"),
    ],
)
def test_what_would_not_show_as_itself_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def printed(*things: object) -> str:
    file = io.StringIO()
    console = PlainConsole(file=file, width=200, force_terminal=False)
    for thing in things:
        console.print(thing, soft_wrap=True)
    return file.getvalue()


@pytest.mark.parametrize("name", EVIL)
def test_a_name_is_one_line_in_a_print_a_table_and_its_title(name: str) -> None:
    table = Table(name, title=name, box=None)
    table.add_row(name)
    table.add_row(lines(name, styled(name, "bold")))
    said = printed(name, f"x {name}", styled(name, "bold"), table)
    assert said.count(printable(name)) >= 7
    assert said.count("\n") == 3 + 5
    assert all(c.isprintable() for line in said.splitlines() for c in line)


@pytest.mark.parametrize("name", EVIL)
def test_a_name_on_a_page_is_text_on_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "page.j2").write_text("<p title='{{ row.name }}'>{{ row.cells[0] }}</p>\n")
    page = render_page(tmp_path / "page.j2", row=Row(name, (name,))).decode()
    assert all(c.isprintable() for c in page.rstrip("\n"))
    assert "<script" not in page


@pytest.mark.parametrize("name", EVIL)
def test_pictures_take_every_name(name: str) -> None:
    """Pillow refuses to measure text with a line break."""
    assert legend(LabelSet("odd", (LabelClass(name, (1, 2, 3)),)), 320).shape[1] == 320
    tile = np.zeros((40, 320, 3), np.uint8)
    assert captioned(tile, name).shape[0] > 40
    sheet = Sheet(200, 100)
    sheet.text((5, 50), name)
    sheet.text_upwards((20, 90), name)
    assert length_of(name) > 0


def test_the_commands_print_only_through_the_plain_console(repository: Path) -> None:
    """Rich's own console reads markup, and its Text passes control characters."""
    strays = []
    files = [
        path
        for package in ("segrgbx_core", "segrgbx_ros")
        for path in sorted((repository / package).rglob("*.py"))
        if path.name != "console.py"
    ]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            maker = called.value if isinstance(called, ast.Attribute) else called
            if isinstance(maker, ast.Name) and maker.id in ("Console", "Text", "escape"):
                strays.append(f"{path.name}:{node.lineno}")
    assert len(files) > 100
    assert strays == []
