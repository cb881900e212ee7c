# SPDX-License-Identifier: Apache-2.0
"""The training loop: AdamW, averaged weights, the best kept by validation, resumable."""

import math
import platform
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segrgbx_core.datasets import FolderDataset, render_stills
from segrgbx_core.errors import RecipeError, SegRgbxError
from segrgbx_core.evaluation.dataset import evaluate
from segrgbx_core.labels import UNLABELLED
from segrgbx_core.labels_unified import Membership, load_membership
from segrgbx_core.model import ModelCard, active_logits, import_weights, save_model
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.model.weights import LoadedModel
from segrgbx_core.output import claim_output, disk_errors
from segrgbx_core.resources import version
from segrgbx_core.scenes import DriveSettings
from segrgbx_core.segmenter import Segmenter
from segrgbx_core.training.augment import TrainingBatches
from segrgbx_core.training.clip_stage import tune_towers
from segrgbx_core.training.recipe import Recipe, Source, load_recipe
from segrgbx_core.training.state import TrainingState, fresh_state, restore, save_checkpoint

CHECKPOINT, LOG, MODEL = "checkpoint.pt", "log.csv", "model"
_WEIGHTING_SAMPLES = 200


def train(path: Path, out: Path, resume: bool = False, force: bool = False) -> Path:
    """Trains as the recipe says and returns the folder of the best model.

    Writes below `out`: `data/` (rendered scenes), `checkpoint.pt`, `log.csv` (step, seconds,
    loss, validation mIoU) and `model/`. With resume=True an interrupted training goes on exactly
    where its last checkpoint stood.
    Raises RecipeError, InputError and OutputError in words.
    """
    recipe = load_recipe(path)
    if not resume:
        claim_output(out, force)
        with disk_errors(out):
            (out / LOG).unlink(missing_ok=True)
    training = _Training(recipe, path, out, Console())
    if resume:
        restore(training.state, out / CHECKPOINT)
    else:
        training.import_start()
    training.fix_clip(tuned=resume)
    return training.run()


def union_of(recipe: Recipe, path: Path, data: FolderDataset) -> Membership | None:
    """How the samples' classes lie in the union that the model answers over; None without one.

    Raises LabelError for a set that cannot be used, and RecipeError where it is not the samples'.
    """
    if recipe.label_set is None:
        return None
    beside = path.parent / recipe.label_set
    member = load_membership(beside if beside.is_file() else recipe.label_set)
    if member.label_set.names != data.label_set.names:
        raise RecipeError(
            f"{path.name}: label_set is '{member.label_set.name}', but {data.folder} has the "
            f"classes of '{data.label_set.name}'; name the samples' own set."
        )
    return member


