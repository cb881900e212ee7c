# SPDX-License-Identifier: Apache-2.0
"""Replays one recording at each level of a scenario."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segrgbx_core import Segmenter
from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.reading_noise import NoiseMeter, NoiseUnit
from segrgbx_core.evaluation.summary import ALL, CurveFacts, GroupScores
from segrgbx_core.files.disk import claim_output
from segrgbx_core.modality import NO_X
from segrgbx_core.stopping import StoppedError
from segrgbx_ros.replay.options import Progress, ReplayOptions, Stopping
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary
from segrgbx_ros.scenarios.faults import Faults, Variant, facts_of
from segrgbx_ros.scenarios.kinds import Scenario
from segrgbx_ros.scenarios.noise import MeteredReadings
from segrgbx_ros.scenarios.result import SCENARIO_FORMAT, ScenarioResult

LIVE_TIMEOUT_S = 0.1
"""The live node's wait for a late X, which a replay has only if it is asked for."""


@dataclass(frozen=True)
class Watching:
    """Who hears of a scenario: level: before each replay, with its name; progress: of one;
    finished: after each, with its folder; stopping: as of a replay."""

    level: Callable[[str], None] = lambda _name: None
    progress: Callable[[Progress], None] | None = None
    finished: Callable[[Path], None] = lambda _folder: None
    stopping: Stopping = lambda: None


def run_scenario(
    options: ReplayOptions,
    scenario: Scenario,
    segmenter: Segmenter,
    seed: int = 0,
    watching: Watching | None = None,
) -> ScenarioResult:
    """Replays the recording at each level, each into its folder of options.out.

    An RGB image without X is segmented alone unless options.sync holds the last X, so that every
    level scores the same frames; scenario "late" waits for X as long as the live node does, unless
    options.sync says how long. RGB alone is scored once, at level 0, as options.truth says.
    Raises InputError for a recording without ground truth or options without X, StoppedError if a
    replay was stopped, and what `replay` raises.
    """
    if options.modality == NO_X:
        raise InputError("A scenario spoils X, but modality none has none; name the modality.")
    claim_output(options.out, options.force)
    told = scenario_settings(options, scenario)
    base = with_settings(options, told)
    runs = _Runs(base, scenario, segmenter, seed, watching or Watching())
    summaries = [runs.level(level) for level in scenario.levels]
    return ScenarioResult(
        format=SCENARIO_FORMAT,
        recording=str(options.bag),
        model=summaries[0].model,
        modality=options.modality,
        curve=_curve(scenario, summaries, runs.unit),
        rgb_alone=_miou_by_group(summaries[0].rgb_alone),
        folders=[level_name(scenario.kind, level) for level in scenario.levels],
        settings=told,
        seed=seed,
    )


def scenario_settings(options: ReplayOptions, scenario: Scenario) -> dict[str, str | float]:
    """The pairing settings that the scenario changes, by name."""
    told: dict[str, str | float] = {}
    if options.sync.missing_x == "drop":
        told["missing_x"] = "rgb_only"
    if scenario.kind == "late" and options.sync.x_timeout_s is None:
        told["x_timeout_s"] = LIVE_TIMEOUT_S
    return told


def with_settings(options: ReplayOptions, told: Mapping[str, str | float]) -> ReplayOptions:
    """The options with those settings of `scenario_settings`."""
    sync = options.sync
    if "missing_x" in told:
        sync = replace(sync, missing_x="rgb_only")
    if "x_timeout_s" in told:
        sync = replace(sync, x_timeout_s=LIVE_TIMEOUT_S)
    return replace(options, sync=sync)


def level_name(kind: str, level: float) -> str:
    """The name of a level's folder."""
    return f"{kind}_{level:g}"


class _Runs:
    """The replays of one scenario, one after the other."""

    def __init__(
        self,
        options: ReplayOptions,
        scenario: Scenario,
        segmenter: Segmenter,
        seed: int,
        watching: Watching,
    ) -> None:
        facts = facts_of(options, scenario.kind)
        self._options = replace(options, fit_slop=False, sync=facts.sync)
        self._scenario, self._segmenter, self._watching = scenario, segmenter, watching
        self._faults = Faults(scenario.kind, facts, seed)
        self._meter = NoiseMeter(options.modality)
        self._done = 0

    @property
    def unit(self) -> NoiseUnit | None:
        """Of a level, known after the first one."""
        return self._faults.unit

    def level(self, level: float) -> ReplaySummary:
        """Replays with the fault of that level. The first level is the recording as it is."""
        variant = self._variant(level)
        summary = self._run(variant)
        if summary.miou is None:
            raise InputError(
                f"{self._options.bag} has no ground truth that could be scored, so there is no "
                "curve to draw; name its topic with --gt-topic, or its folder with --gt-folder."
            )
        if self._scenario.kind == "noisy" and level == 0:
            self._faults.unit = self._meter.unit
        return summary

    def _run(self, variant: Variant) -> ReplaySummary:
        self._watching.level(variant.name)
        summary = replay(
            variant.options,
            self._watching.progress,
            self._segmenter,
            self._watching.stopping,
            variant.opened,
            variant.encode_through,
        )
        if summary.interrupted is not None:
            raise StoppedError(
                f"Stopped during {variant.name}, after {self._done} whole replays; their folders "
                f"are in {self._options.out}."
            )
        self._done += 1
        self._watching.finished(variant.options.out)
        return summary

    def _variant(self, level: float) -> Variant:
        out = self._options.out / level_name(self._scenario.kind, level)
        truth, files = self._options.truth, self._options.files
        rrd, video = (path and out / path.name for path in (files.rrd, files.video))
        options = replace(
            self._options,
            out=out,
            truth=replace(truth, rgb_alone=truth.rgb_alone and level == 0),
            files=replace(files, rrd=rrd, video=video),
        )
        plain = Variant(f"{self._scenario.row.title}, {level:g}", options)
        if level:
            return self._faults.on(plain, level)
        return replace(plain, encode_through=lambda encoder: MeteredReadings(encoder, self._meter))


def _curve(
    scenario: Scenario, summaries: Sequence[ReplaySummary], unit: NoiseUnit | None
) -> CurveFacts:
    by_level = [_miou_by_group(summary.scores) for summary in summaries]
    return CurveFacts(
        kind=scenario.kind,
        title=scenario.row.title,
        axis=scenario.row.axis,
        unit=None if unit is None else f"{unit.value:.4g} {unit.words}",
        levels=scenario.levels,
        miou={name: [level.get(name) for level in by_level] for name in by_level[0]},
        rgb_alone_miou=_miou_by_group(summaries[0].rgb_alone).get(ALL),
        frames=summaries[0].frames_scored,
    )


def _miou_by_group(scores: Mapping[str, GroupScores] | None) -> dict[str, float | None]:
    return {name: group.miou for name, group in (scores or {}).items()}
