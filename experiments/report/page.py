# SPDX-License-Identifier: Apache-2.0
"""docs/results.md and the details beside it, generated from results.json down to the sentences."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.gather import RESULTS, Results, write_results
from experiments.report import section_faults, section_parts, section_sensors
from experiments.report.appendix import appendix, not_run
from experiments.report.figures import LEAST, NOT_RUN, Findings
from experiments.report.section_real import MFNET, NYU
from segrgbx_core.files.disk import disk_errors, write_whole
from segrgbx_core.files.images import write_png
from segrgbx_core.readings import RgbImage
from segrgbx_core.scenes import SCENES_VERSION

_COMMANDS = """\
```bash
make results MFNET=~/data/mfnet NYU=~/data/nyu  # all of it; without a folder, all but its runs
make results ARGS=--list                      # what is done, and what the rest costs
make results ARGS='--only sensors'            # one question, run or job, and what it needs
make results ARGS='--rehearse --out out/try'  # minutes: whether all of it would run
```"""


@dataclass(frozen=True)
class Section:
    """A question. text: what was asked, the table, what to conclude. details: paragraphs for the
    other page. pictures: by file name, None where the runs it shows are missing."""

    title: str
    text: Callable[[Findings], list[str]]
    details: Callable[[Findings], list[str]]
    pictures: Callable[[Findings], dict[str, RgbImage | None]]


DETAILS = "details.md"
SECTIONS = (
    *(Section(real.title, real.text, real.details, real.pictures) for real in (NYU, MFNET)),
    *(
        Section(module.TITLE, module.text, module.details, module.pictures)
        for module in (section_sensors, section_parts, section_faults)
    ),
)


def write_page(results: Results, page: Path) -> None:
    """Writes the page, and next to it a folder of its name with the details, pictures and
    results.json.

    Raises OutputError where writing fails.
    """
    folder, findings = page.with_suffix(""), Findings(results)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    parts = ["# Results", *_opening(results, folder.name)]
    more = ["# Results in detail", f"Behind [the results](../{page.name})."]
    for i, section in enumerate(SECTIONS, 1):
        pictures = [
            name
            for name, image in section.pictures(findings).items()
            if _kept(folder / name, image)
        ]
        title = f"## {i}. {section.title}"
        parts += [title, *section.text(findings)]
        more += [title, *section.details(findings)]
        more += [f"![{section.title}]({name})" for name in pictures]
    parts += ["## Make it again", *_again(results)]
    more += ["## Every run", *appendix(results)]
    write_results(results, folder / RESULTS)
    for path, paragraphs in ((page, parts), (folder / DETAILS, more)):
        write_whole(path, ("\n\n".join(part for part in paragraphs if part) + "\n").encode())


def _kept(path: Path, image: RgbImage | None) -> bool:
    """Writes the picture, or removes an earlier one where there is none now."""
    if image is None:
        path.unlink(missing_ok=True)
        return False
    write_png(path, image)
    return True


def _opening(results: Results, folder: str) -> list[str]:
    recipe = results.plan["recipe"]
    optimiser, crop = recipe["optimiser"], recipe["augment"]["crop"]
    missing = not_run(results)
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
        f"all of it again: {_hours(results)} CPU hours{' so far' if missing else ''}. Classes, "
        f"conditions, pictures and every run are in [details]({folder}/{DETAILS}), the figures in "
        f"[{RESULTS}]({folder}/{RESULTS}).",
        "Brief trainings of a small model say which of two is better under one budget, not how "
        "good either can get. Unless their row says otherwise, all start from ImageNet weights "
        f"of {recipe['model']['preset']}, RGB alone too; sides of a question differ in nothing "
        f"but what their row names. On streets they take {optimiser['steps']} steps of "
        f"{optimiser['batch']} crops of {crop[1]}x{crop[0]}. Scores: "
        f"{results.protocol or NOT_RUN}.",
        "A figure is the mean over the seeds ± half the range between them. Something *pays* "
        f"where each seed with it is above each seed without, and by at least {LEAST:g}; of two "
        "seeds a side, chance alone does that in one case of six. One seed gives no verdict.",
        missing,
    ]


def _again(results: Results) -> list[str]:
    return [
        _COMMANDS,
        f"The plan expects {results.expected_s / 3600:.1f} CPU hours, in as many processes of one "
        "thread at once as there are cores. After Ctrl-C, SIGTERM or a power cut the same call "
        "goes on: what is done is kept, and a training continues from its last checkpoint. A job "
        "that fails does not stop the others, and its log is named at the end. The plan is "
        "`experiments/plan.yaml`, and `--plan` takes another; results of one plan are "
        "never taken for another's, nor those of one dataset's lists for those of others. "
        "`python -m experiments --help` has the rest, such as writing this page from the "
        "figures alone.",
    ]


def _hours(results: Results) -> str:
    runs = [cost for run in results.runs for cost in (run.training, *run.others)]
    costs = [*(rendered.cost for rendered in results.data), *runs]
    return f"{sum(cost.cpu_s for cost in costs) / 3600:.1f}"
