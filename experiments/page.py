# SPDX-License-Identifier: Apache-2.0
"""docs/results.md: all its figures, sentences and pictures are generated from results.json."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments import section_faults, section_mfnet, section_parts, section_sensors
from experiments.appendix import appendix, not_run
from experiments.figures import LEAST, NOT_RUN, Findings
from experiments.gather import RESULTS, Results, write_results
from experiments.plan import START
from segrgbx_core.files.disk import disk_errors, write_whole
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import RgbImage
from segrgbx_core.scenes import SCENES_VERSION

_COMMANDS = """\
```bash
make results MFNET=~/data/mfnet               # all of it; without MFNET, all but the real pairs
make results ARGS=--list                      # what is done, and what the rest costs
make results ARGS='--only sensors'            # one question, run or job, and what it needs
make results ARGS='--rehearse --out out/try'  # minutes: whether all of it would run
```"""


@dataclass(frozen=True)
class Section:
    """A question. text: its paragraphs. pictures: by file name, None where the runs it shows are
    missing."""

    title: str
    text: Callable[[Findings], list[str]]
    pictures: Callable[[Findings], dict[str, RgbImage | None]]


SECTIONS = tuple(
    Section(module.TITLE, module.text, module.pictures)
    for module in (section_sensors, section_parts, section_faults, section_mfnet)
)


def write_page(results: Results, page: Path) -> None:
    """Writes the page, and next to it a folder of its name with the pictures and results.json.

    Raises OutputError where writing fails.
    """
    folder, findings = page.with_suffix(""), Findings(results)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    parts = ["# Results", *_opening(results, folder.name)]
    for i, section in enumerate(SECTIONS, 1):
        parts += [f"## {i}. {section.title}", *section.text(findings)]
        parts += [
            f"![{section.title}]({folder.name}/{name})"
            for name, image in section.pictures(findings).items()
            if _kept(folder / name, image)
        ]
    parts += ["## Every run", *appendix(results, folder.name)]
    parts += ["## Make it again", *_again(results)]
    write_results(results, folder / RESULTS)
    write_whole(page, ("\n\n".join(part for part in parts if part) + "\n").encode())


def _kept(path: Path, image: RgbImage | None) -> bool:
    """Writes the picture, or removes an earlier one where there is none now."""
    if image is None:
        path.unlink(missing_ok=True)
        return False
    write_png(path, image)
    return True


def _opening(results: Results, folder: str) -> list[str]:
    recipe, scenes = results.plan["recipe"], results.plan["scenes"]
    optimiser, crop = recipe["optimiser"], recipe["augment"]["crop"]
    return [
        "**A rehearsal with hardly any training: no figure here means anything.**"
        if results.rehearsed
        else "",
        f"**Measured on an earlier look of the scenes** (version {results.scenes}; today's is "
        f"{SCENES_VERSION}): `make results` now renders other images for the same seeds, and its "
        "figures will differ from these. What changed stands in [datasets](datasets.md)."
        if results.scenes != SCENES_VERSION
        else "",
        "`make results` wrote this page from what it measured, down to the sentences, and makes "
        f"all of it again: {_hours(results)} CPU hours. The figures themselves are in "
        f"[{RESULTS}]({folder}/{RESULTS}).",
        "Brief trainings of a small model say which of two is better under one budget. They do "
        "not say how good either can get, and on synthetic streets not how either does on a "
        "road; the last question is on real images.",
        f"All start, unless said otherwise, from what all have in common: one model of the five "
        f"sensors without the three parts, from scratch ({_start_steps(results)} steps), or for "
        f"RGB alone one of RGB alone, after as many. That stands for the ImageNet weights that "
        f"are usual. They go on for {optimiser['steps']} steps of {optimiser['batch']} crops of "
        f"{crop[1]}x{crop[0]} with preset {recipe['model']['preset']}. The three parts begin "
        "afresh there, which speaks against them; the two streams of `cmx` both begin as the "
        "shared one. Of the samples with X a share of "
        f"{recipe['augment']['rgb_dark']:g} has its RGB darkened, so that X is learnt early; a "
        f"model of RGB alone sees none of that. Streets are {scenes['width']}x"
        f"{scenes['height']}, {scenes['train']['count']} for each sensor to learn from, and "
        f"{scenes['test']['count']} others, alike for all sensors, to be scored on. Scores: "
        f"{results.protocol or NOT_RUN}.",
        "A figure is the mean over the seeds ± half the range between them; one seed has no ±. A "
        "difference is that of the means ± both halves added. Something *pays* where each seed "
        "with it is above each seed without (of two, where the difference is larger than its ±), "
        f"and where it is at least {LEAST:g}: seeds that share a start lie close together. Of two "
        "seeds a side, chance alone does that in one case of six. Seeds change order, "
        "augmentation and fresh weights, not the streets and not the start.",
        not_run(results),
    ]


def _again(results: Results) -> list[str]:
    return [
        _COMMANDS,
        f"The plan expects {results.expected_s / 3600:.1f} CPU hours, in as many processes of one "
        "thread at once as there are cores. After Ctrl-C, SIGTERM or a power cut the same call "
        "goes on: what is done is kept, and a training continues from its last checkpoint. A job "
        "that fails does not stop the others, and its log is named at the end. The plan is "
        "`experiments/plan.yaml`, and `--plan` takes another; results of one plan are "
        "never taken for another's, nor those of one copy of MFNet for those of another. "
        "`python -m experiments --help` has the rest, such as writing this page from the "
        "figures alone.",
    ]


def _hours(results: Results) -> str:
    runs = [cost for run in results.runs for cost in (run.training, *run.others)]
    costs = [*(rendered.cost for rendered in results.data), *runs]
    return f"{sum(cost.cpu_s for cost in costs) / 3600:.1f}"


def _start_steps(results: Results) -> str:
    return " or ".join(sorted({str(r.steps) for r in results.runs if r.question == START}))
