# SPDX-License-Identifier: Apache-2.0
"""The page on datasets says of each what the table knows."""

from pathlib import Path

import pytest

from segrgbx_core.datasets import DATASETS


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_its_row(repository: Path, name: str) -> None:
    page = (repository / "docs" / "datasets.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| `") and f"`{name}`" in line]
    kind = DATASETS[name]
    for split, count in kind.counts.items():
        assert f"{split} {count}" in row
    if name in ("deliver", "nyu_depth_v2", "urbanlf"):
        assert ", ".join(f"`{source}`" for source in kind.sources) in row
