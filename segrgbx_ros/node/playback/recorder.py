# SPDX-License-Identifier: Apache-2.0
"""Writes a live node's outputs to a recording as they come, without reading them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

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
    """Records mask, confidence, status and label_info of a node from here on.

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
