# SPDX-License-Identifier: Apache-2.0
"""Collects the facts about the node for findings and diagnostics."""

import time
from typing import Protocol

from rclpy.clock import ClockType
from rclpy.node import Node

from segrgbx_ros.node.health.health import Health, RunHealth
from segrgbx_ros.node.model import NodeModel
from segrgbx_ros.node.outputs import NodeOutputs
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.run import LiveRun


class NodeState(Protocol):
    """What the report needs from the node."""

    settings: NodeSettings
    state_name: str
    state_since: float
    failure: str | None
    run: LiveRun | None
    model: NodeModel | None
    outputs: NodeOutputs | None
    callback_defects: int


class HealthReport:
    """The current facts. Called about once per second, like `LiveRun.health`."""

    def __init__(self, node: Node, state: NodeState) -> None:
        self._node, self._state = node, state

    def __call__(self) -> Health:
        state = self._state
        run = RunHealth() if state.run is None else state.run.health()
        return Health(
            node=self._node.get_fully_qualified_name(),
            state=state.state_name,
            state_s=time.monotonic() - state.state_since,
            modality=state.settings.modality,
            missing_x=state.settings.missing_x,
            slop_s=state.settings.sync_slop,
            x_time_offset_s=state.settings.sync_x_time_offset,
            x_timeout_s=state.settings.sync_x_timeout,
            sim_time_missing=self._sim_time_missing(),
            failure=state.failure,
            callback_defects=state.callback_defects,
            outputs=None if state.outputs is None else state.outputs.health(),
            model=None if state.model is None else state.model.health(run.defects),
            run=run,
        )

    def _sim_time_missing(self) -> bool:
        clock = self._node.get_clock()
        simulated = clock.clock_type == ClockType.ROS_TIME and clock.ros_time_is_active
        return bool(simulated and clock.now().nanoseconds == 0)