def class_weights(data: FolderDataset, power: float) -> torch.Tensor:
    """(classes,) float32 loss weights, frequency to minus `power`; mean 1 over the pixels.

    Frequencies come from about 200 evenly spaced samples.
    """
    counts = np.ones(len(data.label_set))
    for index in range(0, len(data), max(1, len(data) // _WEIGHTING_SAMPLES)):
        labels = data[index].labels
        counts += np.bincount(labels[labels != UNLABELLED], minlength=len(counts))
    share = counts / counts.sum()
    weight = share**-power
    return torch.tensor(weight / (weight * share).sum(), dtype=torch.float32)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of that step, counted from 0: linear warm-up, then polynomial decay to 0."""
    o = recipe.optimiser
    if step < o.warm_up:
        return o.learning_rate * (step + 1) / o.warm_up
    left = 1 - (step - o.warm_up) / max(1, o.steps - o.warm_up)
    return float(o.learning_rate * max(left, 0.0) ** o.power)


class _Training:
    def __init__(self, recipe: Recipe, path: Path, out: Path, console: Console) -> None:
        self._recipe, self._path, self._out, self._console = recipe, path, out, console
        self._data = self._samples(recipe.data.train, "train")
        self._held_out = self._samples(recipe.data.validation, "validation")
        self._active = union_of(recipe, path, self._data)
        self._label_set = self._active.unified if self._active else self._data.label_set
        if len(self._label_set) != recipe.model.num_classes:
            raise RecipeError(
                f"{path.name}: model.num_classes is {recipe.model.num_classes}, but label set "
                f"'{self._label_set.name}' has {len(self._label_set)} classes; make them equal."
            )
        self._preprocessing = Preprocessing(short_side=recipe.short_side)
        self._batches = TrainingBatches(
            self._data, recipe.augment, self._preprocessing, recipe.seed
        )
        self._weights = class_weights(self._data, recipe.optimiser.class_balance)
        self._use_x = recipe.augment.x_dropout < 1.0
        self.state: TrainingState = fresh_state(recipe)

    def import_start(self) -> None:
        """Fills the model from the checkpoint that the recipe starts from, and says what came."""
        if self._recipe.start_from is None:
            return
        checkpoint = (self._path.parent / self._recipe.start_from).resolve()
        report = import_weights(self.state.model, checkpoint)
        self.state.averaged.load_state_dict(self.state.model.state_dict())
        self._console.print(report.text(), markup=False, highlight=False)

    def fix_clip(self, tuned: bool) -> None:
        """Tunes MA-CLIP's tower where the recipe asks for it and it is not, and keeps it fixed."""
        stage = self._recipe.clip_tuning
        if stage is None:
            return
        models = (self.state.model, self.state.averaged)
        clips = [model.ma_clip for model in models if model.ma_clip is not None]
        if not tuned:
            with self._progress() as bar:
                task = bar.add_task("tuning clip", total=stage.steps, note="")

                def show(step: int, loss: float) -> None:
                    bar.update(task, completed=step, note=f"loss {loss:.3f}")

                parent = self._path.parent
                tune_towers(self._recipe, parent, self._data, self._preprocessing, clips, show)
        for clip in clips:
            clip.freeze()

    def run(self) -> Path:
        """All steps that are left."""
        state, steps = self.state, self._recipe.optimiser.steps
        before, started = state.seconds, time.monotonic()
        with self._progress() as bar:
            task = bar.add_task("training", total=steps, note="", completed=state.step)
            try:
                while state.step < steps:
                    loss = self._step()
                    note = f"loss {loss:.3f} best {state.best:.3f}"
                    bar.update(task, completed=state.step, note=note)
                    state.seconds = before + time.monotonic() - started
                    if state.step % self._recipe.optimiser.validate_every == 0:
                        self._validate(loss)
            except KeyboardInterrupt:
                save_checkpoint(state, self._out / CHECKPOINT)
                self._console.print(f"Stopped at step {state.step}; go on with --resume.")
                raise
            if steps % self._recipe.optimiser.validate_every:
                self._validate(loss)
        self._console.print(f"Best validation mIoU {state.best:.3f}.")
        return self._out / MODEL

    def _step(self) -> float:
        state, recipe = self.state, self._recipe
        batch = self._batches.batch(state.step, recipe.optimiser.batch)
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, state.step)
        state.model.train()
        logits = state.model(batch.rgb, batch.x, self._data.modality, batch.present)
        if self._active is not None:
            logits = active_logits(logits, self._active)
        loss = F.cross_entropy(logits, batch.labels, self._weights, ignore_index=UNLABELLED)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise SegRgbxError(
                f"The loss is {value} at step {state.step}; lower optimiser.learning_rate and "
                "resume from the last checkpoint."
            )
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        limit = recipe.optimiser.gradient_clip
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), limit)
        state.optimiser.step()
        state.average.update_parameters(state.model)
        state.step += 1
        return value

    def _validate(self, loss: float) -> None:
        """Scores the averaged weights, keeps them where they are the best, and checkpoints."""
        state = self.state
        loaded = LoadedModel(state.averaged, self._card())
        segmenter = Segmenter(loaded, "cpu", label_set=self._active)
        miou = evaluate(segmenter, self._held_out, self._use_x).overall.miou or 0.0
        self._console.print(f"step {state.step}: loss {loss:.3f}, validation mIoU {miou:.3f}")
        with disk_errors(self._out), (self._out / LOG).open("a") as file:
            file.write(f"{state.step},{state.seconds:.0f},{loss:.4f},{miou:.4f}\n")
        if miou > state.best:
            state.best = miou
            save_model(self._out / MODEL, state.averaged, self._card())
        save_checkpoint(state, self._out / CHECKPOINT)

    def _card(self) -> ModelCard:
        recipe, state = self._recipe, self.state
        provenance: dict[str, str | int | float] = {
            "recipe": self._path.name,
            "seed": recipe.seed,
            "samples": len(self._data),
            "step": state.step,
            "steps": recipe.optimiser.steps,
            "batch": recipe.optimiser.batch,
            "validation_miou": round(state.best, 4),
            "hours": round(state.seconds / 3600, 2),
            "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
            "segrgbx": version(),
            "torch": str(torch.__version__),
        }
        return ModelCard(
            name=recipe.name,
            description=recipe.description,
            architecture=state.model.config,
            modalities=(self._data.modality,) if self._use_x else (),
            label_set=self._label_set,
            preprocessing=self._preprocessing,
            training=provenance,
            license=recipe.license,
        )

    def _samples(self, source: Source, name: str) -> FolderDataset:
        if source.folder is not None:
            return FolderDataset((self._path.parent / source.folder).resolve())
        scenes, place = source.scenes, self._out / "data" / name
        assert scenes is not None
        settings = DriveSettings(
            modality=scenes.modality,
            width=scenes.width,
            height=scenes.height,
            seed=scenes.first_seed,
            conditions=scenes.conditions,
        )
        with self._progress() as bar:
            task = bar.add_task(f"rendering {name}", total=scenes.count, note="")
            render_stills(place, settings, scenes.count, lambda: bar.advance(task))
        return FolderDataset(place)

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
        )
