# SPDX-License-Identifier: Apache-2.0
"""A complete, very small training: it learns, resumes bit-equal and writes a loadable model."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from segrgbx_core import Segmenter
from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.errors import RecipeError, SegRgbxError
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.labels.label_set import LabelClass, load_label_set
from segrgbx_core.model import SegRgbX, build_model
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.stopping import StopRequest
from segrgbx_core.training import loop, train
from segrgbx_core.training.augment import Batch, TrainingBatches
from segrgbx_core.training.board import Board
from segrgbx_core.training.mixture import Mixture
from segrgbx_core.training.objective import class_shares, class_weights
from segrgbx_core.training.parts import TrainingContext, TrainingParts
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import Augment, RecipeFile
from segrgbx_core.training.step import Stepper
from segrgbx_core.weights.store import load_model

RECIPE = """
name: tiny
description: for a test
seed: 5
model: {{preset: b0, num_classes: 11}}
data:
  train: {{folder: {data}}}
  validation: {{folder: {data}}}
augment:
  {{crop: [64, 64], x_dropout: {dropout}, x_wrong: 0.3, later: [{{after: 0.5, crop: [96, 64]}}]}}
optimiser:
  {{steps: {steps}, batch: 2, learning_rate: 1.0e-3, encoder_rate: 0.5, warm_up: 2,
    validate_every: 2}}
short_side: 64
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    render_stills(folder, DriveSettings(width=96, height=72, seed=0), 4)
    return folder


def recipe(tmp_path: Path, data: Path, steps: int, dropout: float = 0.1) -> Path:
    path = tmp_path / f"tiny{steps}.yaml"
    path.write_text(RECIPE.format(data=data, steps=steps, dropout=dropout))
    return path


def batches_of(folder: Path, augment: Augment, seed: int) -> TrainingBatches:
    data = FolderDataset(folder)
    mixture = Mixture([len(data)], [data.modality], [1.0], seed)
    return TrainingBatches([data], mixture, augment, Preprocessing(), seed)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder).model.state_dict())


def test_a_resumed_training_ends_bit_equal(tmp_path: Path, data: Path) -> None:
    whole = recipe(tmp_path, data, 4)
    train(whole, tmp_path / "whole")
    # The rate depends on the number of steps, so the first half runs under the same recipe.
    half_way = tmp_path / "half"
    stop_after = 2
    validate = loop.Training._validate

    def interrupted(self: "loop.Training", board: Board, stop: StopRequest) -> None:
        validate(self, board, stop)
        if self.state.step == stop_after:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Training, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(whole, half_way)
    train(whole, half_way, resume=True)
    a = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)
    b = torch.load(half_way / "checkpoint.pt", weights_only=True)
    assert a["step"] == b["step"] == 4
    for key, value in a["model"].items():
        assert torch.equal(value, b["model"][key]), key


def test_a_training_that_is_killed_goes_on_from_the_last_minutes(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path, data, 4)
    train(path, tmp_path / "whole")
    monkeypatch.setattr(loop, "_SAVE_AFTER_S", 0.0)
    take = Stepper.__call__

    def killed(self: Stepper, parts: Sequence[Batch], rate: float) -> float:
        if self._state.step == 3:
            raise SystemExit
        return take(self, parts, rate)

    monkeypatch.setattr(Stepper, "__call__", killed)
    with pytest.raises(SystemExit):
        train(path, tmp_path / "killed")
    kept = torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 3  # the last validation was after step 2
    monkeypatch.setattr(Stepper, "__call__", take)
    train(path, tmp_path / "killed", resume=True)
    one, two = weights(tmp_path / "whole" / "model"), weights(tmp_path / "killed" / "model")
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_the_trained_folder_segments(tmp_path: Path, data: Path) -> None:
    folder = train(recipe(tmp_path, data, 2), tmp_path / "out")
    segmenter = Segmenter(folder, device="cpu")
    sample = FolderDataset(data)[0]
    result = segmenter(sample.rgb, sample.x, "thermal")
    assert result.labels.shape == sample.labels.shape
    assert segmenter.card.training["recipe"] == "tiny2.yaml"
    assert segmenter.card.modalities == ("thermal",)
    log = (tmp_path / "out" / "log.csv").read_text().splitlines()
    assert log[0] == "step,seconds,loss,miou,thermal"
    assert [line.split(",")[0] for line in log[1:]] == ["2"]


