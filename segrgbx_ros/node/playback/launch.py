# SPDX-License-Identifier: Apache-2.0
"""`ros2 launch segrgbx_ros replay.launch.py`: a recording through the live node, then scored.

This runs in ROS's own Python, which need not have numpy: what must be known of the recording is
asked of `segrgbx_live --plan`.
"""

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit, OnProcessIO
from launch.events.process import ProcessExited, ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from segrgbx_ros.node.launch import (
    NUMBERS,
    TEXTS,
    Once,
    declared,
    flag,
    node_actions,
    node_arguments,
)

OWN = {
    "bag": (None, "the bag to segment (sqlite3 or MCAP)"),
    "out": (None, "folder for masks, summary and report"),
    "modality": ("thermal", "sensor beside RGB"),
    "live": ("true", "play the bag through the live node; false: segrgbx replay, without ROS"),
    "rate": ("1.0", "times the recorded pace; slow, with scheduling:=all, no frame is lost"),
    "score": ("", "further options of segrgbx replay, such as '--gt-topic /truth --no-rgb-alone'"),
    "params_file": ("", "the node's parameters (YAML); empty: those of segrgbx replay"),
    "rgb_topic": ("", "the bag's RGB topic; empty: by type and name"),
    "x_topic": ("", "the bag's topic of the second sensor; empty: by type and name"),
}
PASSED_ON = ("model", "label_set", "device", "backend")
OF_NODE = (*PASSED_ON, "scheduling", "output_size", "missing_x", *NUMBERS)
NODE = "/segrgbx"
WAITS = "Waits for"
QUEUED = 100
RECORDED = ("mask", "confidence", "status")


def replay_launch() -> LaunchDescription:
    """The launch description of replay.launch.py."""
    described = {
        **OWN,
        **{name: ("", TEXTS[name]) for name in OF_NODE if name in TEXTS},
        **{name: ("", text) for name, (_, text) in NUMBERS.items()},
    }
    return LaunchDescription([*declared(described), OpaqueFunction(function=_replay)])


def _replay(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    told = {name: str(LaunchConfiguration(name).perform(context)) for name in (*OWN, *OF_NODE)}
    if not flag(told["live"], "live"):
        offline = _scoring(told, _options({n: told[n] for n in ("missing_x", *NUMBERS)}))
        return [offline, *_at_ends({offline: _on_scored})]
    out = Path(told["out"])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RuntimeError(f"out:={out} holds files already; choose another folder.")
    plan = _plan(told)
    _configure(context, told, plan)
    more = {f"qos_overrides.{NODE}/{name}.publisher.depth": QUEUED for name in RECORDED} | {
        k: v for k, v in plan["parameters"].items() if "." in k
    }
    actions = node_actions(context, told["modality"], more)
    return _session(told, plan, actions)


def _plan(told: Mapping[str, str]) -> dict[str, Any]:
    """What is played. Raises RuntimeError with the sentence on what is wrong with the bag."""
    done = subprocess.run(
        [*_live_command(told), "--plan"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"segrgbx_live ended with {done.returncode}"]
        raise RuntimeError(lines[-1])
    plan: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return plan


def _live_command(told: Mapping[str, str]) -> list[str]:
    program = Path(get_package_prefix("segrgbx_ros")) / "lib" / "segrgbx_ros" / "segrgbx_live"
    topics = _options({name: told[name] for name in ("rgb_topic", "x_topic")})
    fixed = ["--bag", told["bag"], "--modality", told["modality"], "--rate", told["rate"]]
    return [str(program), *fixed, *topics]


def _configure(context: LaunchContext, told: Mapping[str, str], plan: Mapping[str, Any]) -> None:
    """Sets the arguments of the node's launch."""
    parameters = {k: v for k, v in plan["parameters"].items() if "." not in k}
    chosen = {
        **parameters,
        "rgb_topic": plan["rgb"],
        "x_topic": plan["x"],
        "use_sim_time": "true",
        "rgb_reliability": "reliable",
        "x_reliability": "reliable",
        "namespace": "",
    }
    if not told["slop"] and not told["params_file"] and plan["slop"] is not None:
        chosen["slop"] = repr(plan["slop"])
    context.launch_configurations.update(chosen)
    for argument in node_arguments(told["modality"]):
        argument.execute(context)


def _session(
    told: Mapping[str, str], plan: Mapping[str, Any], actions: list[LaunchDescriptionEntity]
) -> list[LaunchDescriptionEntity]:
    """The playback, the node once there is a clock, and then, without it, the scoring."""
    node = actions[-1]
    masks = str(Path(told["out"]) / "live")
    player = ExecuteProcess(
        name="segrgbx_live",
        output="screen",
        cmd=[*_live_command(told), "--node", NODE, "--record", masks],
    )
    slop = told["slop"] or ("" if plan["slop"] is None else repr(plan["slop"]))
    pairs = {"slop": slop, "x_time_offset": told["x_time_offset"]}
    scoring = _scoring(told, ["--masks", masks, "--force", *_options(pairs)])
    end = EmitEvent(event=ShutdownProcess(process_matcher=lambda process: process is node))
    played: list[bool] = []

    def on_played(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if context.is_shutdown:
            return []
        _need_success(event, "The playback")
        played.append(True)
        return [end, LogInfo(msg=f"Scores the masks in {masks}."), scoring]

    def on_node_end(_event: ProcessExited, context: LaunchContext) -> None:
        if not played and not context.is_shutdown:
            raise RuntimeError("The node ended before the bag did; see its lines above.")

    begun = OnProcessIO(target_action=player, on_stderr=Once(WAITS, actions))
    ends = _at_ends({player: on_played, node: on_node_end, scoring: _on_scored})
    return [player, RegisterEventHandler(begun), *ends]


def _at_ends(
    actions: Mapping[Any, Callable[[ProcessExited, LaunchContext], Any]],
) -> list[LaunchDescriptionEntity]:
    return [
        RegisterEventHandler(OnProcessExit(target_action=action, on_exit=then))
        for action, then in actions.items()
    ]


def _on_scored(event: ProcessExited, context: LaunchContext) -> LaunchDescriptionEntity | None:
    if context.is_shutdown:
        return None
    _need_success(event, "segrgbx replay")
    return Shutdown(reason="the replay is done")


def _need_success(event: ProcessExited, what: str) -> None:
    if event.returncode:
        raise RuntimeError(f"{what} ended with status {event.returncode}, as said above.")


def _scoring(told: Mapping[str, str], more: Sequence[str]) -> ExecuteProcess:
    """`segrgbx replay` with the launch's arguments."""
    named = {name: told[name] for name in (*PASSED_ON, "rgb_topic", "x_topic")}
    return ExecuteProcess(
        name="segrgbx_replay",
        output="screen",
        cmd=[
            ExecutableInPackage(package="segrgbx_ros", executable="segrgbx"),
            "replay",
            told["bag"],
            "--modality",
            told["modality"],
            "--out",
            told["out"],
            *_options(named),
            *more,
            *shlex.split(told["score"]),
        ],
    )


def _options(values: Mapping[str, str]) -> list[str]:
    """Options of the command line for the values that are not empty."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value]
