# SPDX-License-Identifier: Apache-2.0
"""Two processes on the CPU give the result of one process with the whole batch."""

import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from segrgbx_core.datasets import render_stills
from segrgbx_core.errors import RecipeError
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.training import ranks as ranks_module
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks, SharedBatchNorm, process_group, share_batch_norms
from segrgbx_core.training.recipe import RecipeFile
from segrgbx_core.training.validation import validate

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11, head_width: 32, components: [modality_embedding]}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment: {{crop: [64, 64]}}
optimiser: {{steps: 3, batch: 4, learning_rate: 1.0e-3, warm_up: 1, validate_every: 3,
  accumulate: {accumulate}}}
short_side: 64
"""

# Each process draws dropout for its own samples, so dropout is disabled where numbers must agree.
PROGRAM = """
import sys
from pathlib import Path
import torch
from segrgbx_core.training import loop, run
from segrgbx_core.training.parts import TrainingParts

class Quiet(TrainingParts):
    def __init__(self, *given):
        super().__init__(*given)
        for module in self.state.model.modules():
            for name in ("p", "rate", "drop_prob"):
                if isinstance(getattr(module, name, None), float):
                    setattr(module, name, 0.0)

losses, stems = [], []
step = loop.Training._step
def noted(training, parts):
    losses.append(step(training, parts))
    stems.append([stem for part in parts for stem in part.stems])
    return losses[-1]

run.TrainingParts, loop.Training._step = Quiet, noted
recipe, out = (Path(given) for given in sys.argv[1:3])
run.train(recipe, out, machine=run.Machine(device="cpu"))
import os
rank = os.environ.get("RANK", "0")
torch.save({"losses": losses, "stems": stems}, out / f"seen{rank}.pt")
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 5)
    return folder


def _trained(tmp_path: Path, data: Path, name: str, world: int, accumulate: int = 1) -> Path:
    recipe, program, out = tmp_path / f"{name}.yaml", tmp_path / "program.py", tmp_path / name
    recipe.write_text(RECIPE.format(data=data, accumulate=accumulate))
    program.write_text(PROGRAM)
    start = [sys.executable]
    if world > 1:
        port = f"--rdzv-endpoint=localhost:{20_000 + os.getpid() % 20_000}"
        start += ["-m", "torch.distributed.run", f"--nproc-per-node={world}", port]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*start, str(program), str(recipe), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def _saved(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path, data: Path) -> None:
    one, two = (_trained(tmp_path, data, name, n) for n, name in ((1, "one"), (2, "two")))
    alone = _saved(one / "seen0.pt")
    shares = [_saved(two / f"seen{rank}.pt") for rank in range(2)]
    for share in shares:
        assert share["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    for whole, first, second in zip(
        alone["stems"], shares[0]["stems"], shares[1]["stems"], strict=True
    ):
        assert sorted(whole) == sorted(first + second)
        assert len(first) == len(second) == 2
    a, b = (_saved(folder / "checkpoint.pt")["model"] for folder in (one, two))
    # Other parameters may have gradients of pure rounding, which AdamW scales to full steps.
    for key in ("head.classifier.weight", "head.norm.running_var"):
        torch.testing.assert_close(b[key], a[key], rtol=1e-3, atol=1e-4)
    # Five samples, so that the two shares of the validation differ in size.
    logs = [(folder / "log.csv").read_text().splitlines()[1].split(",") for folder in (one, two)]
    assert float(logs[1][3]) == pytest.approx(float(logs[0][3]), abs=2e-3)


@dataclass(frozen=True)
class _Alone(Ranks):
    """One of two processes whose partner never sends its numbers."""

    seen: list[torch.Tensor] = field(default_factory=list)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        self.seen.append(values.clone())
        return values

    def any(self, flag: bool) -> bool:
        return flag


def test_the_shares_of_a_validation_add_up_to_the_whole(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=data, accumulate=1))
    place = TrainingContext(tmp_path, torch.device("cpu"), Ranks(), Console(quiet=True))
    parts = TrainingParts(RecipeFile.read(path), place)
    counts = []
    for rank, world in ((0, 1), (0, 2), (1, 2)):
        ranks = _Alone(rank, world)
        validate(parts.state.averaged, parts.card(), parts.held_out, True, place.device, ranks)
        counts.append(ranks.seen[0])
    whole, first, second = counts
    assert whole.sum() == 5 * 96 * 72
    # Three and two of the five samples.
    assert first.sum() == 3 * 96 * 72
    assert torch.equal(first + second, whole)


