# SPDX-License-Identifier: Apache-2.0
"""Every test that the reliability page names is there."""

import ast
import re
from pathlib import Path


def test_the_tests_that_the_page_names_exist(repository: Path) -> None:
    page = (repository / "docs" / "reliability.md").read_text("utf-8")
    named = re.findall(r"`(test/[\w/]+\.py)::(\w+)`", page)
    threats = page.partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert all(re.search(r"`test/[\w/]+\.py::\w+` \|$", row) for row in rows)
    missing = []
    for file, test in named:
        path = repository / file
        tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
        if test not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{file}::{test}")
    assert missing == []
