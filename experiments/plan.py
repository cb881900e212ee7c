# SPDX-License-Identifier: Apache-2.0
"""The plan: the trainings, their starts, and the data they are scored on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segrgbx_core.errors import RecipeError
from segrgbx_core.files.fields import filled
from segrgbx_core.files.yaml import read_yaml
from segrgbx_core.weights.pretrained import IMAGENET
from segrgbx_core.weights.store import shipped_models

PLAN = Path(__file__).with_name("plan.yaml")
DATA = "data"
QUESTIONS = (DATA, "nyu", "mfnet", "sensors", "parts", "faults")
SCORES = ("x", "rgb", "worse")
# Before the name of a shipped model, where a run starts from one.
SHIPPED = "models/"

Tree = Mapping[str, object]


@dataclass(frozen=True)
class Streets:
    """Stills of `count` streets per sensor; the next sensor's seeds begin `apart` later."""

    count: int
    first_seed: int
    apart: int


@dataclass(frozen=True)
class Video:
    """One drive per sensor, in seconds and frames per second."""

    seconds: float
    rate: float
    first_seed: int
    apart: int


@dataclass(frozen=True)
class Scenes:
    """The scenes to render. width, height: in pixels."""

    width: int
    height: int
    conditions: tuple[str, ...]
    sensors: tuple[str, ...]
    train: Streets
    validation: Streets
    test: Streets
    video: Video

    def seed(self, of: Streets | Video, sensor: str) -> int:
        """Seed of the sensor's first street."""
        return of.first_seed + of.apart * self.sensors.index(sensor)


@dataclass(frozen=True)
class RealSet:
    """A published dataset, whose folder the user names. sensor: its X. splits: those used for
    train, validation and test. frames: their number in validation and test. depth_scale: as in
    `segrgbx data`."""

    sensor: str
    splits: Mapping[str, str]
    frames: Mapping[str, int]
    depth_scale: float | None = None


@dataclass(frozen=True)
class Costs:
    """CPU seconds of a still, a video frame, a training step for each 1000 pixels of a crop, the
    segmentation of one frame of the scenes (`frame_pass`) or of a real set (`real_pass`), and the
    start of a command."""

    still: float
    frame: float
    step: float
    frame_pass: float
    real_pass: float
    start: float


@dataclass(frozen=True)
class Degrade:
    """Levels of each kind of `segrgbx evaluate --degrade`."""

    drop: tuple[float, ...]
    noise: tuple[float, ...]
    shift: tuple[float, ...]
    delay: tuple[float, ...]


@dataclass(frozen=True)
class Budget:
    """Steps of the optimiser; without a budget a run has the plan's."""

    steps: int
    validate_every: int


@dataclass(frozen=True)
class _Facts:
    name: str
    about: str
    question: str
    seeds: tuple[int, ...] = (1, 2)
    scores: tuple[str, ...] = ("x",)
    sensors: tuple[str, ...] = ()
    dataset: str | None = None
    start_from: str | None = IMAGENET
    budget: Budget | None = None


@dataclass(frozen=True)
class Run:
    """One training, repeated with each seed. recipe: as in YAML, without name, seed, data and
    start. sensors: those it is trained on. scores: some of SCORES. dataset: the real dataset
    instead of the scenes. start_from: the run that provides the start, its first seed's model;
    SHIPPED and the name of a shipped model; IMAGENET, or None for new weights."""

    name: str
    about: str
    question: str
    seeds: tuple[int, ...]
    scores: tuple[str, ...]
    sensors: tuple[str, ...]
    dataset: str | None
    start_from: str | None
    recipe: Tree


@dataclass(frozen=True)
class Plan:
    """Everything that is trained and scored; runs in the order of their questions. content: as
    in YAML. rehearsed: reduced by `rehearsal`."""

    content: Tree
    scenes: Scenes
    real: Mapping[str, RealSet]
    degrade: Degrade
    costs: Costs
    runs: tuple[Run, ...]
    rehearsed: bool = False

    def run(self, name: str) -> Run:
        """The run of that name."""
        return next(run for run in self.runs if run.name == name)