def test_a_training_begun_anew_begins_its_log_anew(tmp_path: Path, data: Path) -> None:
    for _ in range(2):
        train(recipe(tmp_path, data, 2), tmp_path / "out", force=True)
    assert (tmp_path / "out" / "log.csv").read_text().count("\n") == 2


def test_training_without_x_makes_a_model_of_rgb_alone(tmp_path: Path, data: Path) -> None:
    folder = train(recipe(tmp_path, data, 2, dropout=1.0), tmp_path / "out")
    assert load_model(folder).card.modalities == ()


def test_a_batch_is_the_same_in_every_process_and_every_step_differs(data: Path) -> None:
    def batches() -> TrainingBatches:
        return batches_of(data, Augment(crop=(64, 64)), seed=3)

    a, b = batches().batch(5, 2), batches().batch(5, 2)
    assert torch.equal(a.rgb, b.rgb)
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.labels, b.labels)
    assert not torch.equal(a.rgb, batches().batch(6, 2).rgb)
    assert a.rgb.shape == a.x.shape == (2, 3, 64, 64)
    assert a.labels.shape == (2, 64, 64)


def test_rgb_x_and_labels_are_cropped_and_flipped_together(tmp_path: Path) -> None:
    """X and labels that are computed from RGB stay consistent with it."""
    from segrgbx_core.datasets.writing import finish_folder, start_folder
    from segrgbx_core.files.images import write_png

    start_folder(tmp_path)
    labels = np.zeros((96, 128), np.uint8)
    labels[30:70, 20:60] = 1
    write_png(tmp_path / "rgb" / "a.png", (labels * 200)[..., None].repeat(3, 2))
    write_png(tmp_path / "x" / "a.png", labels * 200)
    write_png(tmp_path / "labels" / "a.png", labels)
    finish_folder(tmp_path, "thermal", "street", {})
    augment = Augment(crop=(64, 64), jitter=0.0, x_noise=0.0, x_shift=0)
    batches = batches_of(tmp_path, augment, seed=1)
    for step in range(6):
        batch = batches.batch(step, 2)
        inside = batch.labels == 1
        assert inside.any()
        assert ((batch.rgb[:, 0] > 0) == inside).float().mean() > 0.97
        assert ((batch.x[:, 0] > 0) == inside).float().mean() > 0.97


def test_rare_classes_weigh_more_and_the_mean_is_one(data: Path) -> None:
    dataset = FolderDataset(data)
    weight = class_weights(class_shares(dataset), 0.5)
    labels = np.concatenate([dataset[i].labels.ravel() for i in range(len(dataset))])
    share = np.bincount(labels, minlength=11) + 1 / len(labels)
    assert weight[int(share.argmin())] == weight.max()
    assert weight[int(share.argmax())] == weight.min()
    assert float((weight.numpy() * share / share.sum()).sum()) == pytest.approx(1.0, abs=0.01)
    assert class_weights(class_shares(dataset), 0.0).tolist() == pytest.approx([1.0] * 11)


def original_names(model: SegRgbX) -> dict[str, torch.Tensor]:
    """RGB's encoder under the names of SegFormer's own repository."""
    state = {}
    for name, value in model.encoder.state_dict().items():
        match = re.match(r"stages\.(\d)\.(embeddings|blocks|norms)\.0\.(.*)", name)
        if match is None:
            continue
        stage, kind, rest = int(match[1]) + 1, match[2], match[3]
        rest = rest.replace("attn.reduce_norm", "attn.norm").replace("attn.reduce", "attn.sr")
        rest = rest.replace("mlp.dwconv", "mlp.dwconv.dwconv")
        start = {"embeddings": "patch_embed", "blocks": "block", "norms": "norm"}[kind]
        state[f"{start}{stage}.{rest}"] = value
    return state


