# SPDX-License-Identifier: Apache-2.0
"""`python -m experiments`: train and score everything in docs/results.md; can be resumed."""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console

from experiments.estimate import Estimate, in_words
from experiments.gather import RESULTS, gather, load_results, write_results
from experiments.jobs import Job, jobs_of, keys_of, title
from experiments.plan import PLAN, Plan, load_plan, rehearsal
from experiments.report.page import write_page
from experiments.runner import Outcome, Runner
from experiments.show import Screen, outcome_lines, table
from experiments.store import USUAL, Record, Store
from segrgbx_core.bench.measuring import environment
from segrgbx_core.errors import InputError, SegRgbxError

_PACKAGES = ("segrgbx_ros", "torch", "numpy", "opencv-python-headless")
_WIDTH = 110


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 a job failed, 2 a user mistake, 130 stopped."""
    try:
        return _run(_parser().parse_args(argv))
    except SegRgbxError as err:
        print(f"evidence: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("evidence: interrupted; the same command goes on.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        description="Train and score everything that docs/results.md reports. What is done is "
        "kept, and the same command goes on.",
        epilog="make results MFNET=~/data/mfnet NYU=~/data/nyu ARGS='--only sensors'",
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path(USUAL), metavar="DIR", help="where all of it is")
    add(
        "--data",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a real dataset's folder, such as mfnet=DIR; may be given several times",
    )
    add("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes at once")
    add(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="jobs, runs or questions such as general_s1, 'only_*' or parts, and what they need; "
        "may be given several times",
    )
    add("--list", action="store_true", help="show what is done and what the rest costs, and end")
    add("--redo", action="store_true", help="make again what was made by another plan")
    add("--plan", type=Path, default=PLAN, metavar="YAML", help="another plan")
    add(
        "--rehearse",
        action="store_true",
        help="all of it with two steps and six stills, to see in minutes whether it would run",
    )
    add("--page", type=Path, metavar="MD", help="where to write the page (default: OUT/page/...)")
    add(
        "--from",
        dest="source",
        type=Path,
        metavar="DIR",
        help="run nothing: write the page from this output folder or results.json",
    )
    return parser


def _run(args: argparse.Namespace) -> int:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if args.source is not None:
        file = args.source / RESULTS if args.source.is_dir() else args.source
        _write_page(args.page or file.parent / "page" / "results.md", file, console)
        return 0
    if args.jobs < 1:
        raise InputError(f"--jobs is {args.jobs}; expected 1 or more.")
    plan = load_plan(args.plan)
    real = dict(_folder(text, tuple(plan.real)) for text in args.data)
    plan = rehearsal(plan) if args.rehearse else plan
    store, jobs = Store(args.out, real), jobs_of(plan)
    keys = keys_of(jobs)
    wanted = _wanted(jobs, args.only)
    if args.list:
        _list(console, wanted, store, keys, args.jobs)
        return 0
    with store.locked() as lock:
        return _work(args, console, plan, jobs, wanted, store, keys, lock)


def _work(
    args: argparse.Namespace,
    console: Console,
    plan: Plan,
    jobs: Sequence[Job],
    wanted: Sequence[Job],
    store: Store,
    keys: Mapping[str, str],
    lock: int,
) -> int:
    _settle_outdated(wanted, store, keys, args.redo)
    without = _without_data(wanted, store, keys)
    able = [job for job in wanted if job not in without]
    for job in able:
        if not store.lacks(job):
            store.write_recipe(job)
    screen = Screen(console, Estimate(args.jobs, os.cpu_count() or 1), able, store)

    def ended(job: Job, record: Record) -> None:
        screen.ended(job, record)
        write_results(gather(plan, jobs, keys, store), args.out / RESULTS)

    with screen:
        runner = Runner(store, able, keys, args.jobs, _machine, screen.begun, ended, screen.polled)
        outcome = runner.run(lock)
    write_results(gather(plan, jobs, keys, store), args.out / RESULTS)
    page = args.page or args.out / "page" / "results.md"
    _write_page(page, args.out / RESULTS, console)
    _say_outcome(console, outcome, store, without)
    return 130 if outcome.stopped else 1 if outcome.failed else 0


def _machine() -> Mapping[str, str]:
    return environment(_PACKAGES)


def _wanted(jobs: Sequence[Job], patterns: Sequence[str]) -> list[Job]:
    """The jobs that match any pattern, and all jobs that they need."""
    if not patterns:
        return list(jobs)
    by_name, chosen = {job.name: job for job in jobs}, set[str]()
    for pattern in patterns:
        named = [job.name for job in jobs if any(fnmatch(n, pattern) for n in _names(job))]
        if not named:
            raise InputError(f"--only {pattern} names no job; `--list` shows them all.")
        while named:
            name = named.pop()
            if name not in chosen:
                chosen.add(name)
                named += by_name[name].needs
    return [job for job in jobs if job.name in chosen]


def _names(job: Job) -> list[str]:
    own = [job.name, job.question]
    if job.run is not None and job.seed is not None:
        own += [job.run, title(job.run, job.seed)]
    return own


def _settle_outdated(
    jobs: Sequence[Job], store: Store, keys: Mapping[str, str], redo: bool
) -> None:
    old = [job for job in jobs if store.outdated(job, keys[job.name])]
    if old and not redo:
        names = ", ".join(job.name for job in old[:4]) + (", ..." if len(old) > 4 else "")
        raise InputError(
            f"{len(old)} results in {store.out} were made by another plan, or from another "
            f"copy of the data ({names}); make them again with --redo, or choose another --out."
        )
    for job in old:
        store.forget(job)


def _list(
    console: Console, jobs: Sequence[Job], store: Store, keys: Mapping[str, str], slots: int
) -> None:
    estimate = Estimate(slots, os.cpu_count() or 1)
    for job in jobs:
        record = store.record(job)
        if record is not None:
            estimate.learn(job, record)
    left = [job for job in jobs if not store.done(job, keys[job.name])]
    without = _without_data(jobs, store, keys)
    able = [job for job in left if job not in without]
    console.print(table(jobs, store, keys))
    total = sum(job.cost for job in jobs) / 3600
    console.print(
        f"Expected in all: {total:.1f} CPU hours. Left with {slots} processes at once: about "
        f"{in_words(estimate.seconds(able, {}))}.",
        highlight=False,
    )
    if without:
        console.print(_folders_missing(without, store), highlight=False)


def _without_data(jobs: Sequence[Job], store: Store, keys: Mapping[str, str]) -> list[Job]:
    """Those to do whose real dataset is not at hand, or that need one of them first."""
    found: list[Job] = []
    for job in jobs:  # those that a job needs come before it
        waits = any(each.name in job.needs for each in found)
        if (store.lacks(job) or waits) and not store.done(job, keys[job.name]):
            found.append(job)
    return found


def _folders_missing(jobs: Sequence[Job], store: Store) -> str:
    names = sorted({str(job.real) for job in jobs if store.lacks(job)})
    return (
        f"Not run: {len(jobs)} jobs that need {' and '.join(names)}; name the folders with --data "
        f"{names[0]}=DIR (make results MFNET=... NYU=...)."
    )


def _folder(text: str, known: Sequence[str]) -> tuple[str, Path]:
    """A dataset's name and folder, of NAME=DIR."""
    name, _, folder = text.partition("=")
    if name not in known or not Path(folder).is_dir():
        raise InputError(
            f"--data {text} names no dataset and folder; expected NAME=DIR with an existing "
            f"folder and a name of {', '.join(known)}."
        )
    return name, Path(folder)


def _say_outcome(console: Console, outcome: Outcome, store: Store, without: Sequence[Job]) -> None:
    again = shlex.join(["python", "-m", "experiments", *sys.argv[1:]])
    for line in outcome_lines(outcome, store, again):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if without:
        console.print(
            _folders_missing(without, store), markup=False, highlight=False, soft_wrap=True
        )


def _write_page(page: Path, results: Path, console: Console) -> None:
    write_page(load_results(results), page)
    console.print(f"The page is {page}.", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
