# SPDX-License-Identifier: Apache-2.0
"""Packets of events at given times, and the times of a window."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventChunk


def chunk(times: Sequence[int], **told: Any) -> EventChunk:
    """Events at those times; x counts them, and no event is outside 8 x 4 pixels."""
    count = len(times)
    return EventChunk(
        stamp_ns=told.pop("stamp_ns", 1),
        x=np.arange(count, dtype=np.uint16),
        y=np.arange(count, dtype=np.uint16) % 4,
        polarity=np.arange(count) % 2 == 0,
        t_ns=np.array(times, np.int64),
        width=8,
        height=4,
        first_ns=told.pop("first_ns", None),
        last_ns=told.pop("last_ns", None),
        **told,
    )


def times(events: Events | None) -> list[int] | None:
    return None if events is None else sorted(events.t_ns.tolist())