def test_a_training_starts_from_another_projects_weights(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(77)
    source = build_model("b0", 11)
    torch.save(original_names(source), tmp_path / "mit_b0.pth")
    path = recipe(tmp_path, data, 1)
    slow = path.read_text().replace("1.0e-3", "1.0e-8")
    path.write_text(slow + "start_from: mit_b0.pth\n")
    folder = train(path, tmp_path / "out")
    assert "SegFormer checkpoint" in capsys.readouterr().out
    trained, expected = weights(folder), source.state_dict()
    for stream in "01":
        kept = trained[f"encoder.stages.0.embeddings.{stream}.proj.weight"]
        given = expected["encoder.stages.0.embeddings.0.proj.weight"]
        torch.testing.assert_close(kept, given, atol=1e-3, rtol=1e-3)
    path.write_text(slow + "start_from: absent.pth\n")
    with pytest.raises(RecipeError, match=r"start_from is absent\.pth, .*not exist"):
        train(path, tmp_path / "other")


def union_recipe(tmp_path: Path, data: Path, text: str = "label_set: street_part.yaml\n") -> Path:
    """A recipe over a union that separates kerb from sidewalk, which the samples do not."""
    classes = load_label_set("street").classes
    union = [*classes, LabelClass("curb", (1, 2, 3))]
    for name, listed in (("all", union), ("street_part", classes)):
        lines = [f"- {{name: {c.name}, color: {list(c.color)}, meets: {c.name}}}" for c in listed]
        content = f"name: {name}\nunified: all.yaml\nclasses:\n" + "\n".join(lines)
        both = content.replace("meets: sidewalk", "meets: [sidewalk, curb]")
        (tmp_path / f"{name}.yaml").write_text(both)
    path = recipe(tmp_path, data, 2)
    path.write_text(path.read_text().replace("num_classes: 11", "num_classes: 12") + text)
    return path


def test_a_set_trains_a_model_over_its_union(tmp_path: Path, data: Path) -> None:
    folder = train(union_recipe(tmp_path, data), tmp_path / "out")
    card = load_model(folder).card
    assert card.label_set.names[-1] == "curb"
    assert len(card.label_set) == 12
    assert 0.0 < float(card.training["validation_miou"]) <= 1.0
    samples = FolderDataset(data)
    segmenter = Segmenter(folder, "cpu", label_set=tmp_path / "street_part.yaml")
    assert evaluate(segmenter, samples).overall.miou == pytest.approx(
        float(card.training["validation_miou"]), abs=0.02
    )


def test_only_the_classes_of_the_active_set_learn(tmp_path: Path, data: Path) -> None:
    """A unified class that no class of the set meets gets no gradient, the met ones do."""
    path = union_recipe(tmp_path, data)
    part = tmp_path / "street_part.yaml"
    part.write_text(part.read_text().replace("[sidewalk, curb]", "sidewalk"))
    place = TrainingContext(tmp_path / "out", torch.device("cpu"), Ranks(), Console())
    made = TrainingParts(RecipeFile.read(path), place)
    seen = []
    made.state.model.head.classifier.bias.register_hook(lambda g: seen.append(g.clone()))
    made.stepper([made.batches.batch(0, 2)], 1e-3)
    assert seen[0].shape == (12,)
    assert seen[0][:11].all()
    assert seen[0][11] == 0.0


def test_a_label_set_that_is_not_the_samples_is_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(RecipeError, match=r"label_set is 'mfnet', but .*'street'"):
        train(union_recipe(tmp_path, data, "label_set: mfnet\n"), tmp_path / "out")
    path = union_recipe(tmp_path, data)
    path.write_text(path.read_text().replace("num_classes: 12", "num_classes: 11"))
    with pytest.raises(RecipeError, match=r"num_classes is 11, .*'all' has 12"):
        train(path, tmp_path / "out")


def test_user_mistakes_are_said_in_words(tmp_path: Path, data: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing to resume; .*--resume"):
        train(recipe(tmp_path, data, 2), tmp_path / "new", resume=True)
    path = tmp_path / "wrong.yaml"
    text = RECIPE.format(data=data, steps=2, dropout=0.1)
    path.write_text(text.replace("num_classes: 11", "num_classes: 9"))
    with pytest.raises(RecipeError, match=r"num_classes is 9, .*'street' has 11"):
        train(path, tmp_path / "other")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    with pytest.raises(SegRgbxError, match="already holds files"):
        train(recipe(tmp_path, data, 2), full)


def test_a_diverged_loss_stops_and_keeps_the_batch(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torch.nn.functional, "cross_entropy", lambda *_a, **_k: torch.tensor(float("nan"))
    )
    words = r"nan at step 0; .*bad_batch.pt \(samples 0000.*lower opt"
    with pytest.raises(SegRgbxError, match=words):
        train(recipe(tmp_path, data, 2), tmp_path / "out")
    kept = torch.load(tmp_path / "out" / "bad_batch.pt", weights_only=True)
    assert kept["rgb"].shape == (2, 3, 64, 64)
    assert kept["modalities"] == ("thermal", "thermal")
    assert len(kept["stems"]) == 2
