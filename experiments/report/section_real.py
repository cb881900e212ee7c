# SPDX-License-Identifier: Apache-2.0
"""The first two questions: real rooms with depth, real streets with thermal images."""

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.gather import RGB
from experiments.report.charts import Row, dot_chart
from experiments.report.figures import (
    NOT_RUN,
    BySeed,
    Findings,
    cell,
    difference,
    figure,
    gain_cell,
)
from experiments.report.tables import Line, compared, markdown
from experiments.report.wording import reached, sentence, standing, verdict
from segrgbx_core.evaluation.summary import ALL
from segrgbx_core.pictures.sheet import COLORS
from segrgbx_core.readings import RgbImage


@dataclass(frozen=True)
class RealQuestion:
    """One real dataset. asked: what, in a sentence. models: runs and their names, the first with
    all parts, the last RGB alone. columns: conditions. beside: published or other figures, in
    words. option: of make, that names its folder. aim: for the first model, its mean IoU and its
    lead over RGB alone. labelled: whether a column leaves out the classes of no label. closer: a
    condition, and classes whose IoU in it follows the words, with the IoU to be above."""

    title: str
    asked: str
    sensor: str
    models: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    beside: str
    option: str
    picture: str
    aim: tuple[float, float]
    labelled: bool = False
    closer: tuple[str, Mapping[str, float]] | None = None

    def text(self, findings: Findings) -> list[str]:
        """The scores, and what they say."""
        if not any(findings.of(run) and self._miou(findings, run) for run, _ in self.models):
            return [self.asked, f"{NOT_RUN.capitalize()}: `make results {self.option}` runs it."]
        head = ["model", *self.columns]
        head[2:2] = [f"{ALL}, labelled classes"] if self.labelled else []
        head += [f"{ALL}, its own RGB alone", "seeds"]
        head += ["minus RGB alone", "training, CPU hours"]
        alone = self.models[-1][0]
        lines = []
        for run, name in self.models:
            own = {} if run == alone else findings.miou(run, RGB)
            gain = (
                "" if run == alone else gain_cell(*(self._miou(findings, r) for r in (run, alone)))
            )
            values = [self._miou(findings, run, column) for column in self.columns]
            if self.labelled:
                values.insert(1, findings.labelled(run, self._place(run)))
            lines.append(Line((name,), (*values, own), (gain, _hours(findings, run))))
        rows = [
            [
                value if value != NOT_RUN or i <= len(self.columns) + self.labelled else ""
                for i, value in enumerate(row)
            ]
            for row in compared(lines)
        ]
        return [
            self.asked,
            markdown(head, rows),
            self.beside,
            self._closer(findings),
            "\n".join(self._sentences(findings)),
        ]

    def details(self, findings: Findings) -> list[str]:
        """IoU of each class."""
        groups = [
            scores[ALL]
            for run, _ in self.models
            for measured in findings.of(run)
            for scores in measured.scores.values()
        ]
        names = list(dict.fromkeys(name for group in groups for name in group.classes))
        if not names:
            return []
        parts = []
        for condition in self.columns:
            where = "" if condition == ALL else f", {condition}"
            head = ["class", *(name for _, name in self.models)]
            rows = [
                [name.replace("_", " "), *(cell(v) if v else "-" for v in values)]
                for name in names
                for values in (self._class(findings, name, condition),)
            ]
            parts += [f"IoU of each class{where}:", markdown(head, rows)]
        return parts

    def _closer(self, findings: Findings) -> str:
        """A table of the classes' IoU in the condition, a row for each model."""
        if self.closer is None:
            return ""
        condition, names = self.closer
        columns = [self._class(findings, name, condition) for name in names]
        rows = zip(*columns, strict=True)
        lines = [
            Line((model,), values) for (_, model), values in zip(self.models, rows, strict=True)
        ]
        return markdown([f"model, {condition}", *names, "seeds"], compared(lines))

    def _class(self, findings: Findings, name: str, condition: str) -> list[BySeed]:
        """IoU of the class by each model."""
        return [findings.iou(run, self._place(run), name, condition) for run, _ in self.models]

    def pictures(self, findings: Findings) -> dict[str, RgbImage | None]:
        """Means over the test split."""
        rows = [
            Row(name.replace("`", ""), self._miou(findings, run), COLORS[min(i, 1)])
            for i, (run, name) in enumerate(self.models[:-1])
        ]
        run, name = self.models[-1]
        chart = dot_chart(f"{self.title}, test split", rows, (name, self._miou(findings, run)))
        return {self.picture: chart}

    def _place(self, run: str) -> str:
        return RGB if run == self.models[-1][0] else self.sensor

    def _miou(self, findings: Findings, run: str, condition: str = ALL) -> BySeed:
        return findings.miou(run, self._place(run), condition)

    def _sentences(self, findings: Findings) -> list[str]:
        said, (full, name) = [], self.models[0]
        own = self._miou(findings, full)
        alone = self._miou(findings, self.models[-1][0])
        said += sentence(f"{name} against RGB alone", ("", verdict(difference(own, alone))))
        said += sentence(
            f"aim, {name}",
            (f"at least {self.aim[0]:g}", reached(figure(own), self.aim[0])),
            (
                f"at least {self.aim[1]:g} above RGB alone",
                reached(difference(own, alone), self.aim[1]),
            ),
        )
        if self.closer is not None:
            where, aims = self.closer
            parts = [
                (
                    f"{known} above {aim:.3f}",
                    reached(figure(findings.iou(full, self.sensor, known, where)), aim),
                )
                for known, aim in aims.items()
            ]
            said += sentence(f"aim, {name}, {where}", *parts)
        others = [
            (f"against {other}", standing(difference(own, self._miou(findings, run))))
            for run, other in self.models[1:-1]
        ]
        return said + sentence(name, *others)


