# SPDX-License-Identifier: Apache-2.0
"""`segrgbx bench`: its baseline is the same function, and it measures what it says."""

import json
import time
from pathlib import Path

import cv2
import pytest
import torch

from segrgbx_core.bench import measuring, sections
from segrgbx_core.bench.measuring import WARM_UP, Case, timed
from segrgbx_core.bench.plain import PlainCmx
from segrgbx_core.errors import ModelError
from segrgbx_core.model import ModelConfig, SegRgbX
from segrgbx_ros.cli import main


@pytest.mark.parametrize("shared", [False, True])
def test_plain_cmx_is_the_same_function(shared: bool) -> None:
    torch.manual_seed(4)
    model = SegRgbX(ModelConfig("b0", 7, (), shared)).eval()
    rgb, x = torch.randn(2, 2, 3, 64, 96)
    with torch.no_grad():
        model.head.classifier.weight.normal_(0.0, 0.3)
        expected = PlainCmx(model)(rgb, x)
        torch.testing.assert_close(model(rgb, x), expected, atol=1e-3, rtol=1e-4)
    assert expected.abs().max() > 1.0


def test_a_fast_path_that_differs_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sections, "SIZE", (64, 96))
    monkeypatch.setattr(SegRgbX, "run", lambda *_: torch.zeros(1, 40, 16, 24))
    with pytest.raises(ModelError, match="Ours differs from plain CMX by 1"):
        next(sections.network(("b0",), torch.device("cpu"), tmp_path))


def test_processes_count_with_what_they_use() -> None:
    own, all_of_it = time.process_time(), measuring._cpu_s()
    sections._process("pass")
    own, all_of_it = time.process_time() - own, measuring._cpu_s() - all_of_it
    assert all_of_it > own


def test_each_round_runs_every_case_in_turn() -> None:
    seen: list[str] = []
    cases = [Case(name, lambda name=name: seen.append(name)) for name in "ab"]
    rounds: list[int] = []
    timings = timed(cases, 2, lambda: rounds.append(len(seen)))
    assert seen == ["a", "b"] * (2 + WARM_UP)
    assert rounds == [2, 4, 6, 8, 10]
    assert [t.name for t in timings] == ["a", "b"]
    assert timings[0].ratio == 1.0


def test_the_command_prints_tables_and_writes_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "SIZE", (64, 96))
    threads = torch.get_num_threads()
    told = ["bench", "network", "frame", "--presets", "b0", "--size", "96x64", "--rounds", "1"]
    try:
        files = ["--json", str(tmp_path / "bench.json"), "--plot", str(tmp_path / "bench.png")]
        assert main([*told, *files]) == 0
    finally:
        torch.set_num_threads(threads)
    out = capsys.readouterr().out
    assert "network b0, 96x64, cpu" in out
    assert "frame of 96x64, model demo" in out
    figures = json.loads((tmp_path / "bench.json").read_text())
    (network, frame) = figures["timings"].values()
    names = [case["name"] for case in network]
    assert names[:3] == ["plain CMX", "ours as CMX", "ours, all parts"]
    assert network[0]["ratio"] == 1.0
    assert {"network", "whole frame", "mask and overlay"} <= {case["name"] for case in frame}
    drawn = cv2.imread(str(tmp_path / "bench.png"))
    assert drawn.shape[1] == 900
    assert drawn.std() > 10
    assert main(["bench", "speed"]) == 2
    assert "'speed' is unknown; expected some of network, frame" in capsys.readouterr().err
