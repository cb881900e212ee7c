# SPDX-License-Identifier: Apache-2.0
"""The plan's runner: finished jobs are kept, failed ones reported, stopped ones resumed."""

import json
import os
import signal
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))

from experiments import __main__ as command
from experiments.estimate import Estimate, in_words
from experiments.jobs import OUT, Job, jobs_of, keys_of
from experiments.plan import load_plan
from experiments.runner import Outcome, Runner
from experiments.show import outcome_lines, state_of
from experiments.store import Record, Store
from segrgbx_core.errors import InputError, OutputError

# A training, and one that starts from it.
ROOMS_FIRST = ("train/nyu_segrgbx_s1", "train/mfnet_segrgbx_rooms_s1")
# Replaces `segrgbx`: makes its folder, and behaves according to the folder's name.
PROGRAM = """
import json, signal, sys, time
from pathlib import Path

folder = Path(sys.argv[sys.argv.index("--out") + 1])
folder.mkdir(parents=True, exist_ok=True)
with (folder.parent / "calls.txt").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if "bad" in folder.name:
    print("what went wrong")
    sys.exit(2)
if "slow" in folder.name and "--resume" not in sys.argv:
    def save(number, frame):
        (folder / "checkpoint.pt").touch()
        sys.exit(130)
    signal.signal(signal.SIGTERM, save)
    (folder / "waiting").touch()
    time.sleep(600)
if "long" in folder.name:
    end = time.monotonic() + 60
    while len(list(folder.parent.glob("long_?"))) < 2 and time.monotonic() < end:
        time.sleep(0.01)
sum(range(5_000_000))
"""


def job(name: str, *needs: str, whole: bool = False, cost: float = 1.0) -> Job:
    return Job(
        name,
        "train",
        "parts",
        ("train", f"{OUT}/{name}.yaml", "--out", f"{OUT}/{name}"),
        name,
        needs,
        cost,
        run=name,
        seed=1,
        recipe={"folder": f"{OUT}/data"},
        whole=whole,
    )


def work(out: Path, jobs: list[Job], slots: int = 2) -> tuple[Outcome, list[str]]:
    """The outcome, and the events in order."""
    store, events = Store(out), list[str]()
    program = (sys.executable, "-c", PROGRAM)
    with store.locked() as lock:
        runner = Runner(
            store,
            jobs,
            keys_of(tuple(jobs)),
            slots,
            lambda: {"processor": "made up"},
            lambda started: events.append(f"+{started.name}"),
            lambda ended, record: events.append(f"-{ended.name} {record.state}"),
            lambda _: None,
            program,
        )
        return runner.run(lock), events


def calls(out: Path) -> list[list[str]]:
    return [json.loads(line) for line in (out / "calls.txt").read_text().splitlines()]


def test_jobs_run_in_order_and_only_once(tmp_path: Path) -> None:
    jobs = [job("first"), job("second", "first"), job("third", "second")]
    outcome, events = work(tmp_path, jobs)
    assert [done.name for done in outcome.done] == ["first", "second", "third"]
    assert events == [
        *("+first", "-first done", "+second", "-second done", "+third", "-third done"),
    ]
    record = Store(tmp_path).record(jobs[0])
    assert record is not None
    assert record.command == "segrgbx train out/results/first.yaml --out out/results/first"
    assert record.cpu_s > 0
    assert record.wall_s >= record.cpu_s / 2
    assert record.whole
    assert record.machine == {"processor": "made up"}

    again, events = work(tmp_path, jobs)
    assert len(again.done) == 3
    assert events == []
    assert len(calls(tmp_path)) == 3


def test_a_result_that_is_gone_is_made_again(tmp_path: Path) -> None:
    jobs = [job("first"), job("second")]
    work(tmp_path, jobs)
    (tmp_path / "first").rmdir()
    assert work(tmp_path, jobs)[1] == ["+first", "-first done"]


