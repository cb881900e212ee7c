# SPDX-License-Identifier: Apache-2.0
"""The jobs of a plan: `segrgbx` commands, each with the jobs it needs first."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from experiments.plan import QUESTIONS, START, Plan, Run, Streets, Tree, Video
from segrgbx_core.scenes import SCENES_VERSION

Kind = Literal["stills", "video", "train", "score", "rgb", "worse", "late"]
OUT, MFNET = "{out}", "{mfnet}"
PARTS = ("train", "validation", "test")
_MFNET_TEST, _MFNET_VALIDATION = 36, 24


@dataclass(frozen=True)
class Job:
    """One command. arguments: of `segrgbx`, with OUT and MFNET for the folders. makes: its result
    folder, below the output folder. needs: names of jobs. cost: expected CPU seconds. run, seed,
    sensor: those the job belongs to, where it belongs to a run. recipe: of a training, with OUT
    and MFNET. whole: uses all cores alone. real: needs the real MFNet part."""

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
    real: bool = False


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
    return tuple(jobs)


def keys_of(jobs: tuple[Job, ...]) -> dict[str, str]:
    """For each job, a hash of everything its result depends on: the command, the recipe, the
    version of the scenes, and the keys of the jobs it needs."""
    keys: dict[str, str] = {}
    for job in jobs:
        parts = [job.arguments, job.recipe, [keys[name] for name in job.needs], SCENES_VERSION]
        keys[job.name] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return keys


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
                START,
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
    name, real = title(run.name, seed), run.dataset is not None
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
    )
    if "x" in run.scores:
        for sensor in run.sensors:
            yield _scored(plan, run, seed, sensor, "score")
    if "rgb" in run.scores:
        # One sensor's streets suffice: the RGB images and labels are the same for all sensors.
        yield _scored(plan, run, seed, run.sensors[0], "rgb")


def _scored(plan: Plan, run: Run, seed: int, sensor: str, kind: Literal["score", "rgb"]) -> Job:
    name, real = title(run.name, seed), run.dataset is not None
    place = f"scores/{name}/{sensor if kind == 'score' else 'rgb'}"
    root = (MFNET, "--dataset", "mfnet", "--split", "test")
    data = root if real else (f"{OUT}/data/test/{sensor}",)
    # A model of RGB alone reads no X and needs no flag.
    alone = ("--without-x",) if kind == "rgb" and _reads_x(run) else ()
    frames = _MFNET_TEST if real else plan.scenes.test.count
    return Job(
        place,
        kind,
        run.question,
        (
            *("evaluate", *data, "--model", f"{OUT}/runs/{name}/model", *alone),
            *("--worst", "0", "--out", f"{OUT}/{place}"),
        ),
        place,
        (f"train/{name}", *(() if real else (f"data/test/{sensor}",))),
        plan.costs.start + frames * plan.costs.frame_pass,
        run=run.name,
        seed=seed,
        sensor=sensor,
        real=real,
    )


def _worse(plan: Plan, run: Run, seed: int) -> Iterator[Job]:
    """X missing, noisy and shifted on the test streets, and late on the videos."""
    name, scenes, d = title(run.name, seed), plan.scenes, plan.degrade
    stills = {"drop": d.drop, "noise": d.noise, "shift": d.shift}
    frames = round(scenes.video.seconds * scenes.video.rate)
    kinds: tuple[tuple[Literal["worse", "late"], str, dict[str, tuple[float, ...]], int], ...] = (
        ("worse", "test", stills, scenes.test.count),
        ("late", "video", {"delay": d.delay}, frames),
    )
    for sensor in run.sensors:
        for kind, part, levels, count in kinds:
            place = f"{kind}/{name}/{sensor}"
            asked = [f"{k}={','.join(f'{v:g}' for v in given)}" for k, given in levels.items()]
            # Level 0 of all curves is the same clean score; RGB alone is one more pass.
            passes = 2 + sum(len(given) - 1 for given in levels.values())
            yield Job(
                place,
                kind,
                "faults",
                (
                    *("evaluate", f"{OUT}/data/{part}/{sensor}"),
                    *("--model", f"{OUT}/runs/{name}/model"),
                    *(word for one in asked for word in ("--degrade", one)),
                    *("--worst", "0", "--out", f"{OUT}/{place}"),
                ),
                place,
                (f"train/{name}", f"data/{part}/{sensor}"),
                plan.costs.start + passes * count * plan.costs.frame_pass,
                run=run.name,
                seed=seed,
                sensor=sensor,
            )


def _before(plan: Plan, run: Run) -> tuple[str, ...]:
    data = [] if run.dataset else [f"data/{p}/{s}" for p in PARTS[:2] for s in run.sensors]
    start = run.start_from
    first = [] if start is None else [f"train/{title(start, plan.run(start).seeds[0])}"]
    return (*data, *first)


def _recipe(plan: Plan, run: Run, seed: int) -> Tree:
    """The complete recipe as in YAML, with paths that start from OUT and MFNET."""
    recipe = dict(run.recipe)
    data, model = _below(recipe, "data"), _below(recipe, "model")
    if run.dataset is None:
        sources: dict[str, object] = {
            part: [{"folder": f"{OUT}/data/{part}/{s}"} for s in run.sensors] for part in PARTS[:2]
        }
    else:
        splits = {"train": "train", "validation": "val"}
        root = {"dataset": run.dataset, "folder": MFNET}
        sources = {part: [{**root, "split": split}] for part, split in splits.items()}
    start = {}
    if run.start_from is not None:
        first = title(run.start_from, plan.run(run.start_from).seeds[0])
        start = {"start_from": f"{OUT}/runs/{first}/model"}
    return {
        "name": title(run.name, seed),
        **{key: value for key, value in recipe.items() if key not in ("data", "model")},
        "seed": seed,
        **start,
        "model": {**model, "modalities": list(run.sensors)},
        "data": {**sources, **data},
    }


def _training_cost(plan: Plan, run: Run, recipe: Tree) -> float:
    costs, optimiser = plan.costs, _below(recipe, "optimiser")
    steps, every = _number(optimiser, "steps"), _number(optimiser, "validate_every")
    held_out = plan.scenes.validation.count * len(run.sensors)
    frames = -(-steps // every) * (_MFNET_VALIDATION if run.dataset else held_out)
    tuning = _number(_below(recipe, "clip_tuning"), "steps")
    work = steps * costs.step + tuning * costs.clip_step + frames * costs.frame_pass
    return costs.start + work


def _reads_x(run: Run) -> bool:
    return _below(run.recipe, "augment").get("x_dropout") != 1.0


def _below(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    return value if isinstance(value, Mapping) else {}


def _number(tree: Tree, key: str) -> int:
    value = tree.get(key)
    return value if isinstance(value, int) else 0
