# SPDX-License-Identifier: Apache-2.0
"""Every run with its command, seed, machine and time, and the runs that are missing."""

import json

import yaml

from experiments.estimate import in_words
from experiments.gather import RESULTS, Cost, Measured, Results
from experiments.report.figures import NOT_RUN
from experiments.report.tables import markdown

_RUNS = (
    *("run", "what", "command", "seed", "steps", "validation mIoU", "training CPU"),
    *("training wall", "scoring CPU", "machine", "commit"),
)


def not_run(results: Results) -> str:
    """Sentences on what is missing; empty if nothing is."""
    missing = [run.title for run in results.runs if run.training.state != "done"]
    partly = [
        run.title
        for run in results.runs
        if run.training.state == "done" and any(cost.state != "done" for cost in run.others)
    ]
    said = [f"**Not run yet:** {', '.join(missing)}."] if missing else []
    said += [f"**Trained, but not fully scored yet:** {', '.join(partly)}."] if partly else []
    return " ".join(said)


def appendix(results: Results) -> list[str]:
    """Tables of all trainings and scenes, and the plan."""
    machines = _machines(results)
    listed = "; ".join(f"{letter}, {text}" for text, letter in machines.items())
    return [
        "Each row is one plain command; `make results` writes its recipe first. The scores are "
        "those of `segrgbx evaluate` on its model, of which there are too many for this page; "
        f"they are in [{RESULTS}]({RESULTS}). MFNET and NYU_DEPTH_V2 are the folders of the real "
        "data. The first of them:",
        _example(results),
        markdown(_RUNS, [_row(run, machines) for run in results.runs], 3),
        "CPU time is that of all processes of a command; > where an attempt ended unnoticed and "
        "its time is lost. + after a commit: its tree had changes. Machines: "
        f"{listed or NOT_RUN}.",
        "The scenes:",
        markdown(
            ["set", "command", "CPU"],
            [[d.name, f"`{d.cost.command}`", _time(d.cost)] for d in results.data],
            2,
        ),
        "The recipe that all share, and what each run changes:",
        f"```yaml\n{_plan(results)}```",
    ]


def _machines(results: Results) -> dict[str, str]:
    """Each machine's description with a letter."""
    texts = dict.fromkeys(_machine(run) for run in results.runs if run.training.state == "done")
    return {text: chr(ord("A") + i) for i, text in enumerate(texts)}


def _machine(run: Measured) -> str:
    m = run.training.machine
    packages = [f"{name} {m[name]}" for name in ("segrgbx_ros", "torch", "numpy") if name in m]
    return (
        f"{m.get('processor', '?')} with {m.get('cores', '?')} cores, trained on {run.hardware}, "
        f"Python {m.get('python', '?')}, {', '.join(packages)}"
    )


def _example(results: Results) -> str:
    commands = [cost.command for run in results.runs for cost in run.others]
    return f"```bash\n{commands[0]}\n```" if commands else ""


def _row(run: Measured, machines: dict[str, str]) -> list[str]:
    done, machine = run.training.state == "done", run.training.machine
    scoring = sum(cost.cpu_s for cost in run.others if cost.state == "done")
    return [
        run.title,
        run.about,
        f"`{run.training.command}`",
        str(run.seed),
        str(run.steps),
        "" if run.validation is None else f"{run.validation:.3f}",
        _time(run.training),
        in_words(run.training.wall_s) if done else "",
        in_words(scoring) if scoring else "",
        machines.get(_machine(run), "") if done else "",
        machine.get("commit", "") + ("+" if machine.get("changes") == "yes" else ""),
    ]


def _time(cost: Cost) -> str:
    if cost.state != "done":
        return cost.state
    return ("" if cost.exact else "> ") + in_words(cost.cpu_s)


def _plan(results: Results) -> str:
    runs = [
        {k: v for k, v in run.items() if k not in ("about", "question", "scores")}
        for run in results.plan["runs"]
    ]
    # Through JSON, so that objects shared by several runs are written out for each of them.
    content = json.loads(json.dumps({"recipe": results.plan["recipe"], "runs": runs}))
    return yaml.safe_dump(content, sort_keys=False, width=95, default_flow_style=None)