def test_a_job_that_fails_stops_only_those_that_need_it(tmp_path: Path) -> None:
    jobs = [job("bad"), job("after", "bad"), job("other")]
    outcome, _ = work(tmp_path, jobs, slots=1)
    assert [failed.name for failed in outcome.failed] == ["bad"]
    assert [done.name for done in outcome.done] == ["other"]
    assert [left.name for left in outcome.left] == ["after"]
    store = Store(tmp_path)
    assert "what went wrong" in store.log(jobs[0]).read_text()
    lines = "\n".join(outcome_lines(outcome, store, "again"))
    assert str(store.log(jobs[0])) in lines
    assert "1 jobs were not" in lines
    assert state_of(jobs[0], store, keys_of(tuple(jobs))) == "failed"
    # The next call runs it again.
    assert "+bad" in work(tmp_path, jobs)[1]


def test_two_run_at_once_and_one_that_takes_all_cores_alone(tmp_path: Path) -> None:
    jobs = [job("long_a"), job("long_b"), job("whole", whole=True), job("last")]
    _, events = work(tmp_path, jobs)
    assert events[:2] == ["+long_a", "+long_b"]
    at = events.index("+whole")
    assert {"-long_a done", "-long_b done"} <= set(events[:at])
    assert events[at + 1] == "-whole done"
    assert events[at + 2] == "+last"


def test_a_stopped_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    jobs = [job("slow"), job("after", "slow")]

    def stop() -> None:
        end = time.monotonic() + 120
        while not (tmp_path / "slow" / "waiting").is_file() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=stop)
    thread.start()
    outcome, events = work(tmp_path, jobs)
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == handler
    assert events == ["+slow", "-slow stopped"]
    assert outcome.stopped
    assert [left.name for left in outcome.left] == ["slow", "after"]
    assert "Go on with: again" in outcome_lines(outcome, Store(tmp_path), "again")
    first = Store(tmp_path).record(jobs[0])
    assert first is not None

    outcome, _ = work(tmp_path, jobs)
    assert not outcome.left
    assert [call[-1] for call in calls(tmp_path)] == ["--force", "--resume", "--force"]
    second = Store(tmp_path).record(jobs[0])
    assert second is not None
    assert second.attempts == 2
    assert second.cpu_s > first.cpu_s
    assert second.whole


def test_time_that_was_not_noted_is_said_to_be_missing(tmp_path: Path) -> None:
    jobs = [job("first")]
    Store(tmp_path).begun(jobs[0], keys_of(tuple(jobs))["first"], {})
    work(tmp_path, jobs)
    record = Store(tmp_path).record(jobs[0])
    assert record is not None
    assert record.state == "done"
    assert not record.whole


def test_what_another_plan_made_is_never_taken_for_this_ones(tmp_path: Path) -> None:
    old = [job("first"), job("second", "first")]
    work(tmp_path, old)
    new = [replace(old[0], recipe={"other": 1}), old[1]]
    store, keys = Store(tmp_path), keys_of(tuple(new))
    assert [state_of(each, store, keys) for each in new] == ["outdated", "outdated"]
    with pytest.raises(InputError, match=r"2 results .*first, second.*--redo"):
        command._settle_outdated(new, store, keys, redo=False)
    command._settle_outdated(new, store, keys, redo=True)
    assert not (tmp_path / "first").exists()
    assert work(tmp_path, new)[1][0] == "+first"


def test_what_one_copy_of_the_real_set_gave_is_never_taken_for_anothers(tmp_path: Path) -> None:
    first, other = tmp_path / "part", tmp_path / "full"
    for folder, names in ((first, "1D\n"), (other, "1D\n2N\n")):
        folder.mkdir()
        (folder / "train.txt").write_text(names)
    lists = {"mfnet": ("train.txt", "test.txt")}
    real, scenes = replace(job("real"), real="mfnet", lists=lists), job("scenes")
    keys, out = keys_of((real, scenes)), tmp_path / "out"
    for each in (real, scenes):
        store = Store(out, {"mfnet": first})
        store.note(each, replace(store.begun(each, keys[each.name], {}), state="done"))
        (out / each.makes).mkdir()
    assert Store(out, {"mfnet": first}).done(real, keys["real"])
    assert Store(out).done(real, keys["real"])
    (first / "README.txt").write_text("Of a part.")
    assert Store(out, {"mfnet": first}).done(real, keys["real"])
    assert Store(out, {"mfnet": other}).outdated(real, keys["real"])
    assert state_of(real, Store(out, {"mfnet": other}), keys) == "outdated"
    assert Store(out, {"mfnet": other}).done(scenes, keys["scenes"])
    again = Store(out, {"mfnet": other}).begun(real, keys["real"], {})
    assert again.attempts == 1
    assert Store(out, {"mfnet": first}).outdated(real, keys["real"])


