# SPDX-License-Identifier: Apache-2.0
"""What a scenario leaves beside the runs of its levels: `scenario.json` and a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from segrgbx_core.evaluation.charts import curve_picture
from segrgbx_core.evaluation.summary import CurveFacts
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.images import write_png

SCENARIO_FORMAT = 1
SCENARIO_FILE, CURVE_FILE = "scenario.json", "scenario.png"


@dataclass(frozen=True)
class ScenarioResult:
    """The scores of one recording under one fault of X.

    curve: mean IoU at each level, with RGB alone on the frames of level 0. rgb_alone: its mean IoU
    by condition, empty where it was not scored. folders: of the levels' runs in the output folder,
    in the order of the levels. settings: what the scenario itself set, for every level. seed: of
    spans and noise.
    """

    format: int
    recording: str
    model: str
    modality: str
    curve: CurveFacts
    rgb_alone: Mapping[str, float | None]
    folders: Sequence[str]
    settings: Mapping[str, str | float]
    seed: int

    def to_json(self) -> str:
        """The text of `scenario.json`; keys are the fields' names."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def write_result(result: ScenarioResult, out: Path) -> None:
    """Writes the file and the curve as a picture. Raises OutputError where the disk refuses."""
    write_whole(out / SCENARIO_FILE, result.to_json().encode())
    title = f"{result.model}: {result.curve.title}"
    write_png(out / CURVE_FILE, curve_picture(result.curve, title))