def _hours(findings: Findings, run: str) -> str:
    """CPU hours of a training, the mean of its seeds."""
    done = [m.training.cpu_s for m in findings.of(run) if m.training.state == "done"]
    return f"{sum(done) / len(done) / 3600:.2f}" if done else ""


NYU = RealQuestion(
    title="Real rooms with depth",
    asked="Does depth help on a full real benchmark, from ImageNet weights on a CPU? NYUDepthV2, "
    "official split, 795 frames to learn from, 654 to be scored on, 40 classes, one pass, the "
    "weights of the last step.",
    sensor="depth",
    models=(
        ("nyu_segrgbx", "RGB-D, all parts"),
        ("nyu_none", "RGB-D, without parts"),
        ("nyu_cmx", "RGB-D, `cmx`"),
        ("nyu_rgb_only", "RGB alone"),
    ),
    columns=(ALL,),
    beside="Published, with larger encoders and hundreds of epochs on GPUs: SegRGB-X 0.478, "
    "CMX-B2 0.541.",
    option="NYU=/path/to/nyudepthv2",
    picture="nyu.png",
    aim=(0.36, 0.02),
)

MFNET = RealQuestion(
    title="Real streets with thermal images",
    asked="Does a thermal camera help on real streets, by day and by night? MFNet, the lists in "
    "the folder that was given, which need not be the papers'; the best weights are chosen on "
    "its val list. Class `unlabeled` counts, as its owners have it. A class that no label has "
    "counts as 0 in a mean once it is predicted, and is left out of the column of labelled "
    "classes.",
    sensor="thermal",
    models=(
        ("mfnet_segrgbx", "RGB-T, all parts"),
        ("mfnet_none", "RGB-T, without parts"),
        ("mfnet_segrgbx_plain", "RGB-T, all parts, rare classes weighted less"),
        ("mfnet_segrgbx_rooms", "RGB-T, all parts, from rooms with depth"),
        ("mfnet_segrgbx_real", "RGB-T, all parts, from `models/real`"),
        ("mfnet_rgb_only", "RGB alone"),
    ),
    columns=(ALL, "day", "night"),
    beside="IoU at night. From the same RGB images a Cityscapes segmenter that never saw MFNet "
    "reads car 0.004, person 0.015 and bike 0.467, and by day 0.469, 0.485 and 0.593 "
    "(`python -m experiments.teach MFNET SEGMENTER.tflite --score --split test`).",
    option="MFNET=/path/to/mfnet",
    picture="mfnet.png",
    aim=(0.33, 0.03),
    labelled=True,
    closer=("night", {"car": 0.004, "person": 0.015, "bike": 0.467}),
)
