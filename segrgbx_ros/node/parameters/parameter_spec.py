# SPDX-License-Identifier: Apache-2.0
"""The specification of one node parameter: type, default, unit, bounds and text."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, isfinite, isnan
from typing import TypeVar

Value = bool | int | float | str | tuple[float, ...]
V = TypeVar("V", bound=Value)
KINDS: dict[type, str] = {
    bool: "bool",
    int: "integer",
    float: "double",
    str: "string",
    tuple: "double array",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of the node in ROS.

    low, high: inclusive bounds. choices: the accepted words, empty for any. dynamic: may be set
    while the node runs; others only while it is unconfigured. fixed: only at the start. A default
    of NaN means "not set"; then NaN is accepted.
    """

    name: str
    default: Value
    text: str
    unit: str = ""
    low: float = -inf
    high: float = inf
    choices: tuple[str, ...] = ()
    dynamic: bool = False
    fixed: bool = False

    @property
    def kind(self) -> str:
        """The name of the type in ROS."""
        return KINDS[type(self.default)]

    @property
    def when(self) -> str:
        """When it may be set, in words of the documentation."""
        if self.fixed:
            return "start"
        return "any time" if self.dynamic else "unconfigured"

    @property
    def optional(self) -> bool:
        """Whether NaN stands for "not set"."""
        return isinstance(self.default, float) and isnan(self.default)

    @property
    def bounded(self) -> bool:
        """Whether ROS can check the bounds too: both are finite, and NaN is not a value."""
        return not self.optional and isfinite(self.low) and isfinite(self.high)

    def refusal(self, value: object) -> str | None:
        """Why the value is invalid, in one sentence; None if it is valid."""
        if type(value) is not type(self.default):
            kind = KINDS.get(type(value), type(value).__name__)
            remedy = f": write {float(value)}" if type(value) is int else ""
            return f"Parameter {self.name} is {value!r} ({kind}); expected a {self.kind}{remedy}."
        if self.choices and value not in self.choices:
            return f"Parameter {self.name} is '{value}'; expected one of {self.choice_words}."
        numbers = value if isinstance(value, tuple) else (value,)
        if any(self._outside(n) for n in numbers if isinstance(n, (int, float))):
            return f"Parameter {self.name} is {value}; expected {self.range_words}."
        return None

    def _outside(self, number: float) -> bool:
        if isinstance(number, float) and isnan(number):
            return not self.optional
        return not (isfinite(number) and self.low <= number <= self.high)

    @property
    def choice_words(self) -> str:
        """The accepted words as text; "" stands for the empty one."""
        return ", ".join(c or '""' for c in self.choices)

    @property
    def range_words(self) -> str:
        """The bounds as text, with their unit."""
        unit = f" {self.unit}" if self.unit else ""
        if isfinite(self.low) and isfinite(self.high):
            return f"{self.low:g} to {self.high:g}{unit}"
        if isfinite(self.low):
            return f"{self.low:g} or more{unit}"
        return f"a finite number{unit and ' of' + unit}"


def parameter(
    name: str,
    default: V,
    text: str,
    unit: str = "",
    low: float = -inf,
    high: float = inf,
    choices: Iterable[str] = (),
    dynamic: bool = False,
    fixed: bool = False,
) -> V:
    """A dataclass field that carries its specification."""
    spec = Parameter(
        name,
        default,
        text,
        unit=unit,
        low=low,
        high=high,
        choices=tuple(choices),
        dynamic=dynamic,
        fixed=fixed,
    )
    declared: V = field(default=default, metadata={"spec": spec})
    return declared
