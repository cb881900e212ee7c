# SPDX-License-Identifier: Apache-2.0
"""Gathers the node's state into the facts that findings and diagnostics look at."""

import time
from collections import deque
from typing import Protocol

from rclpy.clock import ClockType
from rclpy.node import Node

from segrgbx_ros.node.health.health import Health, InputHealth
from segrgbx_ros.node.model import NodeModel
from segrgbx_ros.node.outputs import Outputs
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.run import LiveRun

LOOKS_BACK = 5


class NodeState(Protocol):
    """What the report needs of the node."""

    settings: NodeSettings
    state_name: str
    state_since: float
    failure: str | None
    run: LiveRun | None
    model: NodeModel | None
    outputs: Outputs | None


class HealthReport:
    """The facts now; called about once a second, since it counts what came in the last looks."""

    def __init__(self, node: Node, state: NodeState) -> None:
        self._node, self._state = node, state
        self._run: LiveRun | None = None
        self._matched: deque[tuple[int, int]] = deque(maxlen=LOOKS_BACK + 1)

    def __call__(self) -> Health:
        state, run = self._state, self._state.run
        inputs = [source.health() for source in run.inputs] if run is not None else []
        paired, without_x = self._newly_matched(run)
        spreads = {} if run is None else {s: v.spread() for s, v in run.stage_ms.items()}
        return Health(
            node=self._node.get_fully_qualified_name(),
            state=state.state_name,
            state_s=time.monotonic() - state.state_since,
            enabled=run is None or run.enabled,
            modality=state.settings.modality,
            missing_x=state.settings.missing_x,
            slop_s=state.settings.sync_slop,
            x_time_offset_s=state.settings.sync_x_time_offset,
            sim_time_missing=self._sim_time_missing(),
            failure=state.failure,
            inputs=inputs,
            outputs=None if state.outputs is None else state.outputs.health(),
            model=None
            if state.model is None
            else state.model.health(0 if run is None else run.worker.defects),
            pairs_hz=0.0 if run is None else run.pair_rate.hz(),
            new_paired=paired,
            new_without_x=without_x,
            skew_ms=None if run is None else run.skew_ms.spread(),
            age_ms=None if run is None else run.age_ms.spread(),
            stage_ms={stage: spread for stage, spread in spreads.items() if spread is not None},
            clock_apart_s=_apart(inputs),
            x_state="inactive" if run is None else run.x_state(),
            drops={} if run is None else run.dropped(),
            x_drops={} if run is None else run.x_dropped(),
            frames_segmented=0 if run is None else run.pipeline.segmented,
            restarts=0 if run is None else run.sync.pairing.restarts,
            refusal=None if run is None else run.refusal(),
            doubt=None if run is None else run.doubt,
        )

    def _newly_matched(self, run: LiveRun | None) -> tuple[int, int]:
        """Images that found an X and that found none, in the last looks at this run."""
        if run is not self._run:
            self._run = run
            self._matched.clear()
        if run is None:
            return 0, 0
        pairing = run.sync.pairing
        self._matched.append((pairing.paired, pairing.without_x))
        before, now = self._matched[0], self._matched[-1]
        return now[0] - before[0], now[1] - before[1]

    def _sim_time_missing(self) -> bool:
        clock = self._node.get_clock()
        simulated = clock.clock_type == ClockType.ROS_TIME and clock.ros_time_is_active
        return bool(simulated and clock.now().nanoseconds == 0)


def _apart(inputs: list[InputHealth]) -> float | None:
    """X's stamps minus RGB's as seen against the arrivals, in seconds."""
    if len(inputs) < 2:
        return None
    rgb, x = inputs[0].stamp_lag_s, inputs[1].stamp_lag_s
    return None if rgb is None or x is None else rgb - x
