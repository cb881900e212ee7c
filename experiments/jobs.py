# SPDX-License-Identifier: Apache-2.0
"""The jobs of a plan: `segrgbx` commands, each with the jobs it needs first."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from experiments.plan import DATA, QUESTIONS, SHIPPED, Plan, RealSet, Run, Streets, Tree, Video
from segrgbx_core.scenes import SCENES_VERSION
from segrgbx_core.training.recipe import Optimiser
from segrgbx_core.weights.card import load_card
from segrgbx_core.weights.pretrained import IMAGENET
from segrgbx_core.weights.store import model_folder

Kind = Literal["stills", "video", "train", "score", "rgb", "worse", "late"]
OUT = "{out}"
PARTS = ("train", "validation", "test")


def folder_of(dataset: str) -> str:
    """Stands for a real dataset's folder in arguments and recipes."""
    return f"{{{dataset}}}"


@dataclass(frozen=True)
class Job:
    """One command. arguments: of `segrgbx`, with OUT and `folder_of` for the folders. makes: its
    result folder, below the output folder. needs: names of jobs. cost: expected CPU seconds. run,
    seed, sensor: those the job belongs to, where it belongs to a run. recipe: of a training, with
    the same folders. whole: uses all cores alone. real: the real dataset that it needs. start:
    the SHA-256 of the shipped weights that a training starts from. lists: by real dataset, the
    files of its splits, where the job or one that it needs reads it."""

    name: str
    kind: Kind
    question: str
    arguments: tuple[str, ...]
    makes: str
    needs: tuple[str, ...]
    cost: float
    run: str | None = None
    seed: int | None = None
    sensor: str | None = None
    recipe: Tree | None = None
    whole: bool = False
    real: str | None = None
    start: str | None = None
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def jobs_of(plan: Plan) -> tuple[Job, ...]:
    """All jobs, the most urgent first: by question, then by seed."""
    jobs = list(_data(plan))
    for question in QUESTIONS:
        if any("worse" in run.scores for run in plan.runs) and question == "faults":
            jobs += _videos(plan)
        seeds = sorted({seed for run in plan.runs for seed in run.seeds})
        for seed in seeds:
            for run in plan.runs:
                if run.question == question and seed in run.seeds:
                    jobs += _trained(plan, run, seed)
                if question == "faults" and "worse" in run.scores and seed in run.seeds:
                    jobs += _worse(plan, run, seed)
    return tuple(_with_lists(plan, jobs))


def keys_of(jobs: tuple[Job, ...]) -> dict[str, str]:
    """For each job, a hash of everything its result depends on: the command, the recipe, the
    version of the scenes, the shipped weights it starts from, and the keys of the jobs it
    needs."""
    keys: dict[str, str] = {}
    for job in jobs:
        needed = [keys[name] for name in job.needs]
        shipped = [job.start] if job.start else []
        parts = [job.arguments, job.recipe, needed, SCENES_VERSION, *shipped]
        keys[job.name] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return keys


def _with_lists(plan: Plan, jobs: Sequence[Job]) -> Iterator[Job]:
    """The jobs with their lists; those that a job needs come before it."""
    known: dict[str, dict[str, tuple[str, ...]]] = {}
    for job in jobs:
        lists: dict[str, tuple[str, ...]] = {}
        for name in job.needs:
            lists |= known[name]
        if job.real is not None:
            splits = dict.fromkeys(plan.real[job.real].splits.values())
            lists[job.real] = tuple(f"{split}.txt" for split in splits)
        known[job.name] = lists
        yield replace(job, lists=lists)


def title(run: str, seed: int) -> str:
    """The name of a run with one seed, in folders and tables."""
    return f"{run}_s{seed}"


def _data(plan: Plan) -> Iterator[Job]:
    scenes = plan.scenes
    for part in PARTS:
        streets: Streets = getattr(scenes, part)
        for sensor in scenes.sensors:
            count = ("--streets", str(streets.count))
            conditions = ("--conditions", ",".join(scenes.conditions))
            yield Job(
                f"data/{part}/{sensor}",
                "stills",
                DATA,
                _scenes(plan, part, streets, sensor, (*count, *conditions)),
                f"data/{part}/{sensor}",
                (),
                plan.costs.start + streets.count * plan.costs.still,
                sensor=sensor,
                whole=True,
            )


