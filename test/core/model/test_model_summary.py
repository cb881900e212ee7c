# SPDX-License-Identifier: Apache-2.0
"""Costs by part against counts made by hand and by running the model."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from segrgbx_core.model import ModelConfig, build_model, size_table, summarize


def test_parts_add_up_to_the_model() -> None:
    config = ModelConfig("b0", 6, head_width=32)
    summary = summarize(config, 64, 96)
    model = build_model("b0", 6, head_width=32).eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(torch.zeros(1, 3, 64, 96), torch.zeros(1, 3, 64, 96))
    assert [part.name for part in summary.parts] == ["encoder", "frm", "ffm", "head"]
    assert summary.parameters == sum(p.numel() for p in model.parameters())
    assert summary.macs == counter.get_total_flops() // 2
    assert all(part.parameters > 0 and part.macs > 0 for part in summary.parts)


def test_frm_costs_what_its_formula_says() -> None:
    summary = summarize(ModelConfig("b0", 6), 64, 96)
    expected = 0
    for width, stride in ((32, 4), (64, 8), (160, 16), (256, 32)):
        pixels = (64 // stride) * (96 // stride)
        expected += 24 * width**2 + pixels * (2 * width**2 + 2 * width)
    assert next(p.macs for p in summary.parts if p.name == "frm") == expected


def test_unshared_blocks_cost_parameters_but_no_operations() -> None:
    shared = summarize(ModelConfig("b0", 6), 64, 64)
    apart = summarize(ModelConfig("b0", 6, shared_blocks=False), 64, 64)
    assert shared.macs == apart.macs
    assert shared.parameters < apart.parameters


def test_size_table_sets_each_preset_beside_cmx() -> None:
    rows = size_table(("b0", "b1"), num_classes=6, height=64, width=64)
    assert [row.preset for row in rows] == ["b0", "b1"]
    for row in rows:
        shared = build_model(row.preset, 6)
        apart = build_model(row.preset, 6, shared_blocks=False)
        assert row.shared.parameters == sum(p.numel() for p in shared.parameters())
        assert row.cmx.parameters == sum(p.numel() for p in apart.parameters())
        assert row.cmx.config.components == ()
        assert row.shared.macs == row.cmx.macs