def test_a_bad_sample_is_left_out_of_the_scores(data: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(data, whole)
    for i in range(100):
        for kind in ("rgb", "x", "labels"):
            shutil.copy(next((data / kind).glob("00000001.*")), whole / kind / f"9{i:05d}.png")
    cut = whole / "rgb" / "900042.png"
    cut.write_bytes(cut.read_bytes()[:100])
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=whole, accumulate=1))
    place = TrainingContext(tmp_path, torch.device("cpu"), Ranks(), Console(quiet=True))
    parts = TrainingParts(RecipeFile.read(path), place)
    ranks = _Alone(0, 1)
    validate(parts.state.averaged, parts.card(), parts.held_out, True, place.device, ranks)
    assert ranks.seen[0].sum() == 104 * 96 * 72


def test_batch_norms_become_shared_and_keep_their_tensors() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4)).eval()
    before = model.state_dict()
    image = torch.randn(2, 3, 5, 5)
    expected = model(image)
    share_batch_norms(model)
    assert isinstance(model[1], SharedBatchNorm)
    assert not model[1].training
    for key, value in model.state_dict().items():
        assert value.data_ptr() == before[key].data_ptr(), key
    assert torch.equal(model(image), expected)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_shared_batch_norms_count_in_full_where_the_network_is_half(
    monkeypatch: pytest.MonkeyPatch, half: torch.dtype
) -> None:
    monkeypatch.setattr(ranks_module, "_summed", lambda values: values)
    plain = torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    shared = copy.deepcopy(plain)
    share_batch_norms(shared)
    # More pixels than float16 can represent.
    image = (torch.randn(1, 2, 300, 300, generator=torch.Generator().manual_seed(0)) + 3).to(half)
    expected = plain(image.float())
    with torch.autocast("cpu", dtype=half):
        output = shared(image)
    assert output.dtype == half
    assert torch.allclose(output.float(), expected, atol=0.02)
    for name, value in plain.state_dict().items():
        if "running" in name:
            assert torch.allclose(shared.state_dict()[name], value, rtol=1e-4), name


def test_processes_that_share_a_training_cannot_share_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = pytest.raises(RecipeError, match=r"cuda:0, .*torchrun started 2")
    with refused, process_group("cuda:0"):
        pass
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit), process_group("cuda:0"):
        pass


def _torchrun(tmp_path: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """Runs `segrgbx train` in two processes; their output goes to said.txt."""
    program = tmp_path / "cli.py"
    program.write_text(
        "import sys\nfrom segrgbx_ros.cli import main\n"
        "if __name__ == '__main__':\n    sys.exit(main(['train', *sys.argv[1:]]))\n"
    )
    port = f"--rdzv-endpoint=localhost:{20_000 + os.getpid() % 20_000}"
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", port]
    with (tmp_path / "said.txt").open("w") as said:
        return subprocess.Popen(
            [*start, str(program), *map(str, arguments), "--device", "cpu"],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _said(tmp_path: Path) -> str:
    return (tmp_path / "said.txt").read_text()


@pytest.mark.slow
def test_a_mistake_in_two_processes_is_said_once(tmp_path: Path, data: Path) -> None:
    """Only torchrun's own report has a traceback."""
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(RECIPE.format(data=data, accumulate=1).replace("classes: 11", "classes: 9"))
    mistakes = [(recipe, "num_classes is 9, but"), (recipe, "already h")]
    for path, words in mistakes:
        started = _torchrun(tmp_path, path, "--out", tmp_path / "out")
        assert started.wait(timeout=600) != 0
        said = _said(tmp_path)
        assert said.count(words) == 1, said
        assert "segrgbx_core/training" not in said, said
        assert "Connection closed" not in said, said
        # An error of the first process must not leave the second one waiting.
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "mine.txt").write_text("x")
        recipe.write_text(RECIPE.format(data=data, accumulate=1))


@pytest.mark.slow
def test_two_processes_are_interrupted_and_go_on(tmp_path: Path, data: Path) -> None:
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    text = RECIPE.format(data=data, accumulate=1).replace("validate_every: 3", "validate_every: 1")
    recipe.write_text(text.replace("steps: 3", "steps: 300"))
    started = _torchrun(tmp_path, recipe, "--out", out)
    deadline = time.monotonic() + 400
    while not (out / "log.csv").is_file() and time.monotonic() < deadline:
        time.sleep(1)
    started.send_signal(signal.SIGTERM)
    assert started.wait(timeout=300) != 0
    said = _said(tmp_path)
    assert said.count("Stopped by SIGTERM") == 1, said
    assert said.count("segrgbx: interrupted") == 1, said
    step = int(_saved(out / "checkpoint.pt")["step"])
    assert step >= 1
    recipe.write_text(text.replace("steps: 3", f"steps: {step + 1}"))
    assert _torchrun(tmp_path, recipe, "--out", out, "--resume").wait(timeout=600) == 0
    said = _said(tmp_path)
    assert f"step {step + 1} of {step + 1}: loss" in said
    assert said.count("model is in") == 1
    assert "FutureWarning" not in said