def test_a_run_rests_on_the_lists_of_what_it_starts_from() -> None:
    plan = load_plan()
    start, after = (j for j in jobs_of(plan) if j.name in ROOMS_FIRST)
    assert start.lists == {"nyu_depth_v2": ("train.txt", "test.txt")}
    assert after.lists == start.lists | {"mfnet": ("train.txt", "val.txt", "test.txt")}


def test_a_start_that_is_done_needs_its_data_no_more(tmp_path: Path) -> None:
    """As where MFNet is at hand today, and NYUDepthV2 was yesterday."""
    start, after = (j for j in jobs_of(load_plan()) if j.name in ROOMS_FIRST)
    keys, (mfnet, nyu) = {start.name: "s", after.name: "a"}, (tmp_path / "m", tmp_path / "n")
    mfnet.mkdir()
    nyu.mkdir()
    out = tmp_path / "out"
    today = Store(out, {"mfnet": mfnet})
    assert command._without_data((start, after), today, keys) == [start, after]
    words = command._folders_missing([start, after], today)
    assert "2 jobs that need nyu_depth_v2" in words
    assert "--data nyu_depth_v2=DIR" in words
    yesterday = Store(out, {"nyu_depth_v2": nyu})
    yesterday.note(start, replace(yesterday.begun(start, "s", {}), state="done"))
    (out / start.makes).mkdir(parents=True)
    assert command._without_data((start, after), today, keys) == []


def test_two_runners_do_not_share_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(OutputError, match="in use")
    with Store(tmp_path).locked(), refused, Store(tmp_path).locked():
        pass
    with Store(tmp_path).locked():
        pass


def test_the_estimate_learns_from_what_was_measured() -> None:
    jobs = [job("a", cost=100.0), job("b", cost=100.0), job("c", cost=100.0)]
    estimate = Estimate(slots=2, cores=2)
    assert estimate.seconds(jobs, {}) == pytest.approx(150.0)
    estimate.learn(jobs[0], Record("", "done", "", cpu_s=150.0, wall_s=200.0))
    assert estimate.seconds(jobs[1:], {}) == pytest.approx(200.0)
    assert estimate.seconds(jobs[1:], {"b": 50.0}) == pytest.approx(175.0)
    estimate.learn(jobs[1], Record("", "failed", "", wall_s=1.0))
    assert estimate.seconds(jobs[2:], {}) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(5.2, "5 s"), (125, "2 min"), (7500, "2 h 05 min")]
)
def test_times_are_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.slow
def test_a_small_run_from_the_scenes_to_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    argv = ["--rehearse", "--out", str(out), "--only", "only_thermal_s1"]
    assert command.main(argv) == 0
    said = capsys.readouterr().out
    assert "done train/only_thermal_s1" in said
    assert "FAILED" not in textwrap.dedent(said)
    page = (out / "page" / "results.md").read_text("utf-8")
    assert "rehearsal" in page
    summary = json.loads((out / "scores/only_thermal_s1/thermal/summary.json").read_text())
    assert f"{summary['scores']['all']['miou']:.3f}" in page
    lacking = next(line for line in page.splitlines() if line.startswith("**Not run yet:**"))
    assert "general_s1" in lacking
    assert "only_thermal_s1" not in lacking
    capsys.readouterr()
    assert command.main(argv) == 0
    again = capsys.readouterr()
    assert "begin" not in again.out
    assert not again.err
