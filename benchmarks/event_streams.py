# SPDX-License-Identifier: Apache-2.0
"""Event streams for timing decoders: generated from a seed, or a real recording."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import Reader

from segrgbx_core.bench.measuring import ROOT
from segrgbx_core.readings import Events
from segrgbx_ros.events.messages import raw_packet

WIDTH, HEIGHT = 640, 480
HIGH_EVERY_US = 16


@dataclass(frozen=True)
class Stream:
    """words: (N,) little-endian EVT 3.0 words; packets: the recording's own packets, as bytes."""

    name: str
    words: npt.NDArray[np.uint16]
    events: int
    packets: list[npt.NDArray[np.uint8]]


def window(count: int, seed: int = 0) -> Events:
    """Events of 50 ms, concentrated around the image centre like those of moving edges."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(WIDTH / 2, WIDTH / 5, count), 0, WIDTH - 1)
    y = np.clip(rng.normal(HEIGHT / 2, HEIGHT / 5, count), 0, HEIGHT - 1)
    return Events(
        x=x.astype(np.uint16),
        y=y.astype(np.uint16),
        polarity=rng.random(count) < 0.5,
        t_ns=np.sort(rng.integers(0, 50_000_000, count)),
        width=WIDTH,
        height=HEIGHT,
        start_ns=0,
        end_ns=50_000_000,
    )


def single_events(count: int) -> Stream:
    """Every event as a separate word after its row word, as Gen 3 sensors send them."""
    shown = window(count)
    us = np.sort(np.random.default_rng(1).integers(0, count // 5, count))
    words = _with_states(us, shown.y, [0x2000 | shown.x | shown.polarity.astype(np.uint16) << 11])
    return Stream("single events", words, count, [])


def vectors(groups: int) -> Stream:
    """Groups of twelve neighbours of which half fire, as newer sensors send rows with many
    events."""
    rng = np.random.default_rng(2)
    us = np.sort(rng.integers(0, groups, groups))
    row = rng.integers(0, HEIGHT, groups).astype(np.uint16)
    base = 0x3000 | rng.integers(0, WIDTH - 12, groups).astype(np.uint16)
    bits = rng.integers(1, 1 << 12, groups).astype(np.uint16)
    events = int(np.unpackbits(bits.view(np.uint8)).sum())
    return Stream("vectors", _with_states(us, row, [base, 0x4000 | bits]), events, [])


def _with_states(
    us: npt.NDArray[np.int64],
    row: npt.NDArray[np.uint16],
    words: list[npt.NDArray[np.uint16]],
) -> npt.NDArray[np.uint16]:
    """Each line of `words` after the time and row words that it needs."""
    tick = us // HIGH_EVERY_US
    new_tick, new_time, new_row = (
        np.concatenate([[True], values[1:] != values[:-1]]) for values in (tick, us, row)
    )
    columns = [0x8000 | us >> 12, 0x6000 | us & 0xFFF, row, *words]
    needed = [new_tick, new_time, new_row, *[np.ones(len(us), np.bool_)] * len(words)]
    return np.stack(columns, 1).astype(np.uint16)[np.stack(needed, 1)]


def recording() -> Stream | None:
    """The real EVT 3.0 recording of the shared data; None where it is missing."""
    shared = Path(os.environ.get("SEGRGBX_SHARED_DATA", ROOT.parent / "shared" / "data"))
    folder = shared / "events" / "evt3_640x480"
    if not folder.is_dir():
        return None
    with Reader(folder) as bag:
        kind = bag.connections[0].msgtype
        packets = [raw_packet(bytes(d), kind, "events").payload for _, _, d in bag.messages()]
    words = np.concatenate(packets).view("<u2")
    return Stream("real recording", words, int((words >> 12 == 2).sum()), packets)
