# SPDX-License-Identifier: Apache-2.0
"""Which jobs the live node makes of what arrives, and when it stops to wait."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.messages.types import header
from segrgbx_ros.node.pairing import Job, LivePairing
from segrgbx_ros.node.parameters.parameters import settings_from

MS = 1_000_000
START = 1_700_000_000_000 * MS


@dataclass
class Message:
    header: Any


def message(ms: float) -> Any:
    return Message(header(START + round(ms * MS), "f"))


def pairing(**told: Any) -> tuple[LivePairing, list[Job]]:
    jobs: list[Job] = []
    values = {"modality": "thermal", **{k.replace("__", "."): v for k, v in told.items()}}
    return LivePairing(settings_from(values), jobs.append), jobs


def rgb_ms(jobs: list[Job]) -> list[float]:
    return [(job.pair.rgb_stamp_ns - START) / MS for job in jobs]


def test_a_pair_comes_at_once() -> None:
    live, jobs = pairing()
    live.add_x(message(0), 0)
    live.add_rgb(message(0), 1)
    assert rgb_ms(jobs) == [0]
    assert jobs[0].pair.skew_ns == 0
    assert live.rgb_dropped == {}


@pytest.mark.parametrize("policy", ["drop", "rgb_only", "hold_last"])
def test_timeout_applies_the_policy(policy: str) -> None:
    live, jobs = pairing(missing_x=policy, sync__x_timeout=0.1)
    live.add_x(message(0), 0)
    live.add_rgb(message(0), 0)
    live.add_rgb(message(100), 100 * MS)
    live.tick(199 * MS)
    assert rgb_ms(jobs) == [0]
    assert live.pending == 1
    live.tick(200 * MS)
    assert live.pending == 0
    if policy == "drop":
        assert rgb_ms(jobs) == [0]
        assert live.rgb_dropped == {"rgb_without_x": 1}
        return
    assert rgb_ms(jobs) == [0, 100]
    assert live.rgb_dropped == {}
    assert jobs[1].held == (policy == "hold_last")
    assert (jobs[1].pair.x is None) == (policy == "rgb_only")


def test_a_silent_x_is_not_waited_for_until_it_is_back() -> None:
    live, jobs = pairing(missing_x="rgb_only", sync__x_timeout=0.05)
    live.add_rgb(message(0), 0)
    live.tick(60 * MS)
    assert "no thermal reading has come yet" in jobs[0].x_reason
    live.add_rgb(message(2000), 2000 * MS)
    assert rgb_ms(jobs) == [0, 2000]
    live.add_x(message(2050), 2050 * MS)
    live.add_rgb(message(2100), 2100 * MS)
    assert live.pending == 1
    live.add_x(message(2100), 2101 * MS)
    assert jobs[-1].pair.x is not None


def test_jobs_come_in_the_order_of_their_stamps() -> None:
    live, jobs = pairing(missing_x="rgb_only", sync__slop=0.01)
    for ms in (0, 33, 66, 100):
        live.add_rgb(message(ms), ms * MS)
    for ms in (0, 100):
        live.add_x(message(ms), (100 + ms) * MS)
    assert rgb_ms(jobs) == [0, 33, 66, 100]
    assert [job.pair.x is None for job in jobs] == [False, True, True, False]


def test_hold_last_past_its_limit_drops() -> None:
    live, jobs = pairing(missing_x="hold_last", hold_limit=0.05, sync__x_timeout=0.1)
    live.add_x(message(0), 0)
    live.add_rgb(message(0), 0)
    live.add_rgb(message(100), 100 * MS)
    live.tick(300 * MS)
    assert rgb_ms(jobs) == [0]
    assert live.rgb_dropped == {"rgb_without_x": 1}


def test_offset_and_slop_change_while_it_runs() -> None:
    live, jobs = pairing(sync__slop=0.01)
    live.add_x(message(500), 0)
    live.add_rgb(message(0), 0)
    live.tick(200 * MS)
    assert jobs == []
    live.change(settings_from({"modality": "thermal", "sync.x_time_offset": -0.5}))
    live.add_x(message(600), 300 * MS)
    live.add_rgb(message(100), 301 * MS)
    assert rgb_ms(jobs) == [100]


def test_a_jump_back_forgets_the_held_x() -> None:
    live, jobs = pairing(missing_x="hold_last", hold_limit=3600.0, sync__x_timeout=0.05)
    live.add_x(message(10_000), 0)
    live.add_rgb(message(10_000), 0)
    live.add_rgb(message(0), 10 * MS)
    assert live.restarts == 1
    live.tick(200 * MS)
    assert rgb_ms(jobs) == [10_000]
    assert live.rgb_dropped == {"rgb_without_x": 1}


def test_without_the_reset_old_stamps_are_late() -> None:
    live, jobs = pairing(reset_on_time_jump=False)
    for ms in (10_000, 0):
        live.add_x(message(ms), ms * MS)
        live.add_rgb(message(ms), ms * MS)
    assert live.restarts == 0
    assert rgb_ms(jobs) == [10_000]
    assert live.rgb_dropped == {"late_rgb": 1}


def test_nothing_is_kept_of_images_long_gone() -> None:
    live, _ = pairing(sync__x_timeout=0.05)
    for i in range(500):
        live.add_rgb(message(i * 10), i * 10 * MS)
        live.add_rgb(message(i * 10), i * 10 * MS)
        live.tick(i * 10 * MS)
    assert len(live._arrived_ns) < 20


def test_simulated_time_that_jumps_back_does_not_hide_a_silent_x() -> None:
    live, _ = pairing(sync__x_timeout=0.05)
    live.add_x(message(60_000), 60_000 * MS)
    live.tick(1_000 * MS)
    assert not live.x_silent(1_500 * MS)
    assert live.x_silent(2_500 * MS)


def packet(ms: int) -> EventChunk:
    """One event in the middle of a millisecond."""
    first = START + ms * MS
    return EventChunk(
        stamp_ns=first,
        x=np.zeros(1, np.uint16),
        y=np.zeros(1, np.uint16),
        polarity=np.ones(1, np.bool_),
        t_ns=np.array([first + MS // 2], np.int64),
        width=8,
        height=8,
        first_ns=first,
        last_ns=first + MS,
        host_clock=True,
    )


def test_drops_are_read_by_another_thread_while_events_come() -> None:
    """As the worker does for the status of each mask."""
    live, jobs = pairing(modality="event")
    failures: list[RuntimeError] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                _ = live.rgb_dropped, live.x_dropped
            except RuntimeError as err:
                failures.append(err)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for ms in range(3000):
            live.add_events(packet(ms), ms * MS)
            if ms % 10 == 0:
                live.add_rgb(message(ms), ms * MS)
    finally:
        over.set()
        reader.join()
    assert failures == []
    assert len(jobs) > 200