def load_plan(path: Path = PLAN) -> Plan:
    """The plan in a YAML file. Raises RecipeError for an invalid plan."""
    if not path.is_file():
        raise RecipeError(f"Plan {path} was not found; the shipped one is {PLAN}.")
    content = read_yaml(path, RecipeError)
    wanted = ("scenes", "real", "degrade", "costs", "recipe", "runs")
    if not isinstance(content, dict) or sorted(content) != sorted(wanted):
        raise RecipeError(f"{path.name} is not a mapping with {', '.join(wanted)}.")
    scenes = filled(Scenes, content["scenes"], "scenes", RecipeError)
    real = {
        name: filled(RealSet, row, f"real.{name}", RecipeError)
        for name, row in _tree(content["real"], "real").items()
    }
    base = _tree(content["recipe"], "recipe")
    runs = content["runs"]
    if not isinstance(runs, list):
        raise RecipeError(f"{path.name} has runs of type {type(runs).__name__}; expected a list.")
    plan = Plan(
        content,
        scenes,
        real,
        filled(Degrade, content["degrade"], "degrade", RecipeError),
        filled(Costs, content["costs"], "costs", RecipeError),
        tuple(_run(row, base, scenes.sensors, real, f"runs[{i}]") for i, row in enumerate(runs)),
    )
    _check(plan, path.name)
    return plan


def rehearsal(plan: Plan) -> Plan:
    """The same runs, so small that all of them take minutes, to test the whole chain."""
    few, scenes = len(plan.scenes.conditions), plan.scenes
    return replace(
        plan,
        scenes=replace(
            scenes,
            train=replace(scenes.train, count=few),
            validation=replace(scenes.validation, count=2),
            test=replace(scenes.test, count=few),
            video=replace(scenes.video, seconds=1.0),
        ),
        runs=tuple(replace(run, recipe=_brief(run.recipe)) for run in plan.runs),
        rehearsed=True,
    )


def _brief(recipe: Tree) -> Tree:
    optimiser: Tree = {"steps": 2, "batch": 2, "validate_every": 2, "warm_up": 1}
    return _merged(recipe, {"optimiser": optimiser})


def _run(
    row: object,
    base: Tree,
    sensors: tuple[str, ...],
    real: Mapping[str, RealSet],
    place: str,
) -> Run:
    given = dict(_tree(row, place))
    change = _tree(given.pop("change", {}), f"{place}.change")
    facts = filled(_Facts, given, place, RecipeError)
    recipe = _merged(base, change)
    if facts.budget is not None:
        steps = {"steps": facts.budget.steps, "validate_every": facts.budget.validate_every}
        recipe = _merged(recipe, {"optimiser": steps})
    known = real.get(facts.dataset or "")
    return Run(
        facts.name,
        facts.about,
        facts.question,
        facts.seeds,
        facts.scores,
        facts.sensors or (sensors if known is None else (known.sensor,)),
        facts.dataset,
        facts.start_from,
        recipe,
    )


def _merged(base: Tree, change: Tree) -> Tree:
    """base with the values of change; mappings are merged key by key, None removes a key."""
    merged = dict(base)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = _merged(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _tree(value: object, place: str) -> Tree:
    if not isinstance(value, dict):
        raise RecipeError(f"{place} is {value!r}; expected a mapping.")
    return value


def _check(plan: Plan, place: str) -> None:
    names = [run.name for run in plan.runs]
    if len(set(names)) != len(names):
        raise RecipeError(f"{place} has two runs of one name; name each differently.")
    shipped = [SHIPPED + name for name in shipped_models()]
    for i, run in enumerate(plan.runs):
        at = f"{place}: run {run.name}"
        if run.start_from not in (None, IMAGENET, *shipped, *names[:i]):
            raise RecipeError(
                f"{at} starts from {run.start_from}, which is neither a run before it nor one of "
                f"{', '.join(shipped)}."
            )
        for word, value, known in (
            ("question", (run.question,), QUESTIONS),
            ("scores", run.scores, SCORES),
            ("sensors", run.sensors, plan.scenes.sensors),
            ("dataset", () if run.dataset is None else (run.dataset,), tuple(plan.real)),
        ):
            if set(value) - set(known):
                raise RecipeError(
                    f"{at} has {word} {', '.join(value)}; expected of {', '.join(known)}."
                )
        if not run.seeds:
            raise RecipeError(f"{at} has no seeds; give one or more.")
