#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast sensors' readings become planes, and event messages events; METHOD.md says how."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from event_streams import Stream, recording, single_events, vectors, window
from other_decoders import PACKAGES, other_decoders

from segrgbx_core import encode
from segrgbx_core.bench.measuring import Case, CaseTimes, environment, show, timed, write
from segrgbx_core.encoding import DepthSettings, EventSettings
from segrgbx_core.encoding.event import pixel_index, voxel_grid
from segrgbx_ros.events.evt3 import Evt3
from segrgbx_ros.events.packets import TOGETHER

Bytes = npt.NDArray[np.uint8]
SIZE = (480, 640)
IMAGE_GOAL_MS = 5.0
EVENT_GOAL = 20.0
LARGE_PACKET = 128 * 1024


def images() -> list[Case]:
    """One 640x480 image each."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.0, 1.0, SIZE[0] * SIZE[1]).reshape(SIZE)
    thermal = (29_000 + 2_000 * ramp + rng.normal(0, 20, SIZE)).astype(np.uint16)
    depth = (500 + 20_000 * ramp + rng.normal(0, 10, SIZE)).astype(np.uint16)
    depth[rng.random(SIZE) < 0.1] = 0
    mosaic = (40 + 150 * ramp + rng.normal(0, 5, SIZE)).astype(np.uint8)
    inverse = DepthSettings(representation="inverse")
    return [
        Case("thermal, uint16 counts", lambda: encode("thermal", thermal), goal=IMAGE_GOAL_MS),
        Case("depth, inverse", lambda: encode("depth", depth, inverse), goal=IMAGE_GOAL_MS),
        Case("polarization, mosaic", lambda: encode("polarization", mosaic), goal=IMAGE_GOAL_MS),
    ]


def event_planes(count: int) -> list[Case]:
    """A window of `count` events to planes of 640x480. With few events the cost is that of the
    planes' size, so there is no goal for the rate."""
    shown = window(count)
    goal = EVENT_GOAL if count >= 1_000_000 else None
    cases = [
        Case(
            "voxel grid, the sums alone",
            lambda: voxel_grid(shown, pixel_index(shown)),
            count,
            goal,
        )
    ]
    for name in ("voxel_grid", "polarity_counts", "time_surface"):
        settings = EventSettings(representation=name)
        cases.append(Case(f"encode, {name}", _encoding(shown, settings), count, goal))
    return cases


def _encoding(shown: object, settings: EventSettings) -> Callable[[], object]:
    return lambda: encode("event", shown, settings)  # type: ignore[arg-type]


def decoders(stream: Stream, folder: Path) -> list[Case]:
    """Ours with packets of 128 KiB and, for a recording, with its own packets: one by one as in
    the live node, and many together as in replay and inspect; then the others."""
    data = stream.words.view(np.uint8)
    large = [data[at : at + LARGE_PACKET] for at in range(0, len(data), LARGE_PACKET)]
    cases = [Case("ours, packets of 128 KiB", _decoding(large), stream.events, EVENT_GOAL)]
    if stream.packets:
        size = len(data) / len(stream.packets) / 1024
        own = f"ours, recorded packets of {size:.1f} KiB"
        many = _decoding(stream.packets, TOGETHER)
        cases.append(Case(f"{own}, {TOGETHER} together", many, stream.events, EVENT_GOAL))
        one = _decoding(stream.packets)
        cases.append(Case(f"{own}, one by one", one, stream.events, EVENT_GOAL))
    expected = _our_sums(large)
    for other in other_decoders(stream, folder):
        if other.sums(other.decode()) != expected:
            sys.exit(f"{other.name} and ours differ on '{stream.name}'; nothing was timed.")
        cases.append(Case(other.name, other.decode, stream.events))
    return cases


def _decoding(packets: Sequence[Bytes], together: int = 1) -> Callable[[], object]:
    def run() -> None:
        decoder = Evt3()
        for at in range(0, len(packets), together):
            decoder.decode_all(packets[at : at + together], False)

    return run


def _our_sums(packets: Sequence[Bytes]) -> tuple[int, int, int]:
    decoder = Evt3()
    parts = [decoder.decode(packet, 0, False) for packet in packets]
    x, y = (sum(int(v.sum(dtype=np.int64)) for v in vs) for vs in _coordinates(parts))
    return sum(len(part.x) for part in parts), x, y


def _coordinates(parts: Sequence[object]) -> tuple[list[npt.NDArray[np.uint16]], ...]:
    return [part.x for part in parts], [part.y for part in parts]  # type: ignore[attr-defined]


def sections(folder: Path) -> dict[str, list[Case]]:
    """All cases, by the title of their table."""
    streams = [single_events(1_000_000), vectors(200_000), recording()]
    return {
        "images of 640x480 to planes": images(),
        "10,000 events to planes of 640x480": event_planes(10_000),
        "1,000,000 events to planes of 640x480": event_planes(1_000_000),
        **{
            f"decoding EVT 3.0, {stream.name}: {stream.events:,} events in {len(stream.words):,} "
            "words": decoders(stream, folder)
            for stream in streams
            if stream is not None
        },
    }


def main() -> None:
    """Measures and shows the cases; --json also writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="counted rounds (default 30)")
    parser.add_argument("--only", default="", help="sections whose title contains this")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    before = environment(("numpy", "opencv-python-headless", *PACKAGES))
    timings: dict[str, list[CaseTimes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for title, cases in sections(Path(folder)).items():
            if options.only in title:
                timings[title] = timed(cases, options.rounds)
                show(title, timings[title])
    after = environment(())["load"]
    sys.stdout.write(", ".join(f"{k} {v}" for k, v in before.items()) + f"; load after {after}\n")
    if options.json is not None:
        write(options.json, {**before, "load_after": after}, timings)


if __name__ == "__main__":
    main()
