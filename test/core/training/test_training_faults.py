# SPDX-License-Identifier: Apache-2.0
"""A training that is cut up, stopped, short of memory or of disk: it says so, and can go on."""

import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from segrgbx_core.datasets import render_stills
from segrgbx_core.errors import OutputError, RecipeError, SegRgbxError
from segrgbx_core.model import SegRgbX
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import Machine, check, loop, train
from segrgbx_core.training.parts import Place, TrainingParts
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import load_recipe
from segrgbx_core.training.state import restore, save_checkpoint
from segrgbx_core.training.stopping import StopRequest

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 10, head_width: 32}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment: {{crop: [64, 64]}}
optimiser: {{steps: 4, batch: 4, learning_rate: 1.0e-3, warm_up: 2, validate_every: 9{more}}}
short_side: 64
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 4)
    return folder


def _recipe(tmp_path: Path, data: Path, more: str = "") -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=data, more=more))
    return path


def _parts(path: Path) -> TrainingParts:
    place = Place(path.parent / "out", torch.device("cpu"), Ranks(), Console(quiet=True))
    return TrainingParts(load_recipe(path), path, place)


def _checkpoint(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return content


def test_a_batch_in_parts_gives_the_gradients_of_the_whole(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to batch normalisation and dropping at random, which are therefore taken out."""
    monkeypatch.setattr(SegRgbX, "train", lambda model, *_: nn.Module.train(model, False))
    found = []
    for accumulate in (1, 2):
        parts = _parts(_recipe(tmp_path, data, f", accumulate: {accumulate}"))
        model = parts.state.model
        batches = [parts.batches.batch(0, 4, i, accumulate) for i in range(accumulate)]
        loss = parts.stepper(batches, 0.0)
        gradient = model.head.classifier.weight.grad
        assert gradient is not None
        found.append((loss, gradient))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def test_a_signal_ends_the_training_after_the_step_and_it_goes_on_bit_equal(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _recipe(tmp_path, data)
    train(path, tmp_path / "whole")
    step = loop._Training._step

    def signalled(training: loop._Training, parts: Any) -> float:
        if training.state.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(training, parts)

    monkeypatch.setattr(loop._Training, "_step", signalled)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "out")
    monkeypatch.undo()
    said = capsys.readouterr().out
    assert "Stopped by SIGTERM after step 2; go on with" in said
    assert f"segrgbx train {path} --out {tmp_path / 'out'} --resume" in said.replace("\n", " ")
    assert _checkpoint(tmp_path / "out")["step"] == 2
    train(path, tmp_path / "out", resume=True)
    whole, resumed = _checkpoint(tmp_path / "whole"), _checkpoint(tmp_path / "out")
    assert resumed["step"] == 4
    assert all(torch.equal(v, resumed["model"][k]) for k, v in whole["model"].items())


def test_a_second_signal_acts_as_ever() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_workers_give_the_same_batches(tmp_path: Path, data: Path) -> None:
    path = _recipe(tmp_path, data)
    train(path, tmp_path / "alone")
    train(path, tmp_path / "helped", machine=Machine(workers=2))
    a, b = _checkpoint(tmp_path / "alone"), _checkpoint(tmp_path / "helped")
    assert all(torch.equal(value, b["model"][key]) for key, value in a["model"].items())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_says_what_to_lower(tmp_path: Path, data: Path, error: Exception) -> None:
    parts = _parts(_recipe(tmp_path, data))

    def full(*_: object) -> None:
        raise error

    parts.state.model.head.register_forward_pre_hook(full)
    words = r"step 0 with batch 4 in 1 part\(s\) of 64x64; double optimiser.accumulate, or lower"
    with pytest.raises(SegRgbxError, match=words):
        parts.stepper([parts.batches.batch(0, 4)], 1e-3)


def test_another_runtime_error_is_no_matter_of_memory(tmp_path: Path, data: Path) -> None:
    parts = _parts(_recipe(tmp_path, data))

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    parts.state.model.head.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="a defect"):
        parts.stepper([parts.batches.batch(0, 4)], 1e-3)


def test_the_last_checkpoint_survives_a_full_disk(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = _parts(_recipe(tmp_path, data))
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(parts.state, path, [torch.get_rng_state()])
    before = path.read_bytes()

    def full(_content: object, file: io.BufferedWriter) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    parts.state.step = 7
    with pytest.raises(OutputError, match="is full"):
        save_checkpoint(parts.state, path, [torch.get_rng_state()])
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.glob("checkpoint*")) == ["checkpoint.pt"]
    restore(parts.state, path)
    assert parts.state.step == 0


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_broken_checkpoint_is_said_in_words(
    tmp_path: Path, data: Path, content: bytes | None
) -> None:
    parts, path = _parts(_recipe(tmp_path, data)), tmp_path / "checkpoint.pt"
    if content is None:
        torch.save({"model": {}}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"cannot be read as a checkpoint|is no checkpoint of"):
        restore(parts.state, path)


def test_a_corrupt_image_is_left_out_and_said(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    for kind in ("rgb", "x", "labels"):
        for i in range(200):
            shutil.copy(copy / kind / "00000001.png", copy / kind / f"more{i:04d}.png")
    (copy / "x" / "00000002.png").write_bytes(b"broken")
    parts = _parts(_recipe(tmp_path, copy))
    seen = [stem for step in range(51) for stem in parts.batches.batch(step, 4).stems]
    assert "00000002" not in seen
    assert "00000002.png" in caplog.text


def test_the_check_learns_one_batch_by_heart(tmp_path: Path, data: Path) -> None:
    path = _recipe(tmp_path, data)
    path.write_text(path.read_text().replace("1.0e-3", "3.0e-3"))
    found = check(path, "cpu", steps=40)
    assert found.learnt
    assert found.last < 0.5 * found.first
    assert found.samples == {"thermal": 4}
    assert found.training_hours == pytest.approx(found.step_seconds * 4 / 3600)
    assert "the recipe can learn" in found.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.yaml"]
    path.write_text(path.read_text().replace("3.0e-3", "1.0e-8"))
    lazy = check(path, "cpu", steps=2)
    assert not lazy.learnt
    assert "expected half or less: look at the labels" in lazy.text


def test_tensorboard_is_asked_for_in_words_where_it_is_missing(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RecipeError, match=r"need the package tensorboard, .* or leave --tensorb"):
        train(_recipe(tmp_path, data), tmp_path / "out", machine=Machine(tensorboard=True))


def test_tensorboard_gets_losses_and_validations(tmp_path: Path, data: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install .[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(_recipe(tmp_path, data), tmp_path / "out", machine=Machine(tensorboard=True))
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    (point,) = events.Scalars("validation/thermal")
    assert point.step == 4
