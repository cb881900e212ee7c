# SPDX-License-Identifier: Apache-2.0
"""The live node: the lifecycle of the model, the inputs and the outputs."""

import logging
import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from segrgbx_core.errors import InputError, SegRgbxError
from segrgbx_core.modality import MODALITIES
from segrgbx_core.wording import printable
from segrgbx_ros.node.health.diagnostics import Diagnostics
from segrgbx_ros.node.health.gather import HealthReport
from segrgbx_ros.node.health.ros_logging import RosLogHandler
from segrgbx_ros.node.model import ModelPool, NodeModel
from segrgbx_ros.node.outputs import NodeOutputs
from segrgbx_ros.node.parameters.parameter_server import ParameterServer
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.run import LiveRun
from segrgbx_ros.node.survival import answer_all_transitions, loading

log = logging.getLogger("segrgbx")

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class SegmentationNode(LifecycleNode):
    """Node `segrgbx`.

    configure loads the model and creates the outputs; activate subscribes and segments; deactivate
    frees the device's memory. With `autostart` the first two run automatically. pool: the models
    that several nodes of a process share. Raises InputError for invalid parameters.
    """

    def __init__(
        self, name: str = "segrgbx", pool: ModelPool | None = None, **node_options: Any
    ) -> None:
        super().__init__(name, **node_options)
        answer_all_transitions(self)
        self.callback_defects = 0
        self._pool = pool or ModelPool()
        self.model: NodeModel | None = None
        self.outputs: NodeOutputs | None = None
        self.run: LiveRun | None = None
        self.failure: str | None = None
        self.state_name, self.state_since = "unconfigured", time.monotonic()
        self._enabled = True
        self._server = ParameterServer(
            self, self._on_change, lambda: self.state_name == "unconfigured"
        )
        self._log_handler = RosLogHandler(self.get_logger(), self.context.ok)
        self._service = self.create_service(SetBool, "~/enable", self._on_enable)
        self._diagnostics = Diagnostics(self, HealthReport(self, self))
        if self.settings.autostart:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._start_timer = self.create_timer(0.0, self._autostart, clock=steady)

    @property
    def settings(self) -> NodeSettings:
        """The current parameters."""
        return self._server.settings

    def destroy_node(self) -> None:
        """Stops the worker before it destroys the node."""
        self._stop_run()
        self._log_handler.detach()
        super().destroy_node()

    def on_configure(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Loads and warms up the model, creates the publishers, publishes the class names."""
        return self._transition("configure", "inactive", self._configure)

    def on_activate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes and starts to segment."""
        return self._transition("activate", "active", self._activate)

    def on_deactivate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribes, and frees the device's memory."""
        return self._transition("deactivate", "inactive", self._deactivate)

    def on_cleanup(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Releases the model and removes the outputs."""
        return self._transition("clean up", "unconfigured", self._clean)

    def on_shutdown(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Like cleanup, from any state."""
        return self._transition("shut down", "finalized", self._clean)

    def on_error(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """After an unexpected error in a transition: releases everything, back to unconfigured."""
        return self._transition("recover", "unconfigured", self._clean, keep_failure=True)

    def _transition(
        self, verb: str, goal: str, step: Callable[[], None], keep_failure: bool = False
    ) -> TransitionCallbackReturn:
        """Runs the step. A user error fails with its sentence, another error with its trace."""
        try:
            step()
        except SegRgbxError as err:
            self.failure = f"Cannot {verb}: {err}"
            self._diagnostics.update()
            return FAILURE
        except Exception as err:
            if not self.context.ok():
                return FAILURE
            self.failure = f"Cannot {verb} because of an unexpected error: {err!r}; see the log."
            log.exception(self.failure)
            return TransitionCallbackReturn.ERROR
        if not keep_failure:
            self.failure = None
        self.state_name, self.state_since = goal, time.monotonic()
        return SUCCESS

    def _configure(self) -> None:
        if not self.settings.modality:
            raise InputError(
                "parameter modality is not set; expected one of "
                f"{', '.join(MODALITIES)}, none (the launch files set it)."
            )
        LiveRun.check(self.settings)
        with loading():
            self.model = NodeModel(self.settings, self._pool)
        assert self.model.segmenter is not None
        self.outputs = NodeOutputs(self, self.model.segmenter.label_set)
        if not self.settings.autostart:
            name = self.get_fully_qualified_name()
            self.get_logger().info(f"Configured; waits for: ros2 lifecycle set {name} activate")

    def _activate(self) -> None:
        assert self.model is not None
        assert self.outputs is not None
        with loading():
            segmenter = self.model.on_device()
        self.run = LiveRun(self, self.settings, segmenter, self.outputs, self._pool.turns)
        self.run.enabled = self._enabled
        listed = ", ".join(source.topic for source in self.run.inputs)
        said = (
            f"Active: {listed} -> {self.outputs.health().mask_topic} with model "
            f"'{self.model.name}' on {segmenter.device}."
        )
        self.get_logger().info(printable(said))

    def _deactivate(self) -> None:
        self._stop_run()
        if self.model is not None:
            self.model.release()

    def _clean(self) -> None:
        self._deactivate()
        if self.outputs is not None:
            self.outputs.close()
        self.outputs = self.model = None

    def _stop_run(self) -> None:
        if self.run is not None:
            self.run.stop()
            self.run = None

    def _autostart(self) -> None:
        self.destroy_timer(self._start_timer)
        # Whoever manages the node may have been faster.
        if self.state_name != "unconfigured":
            return
        try:
            if self.trigger_configure() == SUCCESS:
                self.trigger_activate()
        except Exception:
            if self.context.ok():
                raise

    def _on_change(self, settings: NodeSettings) -> None:
        if self.run is not None:
            self.run.change(settings)

    def _on_enable(self, request: Any, response: Any) -> Any:
        self._enabled = bool(request.data)
        if self.run is not None:
            self.run.enabled = self._enabled
        response.success = True
        response.message = "segmenting" if self._enabled else "switched off: frames are dropped"
        return response
