# SPDX-License-Identifier: Apache-2.0
"""All measurements in one file: `results.json`, from which the page is written."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from experiments.jobs import Job, title
from experiments.plan import Plan, Run
from experiments.store import Store
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.results import SUMMARY_FILE
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.files.disk import write_whole
from segrgbx_core.scenes import SCENES_VERSION
from segrgbx_core.weights.card import load_card

FORMAT = 1
RESULTS, RESULT = "results.json", "result.json"
# Another reading of the two scores that have no sensor.
RGB = "rgb"


@dataclass(frozen=True)
class Group:
    """Scores of all frames, or of one condition; shares in 0..1. only_predicted: classes in no
    label, which `miou` counts as 0; None in files from before it was noted."""

    miou: float | None
    classes: Mapping[str, float | None]
    frames: int
    only_predicted: Sequence[str] | None = None


@dataclass(frozen=True)
class Curve:
    """Mean IoU at each level, over the same frames; rgb_alone: of the same model without X."""

    levels: Sequence[float]
    miou: Sequence[float | None]
    rgb_alone: float | None
    unit: str | None
    frames: int


@dataclass(frozen=True)
class Cost:
    """Cost of one command. state: done, failed, stopped, running or not run. exact: False where
    an attempt ended without its times being recorded, so that the times are lower bounds."""

    command: str
    state: str
    cpu_s: float = 0.0
    wall_s: float = 0.0
    exact: bool = True
    finished: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """One run with one seed. scores: by sensor, and "rgb" for RGB alone; each by condition, "all"
    first. curves: by kind and sensor. others: its evaluations' commands."""

    run: str
    seed: int
    about: str
    question: str
    sensors: Sequence[str]
    dataset: str | None
    start_from: str | None
    steps: int
    training: Cost
    validation: float | None = None
    hardware: str = ""
    scores: Mapping[str, Mapping[str, Group]] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    others: Sequence[Cost] = ()

    @property
    def title(self) -> str:
        """Run and seed in one word."""
        return title(self.run, self.seed)


@dataclass(frozen=True)
class Rendered:
    """A set of scenes."""

    name: str
    cost: Cost


@dataclass(frozen=True)
class Results:
    """All results. plan: as in its YAML. rehearsed: run so small that no figure is meaningful.
    protocol: the evaluation's, as a sentence. expected_s: CPU seconds that the plan expects for
    everything. scenes: the version of their look; files from before there were versions have
    1."""

    format: int
    plan: Mapping[str, Any]
    rehearsed: bool
    expected_s: float
    protocol: str
    data: Sequence[Rendered]
    runs: Sequence[Measured]
    scenes: int = 1


def gather(plan: Plan, jobs: Sequence[Job], keys: Mapping[str, str], store: Store) -> Results:
    """The plan's results in the output folder; missing ones are "not run"."""
    costs = {job.name: _cost(store, job, keys[job.name]) for job in jobs}
    data = [Rendered(job.name, costs[job.name]) for job in jobs if job.kind in ("stills", "video")]
    runs = [
        _measured(plan.run(job.run), job, [j for j in jobs if _same(j, job)], costs, store)
        for job in jobs
        if job.kind == "train" and job.run is not None
    ]
    return Results(
        FORMAT,
        plan.content,
        plan.rehearsed,
        sum(job.cost for job in jobs),
        _protocol(jobs, costs, store),
        data,
        runs,
        SCENES_VERSION,
    )


def write_results(results: Results, path: Path) -> None:
    """Writes the file, completely or not at all."""
    write_whole(path, (json.dumps(asdict(results), indent=1, allow_nan=False) + "\n").encode())


def load_results(path: Path) -> Results:
    """Reads the file. Raises InputError where it is not a results file of this version."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise InputError(
            f"{path} cannot be read as results ({type(err).__name__}); `make results` writes one."
        ) from err
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a results.json of format {FORMAT}; make it again.")
    data = [Rendered(row["name"], Cost(**row["cost"])) for row in content["data"]]
    runs = [_read_run(row) for row in content["runs"]]
    return Results(**{**content, "data": data, "runs": runs})


def _read_run(row: Mapping[str, Any]) -> Measured:
    scores = {
        place: {name: Group(**group) for name, group in groups.items()}
        for place, groups in row["scores"].items()
    }
    curves = {
        kind: {sensor: Curve(**curve) for sensor, curve in by.items()}
        for kind, by in row["curves"].items()
    }
    training, others = Cost(**row["training"]), [Cost(**cost) for cost in row["others"]]
    new = {"scores": scores, "curves": curves, "training": training, "others": others}
    return Measured(**{**row, **new})


def _cost(store: Store, job: Job, key: str) -> Cost:
    record = store.record(job)
    if record is None or record.key != key:
        return Cost(store.command(job), "not run")
    return Cost(
        store.command(job),
        record.state,
        record.cpu_s,
        record.wall_s,
        record.whole,
        record.finished,
        record.machine,
    )


def _same(job: Job, training: Job) -> bool:
    return job.run == training.run and job.seed == training.seed and job.kind != "train"


def _measured(
    run: Run, job: Job, evaluations: list[Job], costs: Mapping[str, Cost], store: Store
) -> Measured:
    scores: dict[str, dict[str, Group]] = {}
    curves: dict[str, dict[str, Curve]] = {}
    for each in evaluations:
        if costs[each.name].state != "done":
            continue
        summary = _summary(store, each)
        if each.kind in ("score", "rgb"):
            place = RGB if each.kind == "rgb" else str(each.sensor)
            scores[place] = {n: _group(group) for n, group in summary["scores"].items()}
        for curve in summary["curves"]:
            curves.setdefault(curve["kind"], {})[str(each.sensor)] = _curve(curve)
    done = costs[job.name].state == "done"
    facts = _card(store, job) if done else {}
    return Measured(
        run.name,
        job.seed or 0,
        run.about,
        run.question,
        run.sensors,
        run.dataset,
        run.start_from,
        _steps(job),
        costs[job.name],
        facts.get("validation_miou"),
        str(facts.get("hardware", "")),
        scores,
        curves,
        tuple(costs[each.name] for each in evaluations),
    )


def _group(group: Mapping[str, Any]) -> Group:
    return Group(group["miou"], group["per_class_iou"], group["frames"], group["only_predicted"])


def _curve(curve: Mapping[str, Any]) -> Curve:
    return Curve(
        curve["levels"],
        curve["miou"][ALL],
        curve["rgb_alone_miou"],
        curve["unit"],
        curve["frames"],
    )


def _summary(store: Store, job: Job) -> Any:
    return json.loads((store.out / job.makes / SUMMARY_FILE).read_text("utf-8"))


def _card(store: Store, job: Job) -> Mapping[str, Any]:
    """The training's hardware from the card, and its best validation score from log.csv."""
    card = load_card(store.out / job.makes / "model")
    with (store.out / job.makes / "log.csv").open() as file:
        best = max(float(row["miou"]) for row in csv.DictReader(file))
    return {"hardware": card.training["hardware"], "validation_miou": best}


def _steps(job: Job) -> int:
    optimiser = (job.recipe or {}).get("optimiser")
    return int(optimiser["steps"]) if isinstance(optimiser, Mapping) else 0


def _protocol(jobs: Sequence[Job], costs: Mapping[str, Cost], store: Store) -> str:
    for job in jobs:
        if job.kind == "score" and costs[job.name].state == "done":
            return str(_summary(store, job)["protocol"])
    return ""
