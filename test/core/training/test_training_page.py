# SPDX-License-Identifier: Apache-2.0
"""docs/training.md names every key of a recipe and every shipped recipe."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from segrgbx_core.training.recipe import Recipe, load_recipe


def _dataclasses(kind: Any) -> Iterator[type]:
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
        for hint in get_type_hints(kind).values():
            yield from _dataclasses(hint)
    for option in get_args(kind):
        yield from _dataclasses(option)


def test_every_key_is_on_the_page(repository: Path) -> None:
    page = (repository / "docs" / "training.md").read_text("utf-8")
    kinds = set(_dataclasses(Recipe))
    assert len(kinds) >= 10
    missing = [
        f"{kind.__name__}.{key.name}"
        for kind in kinds
        for key in fields(kind)
        if f"`{key.name}`" not in page and f"### {key.name}" not in page
    ]
    assert missing == []


def test_every_shipped_recipe_is_on_the_page(repository: Path) -> None:
    page = (repository / "docs" / "training.md").read_text("utf-8")
    for path in (repository / "config" / "train").glob("*.yaml"):
        assert f"`{path.name}`" in page


def test_the_pages_example_is_a_recipe(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "training.md").read_text("utf-8")
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    path = tmp_path / "recipe.yaml"
    rest = {"name": "n", "description": "d", "seed": 1, "optimiser": {"steps": 1}}
    path.write_text(yaml.safe_dump({**rest, **example}))
    assert len(load_recipe(path).data.train) == 3