def _videos(plan: Plan) -> Iterator[Job]:
    video = plan.scenes.video
    for sensor in plan.scenes.sensors:
        length = ("--seconds", f"{video.seconds:g}", "--rate", f"{video.rate:g}")
        yield Job(
            f"data/video/{sensor}",
            "video",
            "faults",
            _scenes(plan, "video", video, sensor, length),
            f"data/video/{sensor}",
            (),
            plan.costs.start + video.seconds * video.rate * plan.costs.frame,
            sensor=sensor,
        )


def _scenes(
    plan: Plan, part: str, of: Streets | Video, sensor: str, rest: tuple[str, ...]
) -> tuple[str, ...]:
    scenes = plan.scenes
    return (
        *("scenes", f"{OUT}/data/{part}/{sensor}", "--format", "dataset", "--modality", sensor),
        *("--size", f"{scenes.width}x{scenes.height}", "--seed", str(scenes.seed(of, sensor))),
        *rest,
    )


def _trained(plan: Plan, run: Run, seed: int) -> Iterator[Job]:
    """The training, and its scores with X and of RGB alone."""
    name, real = title(run.name, seed), run.dataset
    recipe = _recipe(plan, run, seed)
    yield Job(
        f"train/{name}",
        "train",
        run.question,
        ("train", f"{OUT}/recipes/{name}.yaml", "--out", f"{OUT}/runs/{name}"),
        f"runs/{name}",
        _before(plan, run),
        _training_cost(plan, run, recipe),
        run=run.name,
        seed=seed,
        recipe=recipe,
        real=real,
        start=_shipped_start(run),
    )
    if "x" in run.scores:
        for sensor in run.sensors:
            yield _scored(plan, run, seed, sensor, "score")
    if "rgb" in run.scores:
        # One sensor's streets suffice: the RGB images and labels are the same for all sensors.
        yield _scored(plan, run, seed, run.sensors[0], "rgb")


def _scored(plan: Plan, run: Run, seed: int, sensor: str, kind: Literal["score", "rgb"]) -> Job:
    name = title(run.name, seed)
    place = f"scores/{name}/{sensor if kind == 'score' else 'rgb'}"
    data, needs = _scored_on(plan, run, "test", sensor)
    # A model of RGB alone reads no X and needs no flag.
    alone = ("--without-x",) if kind == "rgb" and _reads_x(run) else ()
    return Job(
        place,
        kind,
        run.question,
        (
            *("evaluate", *data, "--model", f"{OUT}/runs/{name}/model", *alone),
            *("--worst", "0", "--out", f"{OUT}/{place}"),
        ),
        place,
        (f"train/{name}", *needs),
        plan.costs.start + _pass(plan, run, "test"),
        run=run.name,
        seed=seed,
        sensor=sensor,
        real=run.dataset,
    )


