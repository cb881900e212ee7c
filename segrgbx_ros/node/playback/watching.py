# SPDX-License-Identifier: Apache-2.0
"""What a live node says and publishes: its reports on /diagnostics, its outputs on disk."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSDurabilityPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rosidl_runtime_py.utilities import get_message

from segrgbx_ros.bags.writer import LATCHED_QOS, STREAM_QOS, BagWriter
from segrgbx_ros.messages.types import IMAGE, LABEL_INFO, STATUS

DEPTH = 100
OUTPUTS = {"mask": IMAGE, "confidence": IMAGE, "status": STATUS, "label_info": LABEL_INFO}
ONCE = "label_info"
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


def reliable(depth: int, latched: bool = False) -> QoSProfile:
    """Reliable QoS, the last `depth` messages; latched: also for those who subscribe later."""
    durability = QoSDurabilityPolicy
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
    )


class OutputRecorder:
    """Records mask, confidence, status and label_info of a node as they come, unread.

    now_ns: the time under which messages are recorded. counts: messages by output. Raises
    BagError and OutputError as BagWriter does.
    """

    def __init__(self, node: Node, watched: str, folder: Path, now_ns: Callable[[], int]) -> None:
        self._node, self._now_ns = node, now_ns
        self.counts: Counter[str] = Counter()
        self._bag = BagWriter(folder)
        self._subscriptions = [self._listen(watched, name) for name in OUTPUTS]

    def __enter__(self) -> "OutputRecorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._bag.__exit__(kind, value, trace)

    def _listen(self, watched: str, name: str) -> object:
        topic, kind = f"{watched}/{name}", OUTPUTS[name]
        self._bag.add_topic(topic, kind, LATCHED_QOS if name == ONCE else STREAM_QOS)

        def keep(data: bytes) -> None:
            self._bag.write_raw(topic, self._now_ns(), data)
            self.counts[name] += 1

        return self._node.create_subscription(
            get_message(kind), topic, keep, reliable(DEPTH, name == ONCE), raw=True
        )
