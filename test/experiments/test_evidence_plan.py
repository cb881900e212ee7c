# SPDX-License-Identifier: Apache-2.0
"""The plan behind docs/results.md: complete, fair, and made of existing commands."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).resolve().parents[2]))

from experiments.__main__ import main
from experiments.jobs import Job, jobs_of, keys_of
from experiments.plan import PLAN, QUESTIONS, Plan, load_plan, rehearsal
from experiments.store import Store
from segrgbx_core.errors import RecipeError
from segrgbx_core.training.recipe import Recipe, load_recipe
from segrgbx_core.weights.card import load_card
from segrgbx_core.weights.store import model_folder
from segrgbx_ros.cli import build_parser


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan()


@pytest.fixture(scope="module")
def jobs(plan: Plan) -> tuple[Job, ...]:
    return jobs_of(plan)


@pytest.fixture(scope="module")
def recipes(jobs: tuple[Job, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recipe]:
    out = tmp_path_factory.mktemp("out")
    store = Store(out, {"mfnet": out.parent / "mfnet", "nyu_depth_v2": out.parent / "nyu"})
    for job in jobs:
        store.write_recipe(job)
    return {path.stem: load_recipe(path) for path in sorted((out / "recipes").iterdir())}


def test_every_recipe_loads(plan: Plan, recipes: dict[str, Recipe]) -> None:
    assert set(recipes) == {f"{run.name}_s{seed}" for run in plan.runs for seed in run.seeds}
    for name, recipe in recipes.items():
        assert name == recipe.name == f"{recipe.name.rpartition('_s')[0]}_s{recipe.seed}"


def test_the_sides_of_a_question_have_one_budget(plan: Plan, recipes: dict[str, Recipe]) -> None:
    otherwise = ("few_", "mfnet_segrgbx_plain")
    sides = {(run.question, run.dataset) for run in plan.runs}
    assert {question for question, _ in sides} == set(QUESTIONS[1:])
    for question, dataset in sides:
        of = [
            recipes[f"{run.name}_s1"]
            for run in plan.runs
            if (run.question, run.dataset) == (question, dataset)
            and not run.name.startswith(otherwise)
        ]
        assert len({recipe.optimiser for recipe in of}) == 1, question
        # Faults of X and darkened RGB apply to samples with X, which RGB alone does not have.
        own = dict.fromkeys(("x_dropout", "rgb_dark", "x_wrong", "x_late", "x_raw_noise"), 0.0)
        assert len({replace(recipe.augment, **own) for recipe in of}) == 1, question
        assert len({r.augment.rgb_dark for r in of if r.augment.x_dropout < 1}) == 1, question
        assert len({r.short_side for r in of}) == 1, question
    general = recipes["general_s1"]
    for name in ("none", "cmx", "dsrm_everywhere", "sensor_paths", "imagenet_tower", "trusting"):
        assert recipes[f"{name}_s1"].optimiser == general.optimiser
    mfnet = recipes["mfnet_none_s1"]
    plain = recipes["mfnet_segrgbx_plain_s1"]
    assert replace(plain.optimiser, class_balance=0.5) == mfnet.optimiser
    for name in ("dsrm_everywhere", "sensor_paths", "imagenet_tower"):
        side = recipes[f"mfnet_{name}_s1"]
        assert (side.augment, side.short_side) == (plain.augment, plain.short_side)
        assert side.optimiser == mfnet.optimiser
    few = recipes["few_event_s1"]
    assert few.optimiser.steps * 5 == general.optimiser.steps
    assert few.augment == general.augment


def test_a_verdict_rests_on_two_seeds(plan: Plan) -> None:
    decisive = ("general", "none", "rgb_only", "nyu_segrgbx", "nyu_rgb_only")
    for name in (*decisive, "nyu_none", "mfnet_segrgbx", "mfnet_none", "mfnet_rgb_only"):
        assert len(plan.run(name).seeds) >= 2


def test_the_test_split_of_a_set_without_validation_chooses_nothing(
    recipes: dict[str, Recipe],
) -> None:
    for name, recipe in recipes.items():
        if name.startswith("nyu_"):
            assert recipe.optimiser.validate_every == recipe.optimiser.steps


def test_what_is_left_out_is_left_out(recipes: dict[str, Recipe]) -> None:
    assert recipes["general_s1"].model.components == ("ma_clip", "modality_embedding", "dsrm")
    assert recipes["none_s1"].model.components == ()
    assert not recipes["cmx_s1"].model.shared_blocks
    trusting = recipes["trusting_s1"].augment
    assert (trusting.x_raw_noise, trusting.x_wrong, trusting.x_late) == (0, 0, 0)
    assert {recipes[f"{name}_s1"].augment.x_late for name in ("nyu_none", "mfnet_none")} == {0}
    assert recipes["only_depth_s1"].model.modalities == ("depth",)
    assert [source.folder for source in recipes["only_depth_s1"].data.train] == [
        "../data/train/depth"
    ]
    assert recipes["general_s2"].start_from == "imagenet"
    assert recipes["mfnet_segrgbx_rooms_s1"].start_from == "../runs/nyu_segrgbx_s1/model"
    shipped = recipes["mfnet_segrgbx_real_s1"]
    assert str(shipped.start_from).endswith("/models/real")
    assert shipped.model.reduction == load_card(model_folder("real")).architecture.reduction
    (mfnet,) = recipes["mfnet_none_s2"].data.train
    assert (mfnet.folder, mfnet.dataset) == ("../../mfnet", "mfnet")
    (nyu,) = recipes["nyu_none_s1"].data.validation
    assert (nyu.folder, nyu.split, nyu.depth_scale) == ("../../nyu", "test", 6528)


def test_no_street_is_learnt_from_and_scored(plan: Plan) -> None:
    scenes = plan.scenes
    seeds = {
        part: {scenes.seed(of, sensor) + i for sensor in scenes.sensors for i in range(of.count)}
        for part, of in (
            ("train", scenes.train),
            ("validation", scenes.validation),
            ("test", scenes.test),
        )
    }
    seeds["video"] = {scenes.seed(scenes.video, sensor) for sensor in scenes.sensors}
    assert len(seeds["train"]) == scenes.train.count * len(scenes.sensors)
    assert len(seeds["test"]) == scenes.test.count  # the same streets for all sensors
    assert scenes.test.count % len(scenes.conditions) == 0
    assert sum(map(len, seeds.values())) == len(set().union(*seeds.values()))


def test_jobs_come_after_what_they_need(jobs: tuple[Job, ...]) -> None:
    seen: set[str] = set()
    for job in jobs:
        assert set(job.needs) <= seen, job.name
        assert job.name not in seen
        assert job.cost > 0
        seen.add(job.name)


def test_a_question_is_answered_with_all_seeds_before_the_next(jobs: tuple[Job, ...]) -> None:
    order = [QUESTIONS.index(job.question) for job in jobs]
    assert order == sorted(order)
    seeds = [job.seed for job in jobs if job.question == "parts" and job.seed]
    assert seeds == sorted(seeds)


def test_every_command_is_one_of_segrgbx(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    store = Store(tmp_path, {"mfnet": tmp_path, "nyu_depth_v2": tmp_path})
    parser = build_parser()
    for job in jobs:
        args = parser.parse_args(store.arguments(job))
        assert args.out == tmp_path / job.makes
        assert store.command(job).startswith(f"segrgbx {args.command} ")
        assert str(tmp_path) not in store.command(job)


def test_rgb_alone_is_scored_once_since_all_sensors_share_it(jobs: tuple[Job, ...]) -> None:
    alone = [job for job in jobs if job.kind == "rgb" and job.run in ("general", "rgb_only")]
    assert [job.name for job in alone if job.seed == 1] == [
        "scores/general_s1/rgb",
        "scores/rgb_only_s1/rgb",
    ]
    assert ["--without-x" in job.arguments for job in alone if job.seed == 1] == [True, False]


def test_a_key_changes_with_what_the_result_depends_on(plan: Plan) -> None:
    before = keys_of(jobs_of(plan))
    runs = [
        replace(run, recipe={**run.recipe, "short_side": 200})
        if run.name == "nyu_segrgbx"
        else run
        for run in plan.runs
    ]
    after = keys_of(jobs_of(replace(plan, runs=tuple(runs))))
    changed = {name.split("/")[1] for name in before if before[name] != after[name]}
    assert changed == {"nyu_segrgbx_s1", "nyu_segrgbx_s2", "mfnet_segrgbx_rooms_s1"}
    shipped = {job.name for job in jobs_of(plan) if job.start is not None}
    assert shipped == {"train/mfnet_segrgbx_real_s1"}
    other = [replace(job, start="0" * 64) if job.start else job for job in jobs_of(plan)]
    after = keys_of(tuple(other))
    assert {
        name.split("/")[1].rpartition("_s")[0] for name in before if before[name] != after[name]
    } == {"mfnet_segrgbx_real"}


def test_a_rehearsal_has_the_same_jobs(plan: Plan, jobs: tuple[Job, ...]) -> None:
    small = jobs_of(rehearsal(plan))
    assert [job.name for job in small] == [job.name for job in jobs]
    assert sum(job.cost for job in small) < 0.15 * sum(job.cost for job in jobs)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("question", "why", "why"),
        ("scores", ["y"], "y"),
        ("sensors", ["radar"], "radar"),
        ("start_from", "later", "later"),
        ("start_from", "models/none", "models/none, which is neither .* one of .*models/real"),
        ("seeds", [], "no seeds"),
        ("steps", 3, "unknown .*steps"),
        ("name", "nyu_segrgbx", "one name"),
    ],
)
def test_a_wrong_plan_is_refused_in_words(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    content = yaml.safe_load(PLAN.read_text("utf-8"))
    content["runs"][1][key] = value
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(RecipeError, match=said):
        load_plan(path)


def test_runs_that_are_no_list_are_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(PLAN.read_text("utf-8"))
    content["runs"] = {"general": content["runs"][0]}
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(RecipeError, match=r"runs of type dict; expected a list"):
        load_plan(path)


def test_a_recipe_may_leave_the_validations_to_their_default(tmp_path: Path) -> None:
    content = yaml.safe_load(PLAN.read_text("utf-8"))
    del content["recipe"]["optimiser"]["validate_every"]
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    assert len(jobs_of(load_plan(path))) == len(jobs_of(load_plan()))


def test_a_plan_with_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.read_text("utf-8") + "\nruns: []\n", "utf-8")
    with pytest.raises(RecipeError, match=r"plan.yaml, line \d+: .*'runs' .*twice"):
        load_plan(path)


def test_the_list_shows_states_and_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rooms = ["--list", "--out", str(tmp_path), "--only", "mfnet_segrgbx_rooms_s1"]
    assert main(rooms) == 0
    shown = capsys.readouterr().out
    assert "train/nyu_segrgbx_s1" in shown
    assert "without nyu_depth_v2" in shown
    assert "general" not in shown
    assert "CPU hours" in shown
    assert "--data mfnet=DIR" in shown
    assert main(["--list", "--out", str(tmp_path), "--only", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert main([*rooms, "--data", f"mfnt={tmp_path}"]) == 2
    assert "expected NAME=DIR" in capsys.readouterr().err