def _scored_on(
    plan: Plan, run: Run, part: str, sensor: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The arguments that name the data, and the jobs that make them."""
    if run.dataset is None:
        return (f"{OUT}/data/{part}/{sensor}",), (f"data/{part}/{sensor}",)
    real = plan.real[run.dataset]
    scale = () if real.depth_scale is None else ("--depth-scale", f"{real.depth_scale:g}")
    split = ("--dataset", run.dataset, "--split", real.splits[part])
    return (folder_of(run.dataset), *split, *scale), ()


def _pass(plan: Plan, run: Run, part: str) -> float:
    """CPU seconds to segment all frames once."""
    if run.dataset is not None:
        return plan.real[run.dataset].frames[part] * plan.costs.real_pass
    streets: Streets = getattr(plan.scenes, part)
    sensors = len(run.sensors) if part == "validation" else 1
    return streets.count * sensors * plan.costs.frame_pass


def _worse(plan: Plan, run: Run, seed: int) -> Iterator[Job]:
    """X missing, noisy and shifted on the test data, and late on the scenes' videos."""
    d, scenes = plan.degrade, plan.scenes
    stills = {"drop": d.drop, "noise": d.noise, "shift": d.shift}
    for sensor in run.sensors:
        test = _scored_on(plan, run, "test", sensor)
        yield _degraded(run, seed, sensor, "worse", test, stills, plan, _pass(plan, run, "test"))
        if run.dataset is None:
            video = _scored_on(plan, run, "video", sensor)
            frames = scenes.video.seconds * scenes.video.rate * plan.costs.frame_pass
            yield _degraded(run, seed, sensor, "late", video, {"delay": d.delay}, plan, frames)


def _degraded(
    run: Run,
    seed: int,
    sensor: str,
    kind: Literal["worse", "late"],
    on: tuple[tuple[str, ...], tuple[str, ...]],
    levels: Mapping[str, tuple[float, ...]],
    plan: Plan,
    one_pass: float,
) -> Job:
    name = title(run.name, seed)
    place = f"{kind}/{name}/{sensor}"
    asked = [f"{k}={','.join(f'{v:g}' for v in given)}" for k, given in levels.items()]
    # Level 0 of all curves is the same clean score; RGB alone is one more pass.
    passes = 2 + sum(len(given) - 1 for given in levels.values())
    data, needs = on
    return Job(
        place,
        kind,
        "faults",
        (
            *("evaluate", *data, "--model", f"{OUT}/runs/{name}/model"),
            *(word for one in asked for word in ("--degrade", one)),
            *("--worst", "0", "--out", f"{OUT}/{place}"),
        ),
        place,
        (f"train/{name}", *needs),
        plan.costs.start + passes * one_pass,
        run=run.name,
        seed=seed,
        sensor=sensor,
        real=run.dataset,
    )


def _before(plan: Plan, run: Run) -> tuple[str, ...]:
    data = [] if run.dataset else [f"data/{p}/{s}" for p in PARTS[:2] for s in run.sensors]
    start = _start_run(plan, run)
    return (*data, *([] if start is None else [f"train/{start}"]))


def _start_run(plan: Plan, run: Run) -> str | None:
    """Run and seed whose model is the start; None where it is not a run's."""
    start = run.start_from
    if start is None or start == IMAGENET or start.startswith(SHIPPED):
        return None
    return title(start, plan.run(start).seeds[0])


def _shipped_start(run: Run) -> str | None:
    """SHA-256 of the shipped weights that are the start; None where it is no shipped model."""
    if run.start_from is None or not run.start_from.startswith(SHIPPED):
        return None
    weights = load_card(model_folder(run.start_from.removeprefix(SHIPPED))).weights
    return None if weights is None else weights.sha256


def _recipe(plan: Plan, run: Run, seed: int) -> Tree:
    """The complete recipe as in YAML, with paths that start from OUT and `folder_of`."""
    recipe = dict(run.recipe)
    data, model = _below(recipe, "data"), _below(recipe, "model")
    sources: dict[str, object]
    if run.dataset is None:
        sources = {
            part: [{"folder": f"{OUT}/data/{part}/{s}"} for s in run.sensors] for part in PARTS[:2]
        }
    else:
        sources = {
            part: [_source(plan.real[run.dataset], run.dataset, part)] for part in PARTS[:2]
        }
    first = _start_run(plan, run)
    start = {} if run.start_from is None else {"start_from": run.start_from}
    if first is not None:
        start = {"start_from": f"{OUT}/runs/{first}/model"}
    return {
        "name": title(run.name, seed),
        **{key: value for key, value in recipe.items() if key not in ("data", "model")},
        "seed": seed,
        **start,
        "model": {**model, "modalities": list(run.sensors)},
        "data": {**sources, **data},
    }


def _source(real: RealSet, name: str, part: str) -> Tree:
    scale = {} if real.depth_scale is None else {"depth_scale": real.depth_scale}
    return {"dataset": name, "folder": folder_of(name), "split": real.splits[part], **scale}


def _training_cost(plan: Plan, run: Run, recipe: Tree) -> float:
    costs, optimiser = plan.costs, _below(recipe, "optimiser")
    steps, every = _number(optimiser, "steps"), _number(optimiser, "validate_every")
    every = every or Optimiser.validate_every
    crop = _below(recipe, "augment").get("crop")
    height, width = map(float, crop if isinstance(crop, (list, tuple)) else (192, 256))
    work = steps * costs.step * height * width / 1000
    return costs.start + work + -(-steps // every) * _pass(plan, run, "validation")


def _reads_x(run: Run) -> bool:
    return _below(run.recipe, "augment").get("x_dropout") != 1.0


def _below(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    return value if isinstance(value, Mapping) else {}


def _number(tree: Tree, key: str) -> int:
    value = tree.get(key)
    return value if isinstance(value, int) else 0
