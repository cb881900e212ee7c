# SPDX-License-Identifier: Apache-2.0
"""A recipe made ready: samples opened, model built, and what takes a step put together."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import TaskID

from segrgbx_core.errors import RecipeError
from segrgbx_core.model import ModelCard, continue_from, import_weights
from segrgbx_core.model.placement import choose_precision
from segrgbx_core.model.preprocessing import Preprocessing
from segrgbx_core.resources import version
from segrgbx_core.training.augment import TrainingBatches, mixture_of
from segrgbx_core.training.clip_stage import tune_towers
from segrgbx_core.training.mixture import shares_of
from segrgbx_core.training.objective import Objective
from segrgbx_core.training.progress import progress
from segrgbx_core.training.ranks import Ranks
from segrgbx_core.training.recipe import Recipe, Source
from segrgbx_core.training.sources import (
    LabelledSource,
    open_sources,
    render,
    scenes_folders,
)
from segrgbx_core.training.state import TrainingState, fresh_state
from segrgbx_core.training.step import Stepper


@dataclass(frozen=True)
class Place:
    """Where a training runs. out: its folder; ranks: the processes that share it."""

    out: Path
    device: torch.device
    ranks: Ranks
    console: Console


class TrainingParts:
    """All that a recipe's training consists of, before its first step.

    Renders the scenes that are not there yet. Raises RecipeError, LabelError, InputError and
    ModelError for a recipe that cannot be trained.
    """

    def __init__(self, recipe: Recipe, path: Path, place: Place) -> None:
        self.recipe, self.path, self.place = recipe, path, place
        data = recipe.data
        self.sources = self._opened(data.train, "train")
        self.held_out = self._opened(data.validation, "validation")
        self._check()
        self.preprocessing = Preprocessing(short_side=recipe.short_side)
        samples = [source.samples for source in self.sources]
        mixture = mixture_of(samples, data, recipe.seed)
        self.batches = TrainingBatches(
            samples, mixture, recipe.augment, self.preprocessing, recipe.seed
        )
        o, device = recipe.optimiser, place.device
        shares = shares_of([len(s) for s in samples], data.size_power)
        objective = Objective(self.sources, shares, o.class_balance, o.ohem, device)
        self.use_x = recipe.augment.x_dropout < 1.0
        self._clip_started = False
        precision = choose_precision(o.precision, device)
        self.state: TrainingState = fresh_state(recipe, device, precision == "fp16")
        self.stepper = Stepper(
            recipe, self.state, objective, place.ranks, device, precision, place.out
        )

    def _opened(self, sources: tuple[Source, ...], name: str) -> list[LabelledSource]:
        below = self.place.out / "data" / name
        if self.place.ranks.first:
            self._render(sources, name, below)
        self.place.ranks.wait()
        return open_sources(self.recipe, self.path, sources, below)

    def _render(self, sources: tuple[Source, ...], name: str, below: Path) -> None:
        folders = scenes_folders(sources, below)
        with progress(self.place.console) as bar:
            for source, folder in zip(sources, folders, strict=True):
                if source.scenes is None or folder is None:
                    continue
                which = name if len(sources) == 1 else f"{name} {source.scenes.modality}"
                task = bar.add_task(f"rendering {which}", total=source.scenes.count, note="")

                def advance(task: TaskID = task) -> None:
                    bar.advance(task)

                folder.parent.mkdir(parents=True, exist_ok=True)
                render(folder, source.scenes, advance)

    def _check(self) -> None:
        if self.held_out[0].answers.names != self.sources[0].answers.names:
            raise RecipeError(
                f"{self.path.name}: validation has the classes of "
                f"'{self.held_out[0].answers.name}', but training those of "
                f"'{self.sources[0].answers.name}'; give both the same."
            )
        known = set(self.modalities)
        untaught = sorted({s.samples.modality for s in self.held_out} - known)
        if untaught:
            raise RecipeError(
                f"{self.path.name}: validation has {', '.join(untaught)}, which no training "
                "source has; add one, or leave it out."
            )
        o, world = self.recipe.optimiser, self.place.ranks.world
        if o.batch < world * o.accumulate:
            raise RecipeError(
                f"{self.path.name}: optimiser.batch is {o.batch} over {world} process(es) of "
                f"{o.accumulate} part(s) each; give at least {world * o.accumulate}."
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """The sensors that are trained, in the recipe's order."""
        return tuple(dict.fromkeys(source.samples.modality for source in self.sources))

    def import_start(self) -> None:
        """Fills the model from the checkpoint that the recipe starts from, and says what came."""
        if self.recipe.start_from is None:
            return
        start = (self.path.parent / self.recipe.start_from).resolve()
        if start.is_dir():
            report = continue_from(self.state.model, self.sources[0].answers.names, start)
            self._clip_started = not any(n.startswith("ma_clip.visual.") for n in report.missing)
        else:
            report = import_weights(self.state.model, start)
        self.state.averaged.load_state_dict(self.state.model.state_dict())
        self.place.console.print(report.text(), markup=False, highlight=False)

    def fix_clip(self, tuned: bool) -> None:
        """Tunes MA-CLIP's tower where the recipe asks for it and it is not, and keeps it fixed."""
        stage = self.recipe.clip_tuning
        if stage is None:
            return
        models = (self.state.model, self.state.averaged)
        clips = [model.ma_clip for model in models if model.ma_clip is not None]
        if not tuned and self.place.ranks.first:
            with progress(self.place.console) as bar:
                task = bar.add_task("tuning clip", total=stage.steps, note="")

                def show(step: int, loss: float) -> None:
                    bar.update(task, completed=step, note=f"loss {loss:.3f}")

                tune_towers(
                    self.recipe,
                    self.path.parent,
                    [source.samples for source in self.sources],
                    self.preprocessing,
                    clips,
                    show,
                    self._clip_started,
                )
        for clip in clips:
            self.place.ranks.share_first(clip)
            clip.freeze()

    def card(self) -> ModelCard:
        """The card of the averaged weights as they are."""
        recipe, state = self.recipe, self.state
        provenance: dict[str, str | int | float] = {
            "recipe": self.path.name,
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
        )


def _hardware(place: Place) -> str:
    if place.device.type == "cuda":
        return f"{place.ranks.world} x {torch.cuda.get_device_name(place.device)}"
    text = f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
    return text if place.ranks.world == 1 else f"{text} in each of {place.ranks.world} processes"
