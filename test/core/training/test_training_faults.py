# SPDX-License-Identifier: Apache-2.0
"""A training that is split, interrupted, or out of memory or disk: errors and resuming."""

import errno
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from segrgbx_core.datasets import render_stills
from segrgbx_core.errors import InputError, OutputError, RecipeError, SegRgbxError
from segrgbx_core.files.images import write_png
from segrgbx_core.model import SegRgbX
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.stopping import StopRequest
from segrgbx_core.training import Machine, check_recipe, loading, loop, run, train
from segrgbx_core.training.loading import parts_of_steps
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import RecipeFile
from segrgbx_core.training.state import restore, save_checkpoint
from segrgbx_core.weights.store import load_model

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11, head_width: 32}}
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
    place = TrainingContext(path.parent / "out", torch.device("cpu"), Ranks(), Console(quiet=True))
    return TrainingParts(RecipeFile.read(path), place)


def _checkpoint(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return content


def test_a_batch_in_parts_gives_the_gradients_of_the_whole(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without batch normalisation and dropout, which would differ."""
    monkeypatch.setattr(SegRgbX, "train", lambda model, *_: nn.Module.train(model, False))
    runs = []
    for accumulate in (1, 2):
        parts = _parts(_recipe(tmp_path, data, f", accumulate: {accumulate}"))
        model = parts.state.model
        batches = [parts.batches.batch(0, 4, i, accumulate) for i in range(accumulate)]
        loss = parts.stepper(batches, 0.0)
        gradient = model.head.classifier.weight.grad
        assert gradient is not None
        runs.append((loss, gradient))
    assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-5)
    torch.testing.assert_close(runs[0][1], runs[1][1], rtol=1e-4, atol=1e-6)


def test_a_signal_ends_the_training_after_the_step_and_it_goes_on_bit_equal(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _recipe(tmp_path, data)
    train(path, tmp_path / "whole")
    step = loop.Training._step

    def signalled(training: loop.Training, parts: Any) -> float:
        if training.state.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(training, parts)

    monkeypatch.setattr(loop.Training, "_step", signalled)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "out")
    monkeypatch.undo()
    said = capsys.readouterr().out
    assert "SIGTERM after step 2" in said
    assert f"segrgbx train {path} --out {tmp_path / 'out'} --resume" in said.replace("\n", " ")
    assert _checkpoint(tmp_path / "out")["step"] == 2
    train(path, tmp_path / "out", resume=True)
    whole, resumed = _checkpoint(tmp_path / "whole"), _checkpoint(tmp_path / "out")
    assert resumed["step"] == 4
    assert all(torch.equal(v, resumed["model"][k]) for k, v in whole["model"].items())


def test_a_second_signal_acts_as_ever() -> None:
    # A shell that starts the tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked == "SIGINT"
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


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
    words = r"step 0 .*batch 4 .*1 part.*64x64; .*optimiser.accumulate"
    with pytest.raises(SegRgbxError, match=words):
        parts.stepper([parts.batches.batch(0, 4)], 1e-3)


def test_memory_that_runs_out_in_the_update_is_said(tmp_path: Path, data: Path) -> None:
    parts = _parts(_recipe(tmp_path, data))

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    parts.state.optimiser.register_step_pre_hook(full)
    with pytest.raises(SegRgbxError, match=r"step 0 .*augment.later\), and .*--force"):
        parts.stepper([parts.batches.batch(0, 4)], 1e-3)


def test_a_reader_that_is_killed_is_said(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. \nMore")

    parts = _parts(_recipe(tmp_path, data))
    monkeypatch.setattr(loading.DataLoader, "__iter__", killed)
    words = r"signal: Killed.*fewer --workers than 2"
    with pytest.raises(SegRgbxError, match=words):
        next(parts_of_steps(parts.batches, range(1), 4, 1, Ranks(), 2))


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


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: d[: len(d) // 2], "cannot be read as a checkpoint"),
        (lambda d: _flipped(d, len(d) // 2), "differs from its checksum"),
        (lambda d: _flipped(d, 40), "cannot be read|differs from its checksum"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\noid x\n", "a Git LFS pointer"),
        (lambda _: b"\x80\x02}q\x00.", "cannot be read|no checkpoint of this version"),
        (lambda d: d.replace(b"param_groups", b"param_graves"), "cannot be read|checksum"),
    ],
)
def test_a_damaged_checkpoint_is_one_sentence(
    tmp_path: Path, data: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    parts = _parts(_recipe(tmp_path, data))
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(parts.state, path, [torch.get_rng_state()])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RecipeError, match=words):
        restore(parts.state, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("step", "many"), ("rng", 5), ("optimiser", {}), ("model", [1]), ("norm_epsilons", [1.0])],
)
def test_a_checkpoint_of_other_content_is_one_sentence(
    tmp_path: Path, data: Path, key: str, value: object
) -> None:
    parts = _parts(_recipe(tmp_path, data))
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(parts.state, path, [torch.get_rng_state()])
    content = torch.load(path, weights_only=True)
    torch.save({**content, key: value}, path)
    with pytest.raises(RecipeError, match="does not hold the whole state of a training"):
        restore(parts.state, path)


def test_a_disk_that_refuses_in_the_middle_of_a_real_write(tmp_path: Path, data: Path) -> None:
    """With a real limit of 5 MB per file instead of a patch; a checkpoint is larger."""
    parts = _parts(_recipe(tmp_path, data))
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(parts.state, path, [torch.get_rng_state()])
    before = path.read_bytes()
    assert len(before) > 5_000_000
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint.*: it is larger"):
            save_checkpoint(parts.state, path, [torch.get_rng_state()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.glob("checkpoint*")) == ["checkpoint.pt"]


def test_a_full_disk_says_how_to_go_on(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _recipe(tmp_path, data)
    path.write_text(path.read_text().replace("validate_every: 9", "validate_every: 2"))
    save = torch.save

    def full(content: Any, file: Any) -> None:
        if content["step"] == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"full at step 4; .*last checkpoint"):
        train(path, tmp_path / "out")
    monkeypatch.undo()
    assert _checkpoint(tmp_path / "out")["step"] == 2
    train(path, tmp_path / "out", resume=True)
    assert _checkpoint(tmp_path / "out")["step"] == 4


def test_a_folder_that_is_removed_meanwhile_is_said(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = loop.Training._step

    def removing(training: loop.Training, parts: Any) -> float:
        shutil.rmtree(tmp_path / "out")
        return step(training, parts)

    path = _recipe(tmp_path, data)
    path.write_text(path.read_text().replace("steps: 4", "steps: 1"))
    monkeypatch.setattr(loop.Training, "_step", removing)
    with pytest.raises(OutputError, match=r"out removed, or .*another training"):
        train(path, tmp_path / "out")


def test_a_signal_breaks_a_validation_off_and_it_is_made_up_for(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _recipe(tmp_path, data)
    path.write_text(path.read_text().replace("validate_every: 9", "validate_every: 2"))
    train(path, tmp_path / "whole")
    capsys.readouterr()
    validate = loop.validate

    def signalled(*given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return validate(*given, **named)

    monkeypatch.setattr(loop, "validate", signalled)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "out")
    monkeypatch.undo()
    assert "SIGTERM after step 2" in capsys.readouterr().out
    assert not (tmp_path / "out" / "log.csv").exists()
    train(path, tmp_path / "out", resume=True)
    rows = [
        [line.split(",")[0:1] + line.split(",")[2:] for line in log.read_text().splitlines()]
        for log in (tmp_path / "whole" / "log.csv", tmp_path / "out" / "log.csv")
    ]
    assert rows[0] == rows[1]
    a, b = (load_model(tmp_path / name / "model").model.state_dict() for name in ("whole", "out"))
    assert all(torch.equal(value, b[key]) for key, value in a.items())


def test_a_signal_before_the_first_step_says_how_to_begin_again(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def signalled(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(run, "TrainingParts", signalled)
    path = _recipe(tmp_path, data)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "out")
    assert signal.getsignal(signal.SIGTERM) is before
    said = capsys.readouterr().out
    assert "before the first step" in said
    assert f"segrgbx train {path} --out {tmp_path / 'out'} --force" in said


def _resumed(path: Path, out: Path, before: str, after: str) -> None:
    path.write_text(path.read_text().replace(before, after))
    train(path, out, resume=True)


def test_a_changed_recipe_is_said_or_refused_when_it_goes_on(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = _recipe(tmp_path, data), tmp_path / "out"
    path.write_text(path.read_text().replace("steps: 4", "steps: 1"))
    train(path, out)
    capsys.readouterr()
    _resumed(path, out, "batch: 4", "batch: 2")
    said = capsys.readouterr().out
    assert "tiny.yaml has changed" in said
    assert "optimiser.batch was 4" in said
    _resumed(path, out, "batch: 2", "batch: 4")
    assert "has changed" not in capsys.readouterr().out
    kept = (out / "checkpoint.pt").read_bytes()
    words = r"head_width was 32 .*48"
    with pytest.raises(RecipeError, match=words):
        _resumed(path, out, "head_width: 32", "head_width: 48")
    assert (out / "checkpoint.pt").read_bytes() == kept


def test_a_checkpoint_without_a_recipe_is_still_resumed(tmp_path: Path, data: Path) -> None:
    parts = _parts(_recipe(tmp_path, data))
    path = tmp_path / "checkpoint.pt"
    parts.state.step = 3
    save_checkpoint(parts.state, path, [torch.get_rng_state()])
    content = torch.load(path, weights_only=True)
    for name in ("recipe", "loss", "validated"):
        del content[name]
    torch.save(content, path)
    assert restore(parts.state, path) == ()
    assert parts.state.validated == 3


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_broken_checkpoint_is_said_in_words(
    tmp_path: Path, data: Path, content: bytes | None
) -> None:
    parts, path = _parts(_recipe(tmp_path, data)), tmp_path / "checkpoint.pt"
    if content is None:
        torch.save({"model": {}}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"cannot be read|no checkpoint of|not a checkpoint of"):
        restore(parts.state, path)


def test_a_corrupt_image_is_left_out_and_said(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
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
    result = check_recipe(path, "cpu", steps=40)
    assert result.learnt
    assert result.last < 0.5 * result.first
    assert result.samples == {"thermal": 4}
    assert result.training_hours == pytest.approx(result.step_seconds * 4 / 3600)
    assert "can learn" in result.text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.yaml"]
    path.write_text(path.read_text().replace("3.0e-3", "1.0e-8"))
    lazy = check_recipe(path, "cpu", steps=2)
    assert not lazy.learnt
    assert "half or less" in lazy.text


def test_tensorboard_is_asked_for_in_words_where_it_is_missing(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RecipeError, match=r"package tensorboard, .*--tensorboard"):
        train(_recipe(tmp_path, data), tmp_path / "out", machine=Machine(tensorboard=True))


def test_tensorboard_gets_losses_and_validations(tmp_path: Path, data: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install .[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(_recipe(tmp_path, data), tmp_path / "out", machine=Machine(tensorboard=True))
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    (point,) = events.Scalars("validation/thermal")
    assert point.step == 4


def test_no_training_ends_for_a_curve(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard: pip install .[tensorboard]")
    from torch.utils.tensorboard import SummaryWriter

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    train(_recipe(tmp_path, data), tmp_path / "out", machine=Machine(tensorboard=True))
    assert _checkpoint(tmp_path / "out")["step"] == 4
    assert caplog.text.count("(No space left on device)") == 1


def test_tensorboard_is_asked_for_before_anything_is_made(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RecipeError, match="package tensorboard"):
        train(_recipe(tmp_path, data), tmp_path / "out", machine=Machine(tensorboard=True))
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_trained_is_said_before_scenes_are_rendered(
    tmp_path: Path, data: Path
) -> None:
    path = _recipe(tmp_path, data)
    text = path.read_text()
    scenes = "scenes: {count: 1, first_seed: 1, width: 96, height: 72}"
    begun = text.replace(f"train: {{folder: {data}}}", f"train: {{{scenes}}}")
    snow = scenes.replace("72}", "72, conditions: [snow]}")
    for change, words in (
        (("num_classes: 11", "num_classes: 10"), "num_classes is 10, but .*'street'"),
        ((f"validation: {{folder: {data}}}", "validation: {folder: gone}"), "gone does not exist"),
        (
            (f"validation: {{folder: {data}}}", f"validation: {{{snow}}}"),
            "tiny.yaml: data.validation: .*snow",
        ),
        (
            ("head_width: 32", "head_width: 32, components: [dsrm], modalities: [depth]"),
            r"thermal, .*model.modalities \(depth\)",
        ),
    ):
        assert change[0] in begun
        path.write_text(begun.replace(*change))
        with pytest.raises(SegRgbxError, match=words):
            train(path, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_an_x_that_cannot_be_encoded_is_left_out_as_a_broken_file_is(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    colours = np.random.default_rng(0).integers(0, 255, (72, 96, 3)).astype(np.uint8)
    write_png(copy / "x" / "00000002.png", colours)
    path = _recipe(tmp_path, copy)
    with pytest.raises(InputError, match=r"00000002 in .*three channels.*data check"):
        _parts(path).batches.batch(0, 4)
    for kind in ("rgb", "x", "labels"):
        for i in range(200):
            shutil.copy(copy / kind / "00000001.png", copy / kind / f"more{i:04d}.png")
    parts = _parts(path)
    seen = [stem for step in range(51) for stem in parts.batches.batch(step, 4).stems]
    assert "00000002" not in seen
    assert "X of sample 00000002" in caplog.text


def test_too_many_broken_samples_are_one_sentence_with_workers_too(
    tmp_path: Path, data: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    for path in sorted((copy / "x").iterdir())[1:]:
        path.write_bytes(b"broken")
    recipe = _recipe(tmp_path, copy)
    recipe.write_text(
        recipe.read_text().replace(
            f"validation: {{folder: {copy}}}", f"validation: {{folder: {data}}}"
        )
    )
    with pytest.raises(InputError, match=r"cannot be used, more than the 1") as caught:
        train(recipe, tmp_path / "out", machine=Machine(workers=1))
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_memory_that_runs_out_elsewhere_is_said_as_well(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(loop, "validate", full)
    path = _recipe(tmp_path, data)
    path.write_text(path.read_text().replace("steps: 4", "steps: 1"))
    with pytest.raises(SegRgbxError, match=r"scoring after step 1.*short_side"):
        train(path, tmp_path / "out")


@pytest.mark.slow
def test_a_signal_to_the_whole_group_spares_the_workers_until_the_checkpoint(
    tmp_path: Path, data: Path
) -> None:
    """As a cluster's scheduler and `kill -- -GROUP` send it: to the readers, too."""
    path = _recipe(tmp_path, data)
    path.write_text(path.read_text().replace("steps: 4", "steps: 4000"))
    program = (
        "from segrgbx_ros.cli import main; import sys; sys.exit(main(["
        f"'train', {str(path)!r}, '--out', {str(tmp_path / 'out')!r}, '--device', 'cpu',"
        " '--workers', '2']))"
    )
    script = tmp_path / "program.py"
    script.write_text(f"if __name__ == '__main__':\n    {program}\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with (tmp_path / "said.txt").open("w+") as said:
        started = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        _wait_for_workers(started.pid)
        os.killpg(started.pid, signal.SIGTERM)
        status = started.wait(timeout=300)
        said.seek(0)
        text = said.read()
    assert status == 130, text
    assert "Traceback" not in text
    assert "Stopped by SIGTERM" in text
    assert _checkpoint(tmp_path / "out")["step"] >= 1


def _wait_for_workers(leader: int) -> None:
    """Until two readers and multiprocessing's tracker ignore signals: the first thing they do."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
        if sum(_ignores(child, signal.SIGTERM) for child in children) >= 3:
            return
        time.sleep(0.1)
    raise AssertionError("no readers were started")


def _ignores(process: str, number: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored, 16) >> (number - 1) & 1)
