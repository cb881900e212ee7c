# SPDX-License-Identifier: Apache-2.0
"""Prepare a recipe's training: open the samples, build the model and the stepper."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import TaskID

from segrgbx_core.console import lines
from segrgbx_core.errors import RecipeError, memory_errors
from segrgbx_core.files.disk import disk_errors
from segrgbx_core.files.resources import version
from segrgbx_core.modality import NO_X
from segrgbx_core.model.ma_clip import MaClip
from segrgbx_core.model.placement import choose_precision
from segrgbx_core.model.presets import preprocessing_for
from segrgbx_core.training.augment import TrainingBatches, mixture_of
from segrgbx_core.training.board import training_progress
from segrgbx_core.training.clip.stage import tune_towers
from segrgbx_core.training.mixture import shares_of
from segrgbx_core.training.objective import Objective
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import ClipStage, RecipeFile, Source
from segrgbx_core.training.sources import (
    LabelledSource,
    doubts_about_labels,
    open_sources,
    render_scenes,
    scenes_folders,
)
from segrgbx_core.training.start import fill_from_start
from segrgbx_core.training.state import TrainingState, fresh_state
from segrgbx_core.training.step import Stepper
from segrgbx_core.weights.card import ModelCard

DATA = "data"


@dataclass(frozen=True)
class TrainingContext:
    """Where a training runs.

    out: its folder. ranks: the processes that share it. trial: the folder is temporary, and the
    user does not see it.
    """

    out: Path
    device: torch.device
    ranks: Ranks
    console: Console
    trial: bool = False


class TrainingParts:
    """The parts of a recipe's training, before its first step.

    Renders missing scenes. Raises RecipeError, LabelError, InputError and ModelError for a recipe
    that cannot be trained.
    """

    def __init__(self, file: RecipeFile, place: TrainingContext) -> None:
        self.file, self.recipe, self.place = file, file.recipe, place
        recipe = file.recipe
        self._check_batch()
        data = recipe.data
        self.sources = self._opened(data.train, "train")
        self.held_out = self._opened(data.validation, "validation")
        self.tested = self._opened(data.test, "test") if data.test else []
        self._check()
        self.doubts = doubts_about_labels(self.sources)
        self.preprocessing = preprocessing_for(recipe.model.preset, recipe.short_side)
        samples = [source.samples for source in self.sources]
        mixture = mixture_of(samples, data, recipe.seed)
        self.batches = TrainingBatches(
            samples,
            mixture,
            recipe.augment,
            self.preprocessing,
            recipe.seed,
            recipe.optimiser.steps,
        )
        o, device = recipe.optimiser, place.device
        shares = shares_of([len(s) for s in samples], data.size_power)
        self.use_x = recipe.augment.uses_x and bool(self.modalities)
        self._clip_started = False
        precision = choose_precision(o.precision, device)
        less = "with this model; choose a smaller model.preset, or another --device"
        with memory_errors("before the first step", less):
            objective = Objective(self.sources, shares, o.class_balance, o.ohem, device)
            self.state: TrainingState = fresh_state(recipe, device, precision == "fp16")
            out = None if place.trial else place.out
            self.stepper = Stepper(
                recipe,
                self.state,
                objective,
                place.ranks,
                device=device,
                precision=precision,
                out=out,
            )

    def _opened(self, sources: tuple[Source, ...], name: str) -> list[LabelledSource]:
        below = self.place.out / DATA / name
        self.place.ranks.first_does(lambda: self._render(sources, name, below))
        return open_sources(self.file, sources, below)

    def _render(self, sources: tuple[Source, ...], name: str, below: Path) -> None:
        folders = scenes_folders(sources, below)
        with training_progress(self.place.console) as bar:
            for source, folder in zip(sources, folders, strict=True):
                if source.scenes is None or folder is None:
                    continue
                which = name if len(sources) == 1 else f"{name} {source.scenes.modality}"
                task = bar.add_task(f"rendering {which}", total=source.scenes.count, note="")

                def advance(task: TaskID = task) -> None:
                    bar.advance(task)

                with disk_errors(folder):
                    folder.parent.mkdir(parents=True, exist_ok=True)
                render_scenes(folder, source.scenes, advance)

    def _check(self) -> None:
        if self.recipe.clip_tuning is not None and not self.modalities:
            raise RecipeError(
                f"{self.file.name}: clip_tuning needs a source with X, but all are of RGB alone; "
                "add one, or leave clip_tuning out."
            )
        for name, sources in (("validation", self.held_out), ("test", self.tested)):
            self._check_scored(name, sources)

    def _check_batch(self) -> None:
        o, world = self.recipe.optimiser, self.place.ranks.world
        if o.batch < world * o.accumulate:
            raise RecipeError(
                f"{self.file.name}: optimiser.batch is {o.batch} over {world} process(es) of "
                f"{o.accumulate} part(s) each; give at least {world * o.accumulate}."
            )

    def _check_scored(self, name: str, sources: list[LabelledSource]) -> None:
        own = self.sources[0].answers
        other = next((s.answers for s in sources if s.answers.names != own.names), None)
        if other is not None:
            raise RecipeError(
                f"{self.file.name}: {name} has the classes of '{other.name}', but training has "
                f"those of '{own.name}'; give both the same."
            )
        untaught = sorted({s.samples.modality for s in sources} - {*self.modalities, NO_X})
        if untaught:
            raise RecipeError(
                f"{self.file.name}: {name} has {', '.join(untaught)}, which no training source "
                "has; add one, or leave it out."
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """The trained sensors, in the recipe's order."""
        names = dict.fromkeys(source.samples.modality for source in self.sources)
        return tuple(name for name in names if name != NO_X)

    def import_start(self) -> None:
        """Fills the model from the recipe's `start_from`, and reports what was loaded."""
        names = self.sources[0].answers.names
        report = fill_from_start(self.state.model, names, self.file)
        if report is None:
            return
        self._clip_started = not any(n.startswith("ma_clip.visual.") for n in report.missing)
        self.state.averaged.load_state_dict(self.state.model.state_dict())
        self.state.averaged.set_norm_epsilons(self.state.model.config.norm_epsilons)
        self.place.console.print(lines(*report.text().splitlines()))

    def fix_clip(self, tuned: bool) -> None:
        """Tunes MA-CLIP's tower if the recipe says so and it is not tuned yet, then freezes it."""
        stage = self.recipe.clip_tuning
        if stage is None:
            return
        models = (self.state.model, self.state.averaged)
        clips = [model.ma_clip for model in models if model.ma_clip is not None]
        if not tuned:
            self.place.ranks.first_does(lambda: self._tune(clips, stage))
        for clip in clips:
            self.place.ranks.share_first(clip)
        self.freeze_clip()

    def freeze_clip(self) -> None:
        """Freezes MA-CLIP's tower if the recipe tunes it beforehand."""
        if self.recipe.clip_tuning is None:
            return
        for model in (self.state.model, self.state.averaged):
            if model.ma_clip is not None:
                model.ma_clip.freeze()

    def _tune(self, clips: list[MaClip], stage: ClipStage) -> None:
        with training_progress(self.place.console) as bar:
            task = bar.add_task("tuning clip", total=stage.steps, note="")

            def show(step: int, loss: float) -> None:
                bar.update(task, completed=step, note=f"loss {loss:.3f}")

            way_out = f"with clip_tuning.batch {stage.batch}; lower it, and begin again"
            with memory_errors("tuning MA-CLIP", way_out):
                tune_towers(
                    self.recipe,
                    self.file.folder,
                    [s.samples for s in self.sources if s.samples.modality != NO_X],
                    self.preprocessing,
                    clips,
                    on_step=show,
                    started=self._clip_started,
                )

    def card(self) -> ModelCard:
        """The card of the current averaged weights."""
        recipe, state = self.recipe, self.state
        provenance: dict[str, str | int | float] = {
            "recipe": self.file.name,
            "seed": recipe.seed,
            "samples": sum(len(source.samples) for source in self.sources),
            "step": state.step,
            "steps": recipe.optimiser.steps,
            "batch": recipe.optimiser.batch,
            "validation_miou": round(state.best, 4),
            "hours": round(state.seconds / 3600, 2),
            "hardware": _hardware(self.place),
            "segrgbx": version(),
            "torch": str(torch.__version__),
        }
        if recipe.start_from is not None:
            provenance["start_from"] = recipe.start_from
        return ModelCard(
            name=recipe.name,
            description=recipe.description,
            architecture=state.model.config,
            modalities=self.modalities if self.use_x else (),
            label_set=self.sources[0].answers,
            preprocessing=self.preprocessing,
            training=provenance,
            license=recipe.license,
            limits=recipe.limits,
        )


def _hardware(place: TrainingContext) -> str:
    if place.device.type == "cuda":
        return f"{place.ranks.world} x {torch.cuda.get_device_name(place.device)}"
    text = f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
    return text if place.ranks.world == 1 else f"{text} in each of {place.ranks.world} processes"
