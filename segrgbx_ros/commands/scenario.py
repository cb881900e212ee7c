# SPDX-License-Identifier: Apache-2.0
"""`segrgbx replay --scenario`: replays a recording with a growing fault and draws the curve."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segrgbx_core.commands.runs.fail_under import FailUnder
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_ros.replay.options import Progress, ReplayOptions
    from segrgbx_ros.scenarios.kinds import Scenario
    from segrgbx_ros.scenarios.result import ScenarioResult


def add_scenario(parser: argparse.ArgumentParser) -> None:
    """Adds --scenario and --seed to the parser of `segrgbx replay`."""
    group = parser.add_argument_group(
        "a fault of X",
        "Replays at each of several levels, each into its folder of --out, and writes\n"
        "scenario.json and the curve, scenario.png, with RGB alone as its floor. It needs ground\n"
        "truth.",
    )
    group.add_argument(
        "--scenario",
        metavar="KIND[=L,..]",
        help="dropped (share of the time without X, in spans of a second), late (seconds that X "
        "arrives after its stamp), shifted (seconds that its stamps are off), noisy (standard "
        "deviation over X's usual range) or turned (degrees about the optical axis); with levels "
        "such as late=0.1,0.3",
    )
    group.add_argument(
        "--seed", type=int, default=0, help="of what --scenario draws at random (default: 0)"
    )


def run_scenario_command(
    args: argparse.Namespace, options: "ReplayOptions", asked: "FailUnder | None"
) -> int:
    """Runs the levels with progress bars, prints the table and writes the result.

    asked: thresholds, which are refused.
    """
    from segrgbx_core.commands.evaluate_table import print_curve
    from segrgbx_core.commands.terminal import notices, output
    from segrgbx_core.errors import InputError
    from segrgbx_core.segmenter import Segmenter
    from segrgbx_ros.scenarios.kinds import Scenario
    from segrgbx_ros.scenarios.result import CURVE_FILE, write_result

    scenario = Scenario.from_text(args.scenario)
    if args.resume:
        raise InputError(
            "--scenario runs several replays and --resume goes on with one; give one."
        )
    if asked is not None:
        raise InputError(
            "--fail-under is for the scores of one replay and --scenario runs several; give one."
        )
    if args.seed < 0:
        raise InputError(f"--seed is {args.seed}; expected 0 or more.")
    segmenter = Segmenter(
        options.model,
        options.device,
        options.precision,
        label_set=options.label_set,
        backend=options.backend,
    )
    result = _run(options, scenario, segmenter, args.seed)
    write_result(result, options.out)
    print_curve(output(), result.curve, result.rgb_alone)
    output().print(f"look at {options.out / CURVE_FILE}", soft_wrap=True)
    for name, value in result.settings.items():
        notices().print(f"segrgbx: scenario {scenario.kind} sets {name} to {value}.")
    return 0


def _run(
    options: "ReplayOptions", scenario: "Scenario", segmenter: "Segmenter", seed: int
) -> "ScenarioResult":
    from segrgbx_core.commands.terminal import progress
    from segrgbx_core.stopping import StopRequest
    from segrgbx_ros.replay.report import write_report
    from segrgbx_ros.scenarios.run import Watching, run_scenario

    with progress() as bar, StopRequest() as stop:
        task = bar.add_task(scenario.kind, total=None)

        def on_level(name: str) -> None:
            bar.reset(task, description=name, total=None)

        def on_frame(state: "Progress") -> None:
            bar.update(task, completed=state.rgb_seen, total=state.rgb_total)

        def finished(folder: Path) -> None:
            write_report(folder)

        watching = Watching(on_level, on_frame, finished, lambda: stop.asked)
        return run_scenario(options, scenario, segmenter, seed, watching)
