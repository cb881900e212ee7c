# SPDX-License-Identifier: Apache-2.0
"""Declares the parameters on a node with descriptors, and checks each change."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from segrgbx_core.errors import InputError
from segrgbx_ros.node.parameters.parameter_spec import Parameter
from segrgbx_ros.node.parameters.parameters import PARAMETERS, NodeSettings, settings_from

_OF_ROS = (
    "use_sim_time",
    "qos_overrides",
    "diagnostic_updater",
    "start_type_description_service",
)


def descriptor(spec: Parameter) -> ParameterDescriptor:
    """The specification as a ROS descriptor, for `ros2 param describe`."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    described = ParameterDescriptor(
        name=spec.name, description=spec.text + unit, read_only=spec.fixed
    )
    if spec.choices:
        described.additional_constraints = f"one of {spec.choice_words}"
    elif spec.bounded and isinstance(spec.default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=float(spec.low), to_value=float(spec.high))
        ]
    elif spec.bounded:
        described.integer_range = [IntegerRange(from_value=int(spec.low), to_value=int(spec.high))]
    return described


class ParameterServer:
    """The parameters of one node.

    on_change: called with the new settings, before `ros2 param set` returns. unconfigured: whether
    parameters may be set that take effect when the node is configured. Raises InputError for
    an invalid start value.
    """

    def __init__(
        self,
        node: Node,
        on_change: Callable[[NodeSettings], None],
        unconfigured: Callable[[], bool],
    ) -> None:
        self._node, self._on_change, self._unconfigured = node, on_change, unconfigured
        values: dict[str, object] = {}
        for spec in PARAMETERS.values():
            values[spec.name] = _plain(_declared(node, spec))
        self.settings = settings_from(values)
        node.add_on_set_parameters_callback(self._set)
        # Humble has no such callback: there `ros2 param set` wants 1.0.
        if hasattr(node, "add_pre_set_parameters_callback"):
            node.add_pre_set_parameters_callback(_with_doubles)
        for sentence in unknown_parameters(given_parameters(node), node):
            node.get_logger().warning(sentence)

    def _set(self, changed: Sequence[Any]) -> SetParametersResult:
        own = {p.name: _plain(p.value) for p in changed if p.name in PARAMETERS}
        if not own:
            return SetParametersResult(successful=True)
        late = [name for name in own if not PARAMETERS[name].dynamic]
        if late and not self._unconfigured():
            return SetParametersResult(successful=False, reason=self._too_late(late[0]))
        current = {name: getattr(self.settings, name.replace(".", "_")) for name in PARAMETERS}
        try:
            self.settings = settings_from({**current, **own})
        except InputError as err:
            return SetParametersResult(successful=False, reason=str(err))
        self._on_change(self.settings)
        return SetParametersResult(successful=True)

    def _too_late(self, name: str) -> str:
        node = self._node.get_fully_qualified_name()
        return (
            f"Parameter {name} takes effect when the node is configured; set it while the node is "
            f"unconfigured (ros2 lifecycle set {node} deactivate, then cleanup), and configure it "
            "again."
        )


def given_parameters(node: Node) -> dict[str, Any]:
    """The start values by name, of the command line and of parameter files."""
    return dict(node._parameter_overrides)


def unknown_parameters(given: Iterable[str], node: Node) -> list[str]:
    """A sentence for each start value of a name that the node does not have.

    Files may have parameters for several nodes, so this is no error.
    """
    others = [name for name in given if not node.has_parameter(name)]
    return [
        f"Parameter {name} is unknown and has no effect{_nearest(name)}"
        for name in sorted(others)
        if name.split(".")[0] not in _OF_ROS
    ]


def _nearest(name: str) -> str:
    near = get_close_matches(name, PARAMETERS, n=1, cutoff=0.6)
    return f"; is {near[0]} meant?" if near else "; `ros2 param list` shows those that are known."


def _with_doubles(parameters: list[Any]) -> list[Any]:
    """Whole numbers as doubles, where a double is expected."""
    return [
        RosParameter(p.name, value=float(p.value))
        if p.type_ == RosParameter.Type.INTEGER and _is_double(p.name)
        else p
        for p in parameters
    ]


def _is_double(name: str) -> bool:
    return name in PARAMETERS and isinstance(PARAMETERS[name].default, float)


def _declared(node: Node, spec: Parameter) -> object:
    default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
    start = given_parameters(node).get(spec.name)
    whole = start is not None and type(start.value) is int and isinstance(spec.default, float)
    if start is not None and whole:
        default = float(start.value)
    try:
        made = node.declare_parameter(
            spec.name, default, descriptor(spec), ignore_override=bool(whole)
        )
        return made.value
    except (InvalidParameterTypeException, InvalidParameterValueException) as err:
        accepted = spec.choice_words or spec.range_words
        raise InputError(
            f"Parameter {spec.name} has an invalid start value ({err}); expected a {spec.kind}: "
            f"{accepted}."
        ) from err


def _plain(value: object) -> object:
    """Converts arrays from ROS to the tuples of the specification."""
    return tuple(value) if isinstance(value, (array, list)) else value
