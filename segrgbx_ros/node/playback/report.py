# SPDX-License-Identifier: Apache-2.0
"""What a live node says of itself on /diagnostics, as far as playing to it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

_DROPPED, _SUBSCRIBERS = "dropped: ", "subscribers of "


@dataclass(frozen=True)
class NodeReport:
    """One report of the node.

    received: RGB images that came. segmented: masks published. dropped: RGB images without one,
    by reason. subscribers: by output. publishers: by input, "rgb" and "x". failure: why it cannot
    become active, None otherwise.
    """

    state: str
    received: int
    segmented: int
    dropped: Mapping[str, int]
    subscribers: Mapping[str, int]
    publishers: Mapping[str, int]
    failure: str | None

    @property
    def settled(self) -> bool:
        """Whether every image that came has its mask, or the reason why not."""
        return self.segmented + sum(self.dropped.values()) >= self.received


def report_of(node: str, array: Any) -> NodeReport | None:
    """The report in a DiagnosticArray, of the node with that full name; None for another's."""
    own = f"{node.lstrip('/')}: "
    areas = {s.name.removeprefix(own): s for s in array.status if s.name.startswith(own)}
    if "model" not in areas:
        return None
    values = {v.key: v.value for status in areas.values() for v in status.values}
    state, model = values.get("state", ""), areas["model"]
    failed = state != "active" and model.level == DiagnosticStatus.ERROR
    return NodeReport(
        state=state,
        received=int(values.get("rgb messages", 0)),
        segmented=int(values.get("masks", 0)),
        dropped=_counts(values, _DROPPED),
        subscribers=_counts(values, _SUBSCRIBERS),
        publishers={n: int(values.get(f"{n} publishers", 0)) for n in ("rgb", "x")},
        failure=str(model.message) if failed else None,
    )


def _counts(values: Mapping[str, str], prefix: str) -> dict[str, int]:
    return {k.removeprefix(prefix): int(v) for k, v in values.items() if k.startswith(prefix)}
