# SPDX-License-Identifier: Apache-2.0
"""The table of model sizes, as text and as JSON."""

import io
import json

import pytest
from rich.console import Console

from segrgbx_core.commands.info import print_table, table_as_json
from segrgbx_core.model import ModelConfig, ModelSummary, PartCost, SizeRow


def _summary(shared: bool, encoder: int) -> ModelSummary:
    parts = (PartCost("encoder", encoder, 3_000_000_000), PartCost("scene_part", 500_000, 0))
    return ModelSummary(ModelConfig("b1", 25, shared_blocks=shared), 480, 640, parts)


@pytest.fixture
def rows() -> tuple[SizeRow, ...]:
    return (SizeRow("b1", _summary(True, 1_500_000), _summary(False, 3_500_000)),)


def test_people_read_millions_and_shares(rows: tuple[SizeRow, ...]) -> None:
    text = io.StringIO()
    print_table(Console(file=text, width=100, highlight=False), rows)
    lines = [line.split() for line in text.getvalue().splitlines() if line.strip()]
    # 1.5 M and 0.5 M together are 2 M; CMX has 4 M, so it is half of it.
    assert ["b1", "1.50", "0.50", "2.00", "4.00", "50", "%"] in lines
    assert ["b1", "3.00", "0.00", "3.00", "3.00", "100", "%"] in lines
    assert ["preset", "encoder", "scene_part", "together", "CMX", "of", "CMX"] in lines
    assert "25 classes" in text.getvalue()
    assert "640x480" in text.getvalue()
    notes = " ".join(text.getvalue().split())
    assert "CMNeXt: not computed" in notes
    assert "58.69 M parameters and 62.94 GFLOPs" in notes


def test_programs_read_whole_counts(rows: tuple[SizeRow, ...]) -> None:
    table = json.loads(json.dumps(table_as_json(rows)))
    assert (table["height"], table["width"], table["num_classes"]) == (480, 640, 25)
    (entry,) = table["presets"]
    assert entry["preset"] == "b1"
    assert entry["shared_blocks"]["parameters"] == 2_000_000
    assert entry["cmx"]["parts"]["encoder"] == {"parameters": 3_500_000, "macs": 3_000_000_000}
    assert (table["cmnext"]["preset"], table["cmnext"]["parameters"]) == ("b2", 58_690_000)
    assert "DELIVER" in table["cmnext"]["source"]
