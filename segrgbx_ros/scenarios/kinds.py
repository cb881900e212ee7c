# SPDX-License-Identifier: Apache-2.0
"""The faults of X that a recording can be replayed with, and their levels."""

from dataclasses import dataclass

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.degrade import Kind

SCENARIOS = {
    "dropped": Kind(
        "X missing for spans of time", "share of the time", (0, 0.1, 0.25, 0.5, 1), largest=1.0
    ),
    "late": Kind("X arrives late", "seconds", (0, 0.05, 0.1, 0.2, 0.4)),
    "shifted": Kind("Stamps of X are off", "seconds", (0, 0.02, 0.05, 0.1, 0.2)),
    "noisy": Kind("X noisy", "standard deviation over X's usual range", (0, 0.02, 0.05, 0.1, 0.2)),
    "turned": Kind("X turned against RGB", "degrees", (0, 0.5, 1, 2, 4), largest=180.0),
}


@dataclass(frozen=True)
class Scenario:
    """kind: a name in SCENARIOS. levels: ascending from 0, the recording as it is.

    Raises InputError for an unknown kind, and for levels that are not valid for it.
    """

    kind: str
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in SCENARIOS:
            raise InputError(
                f"Scenario '{self.kind}' is unknown; expected one of {', '.join(SCENARIOS)}."
            )
        self.row.check(f"Scenario {self.kind}", self.levels)

    @property
    def row(self) -> Kind:
        """Its title, axis and bounds."""
        return SCENARIOS[self.kind]

    @classmethod
    def from_text(cls, text: str) -> "Scenario":
        """From KIND or KIND=L1,L2,..; 0 is always among the levels."""
        kind, _, told = text.partition("=")
        usual = SCENARIOS[kind].levels if kind in SCENARIOS else (0.0, 1.0)
        try:
            levels = tuple(float(word) for word in told.split(",")) if told else usual
        except ValueError as err:
            raise InputError(
                f"Scenario '{text}' has levels that are no numbers; expected such as "
                "noisy=0.05,0.1."
            ) from err
        return cls(kind, tuple(sorted(levels if 0 in levels else (0.0, *levels))))
