# SPDX-License-Identifier: Apache-2.0
"""Declares the parameters on a node with descriptors, and checks each change."""

from array import array
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from segrgbx_core.errors import InputError
from segrgbx_ros.node.parameters.parameter_spec import Parameter
from segrgbx_ros.node.parameters.parameters import PARAMETERS, NodeSettings, settings_from


def descriptor(spec: Parameter) -> ParameterDescriptor:
    """The specification as a ROS descriptor, for `ros2 param describe`."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    described = ParameterDescriptor(
        name=spec.name, description=spec.text + unit, read_only=not spec.dynamic
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

    on_change: called with the new settings, before `ros2 param set` returns. Raises InputError for
    an invalid start value.
    """

    def __init__(self, node: Node, on_change: Callable[[NodeSettings], None]) -> None:
        self._on_change = on_change
        values: dict[str, object] = {}
        for spec in PARAMETERS.values():
            values[spec.name] = _plain(_declared(node, spec))
        self.settings = settings_from(values)
        node.add_on_set_parameters_callback(self._set)

    def _set(self, changed: Sequence[Any]) -> SetParametersResult:
        own = {p.name: _plain(p.value) for p in changed if p.name in PARAMETERS}
        if not own:
            return SetParametersResult(successful=True)
        current = {name: getattr(self.settings, name.replace(".", "_")) for name in PARAMETERS}
        try:
            self.settings = settings_from({**current, **own})
        except InputError as err:
            return SetParametersResult(successful=False, reason=str(err))
        self._on_change(self.settings)
        return SetParametersResult(successful=True)


def _declared(node: Node, spec: Parameter) -> object:
    default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
    try:
        return node.declare_parameter(spec.name, default, descriptor(spec)).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as err:
        accepted = spec.choice_words or spec.range_words
        raise InputError(
            f"Parameter {spec.name} has an invalid start value ({err}); expected a {spec.kind}: "
            f"{accepted}."
        ) from err


def _plain(value: object) -> object:
    """Converts arrays from ROS to the tuples of the specification."""
    return tuple(value) if isinstance(value, (array, list)) else value
