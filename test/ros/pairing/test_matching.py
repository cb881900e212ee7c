# SPDX-License-Identifier: Apache-2.0
"""The matches from arriving messages, and when an image no longer waits."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.pairing.matching import Match, Matching, SyncSettings

MS = 1_000_000
START = 1_700_000_000_000 * MS


@dataclass
class Message:
    ms: float


@dataclass
class Fed:
    """A matching with input in milliseconds, and the matches it emitted."""

    matching: Matching[Message, Message]
    matches: list[Match[Message, Message]]

    def add_rgb(self, ms: float, now_ms: float) -> None:
        self.matching.add_rgb(START + round(ms * MS), Message(ms), round(now_ms * MS))

    def add_x(self, ms: float, now_ms: float) -> None:
        self.matching.add_x(START + round(ms * MS), Message(ms), round(now_ms * MS))

    def tick(self, now_ms: float) -> None:
        self.matching.tick(round(now_ms * MS))

    @property
    def pending(self) -> int:
        return self.matching.counts.rgb_pending

    @property
    def rgb_ms(self) -> list[float]:
        return [(match.pair.rgb_stamp_ns - START) / MS for match in self.matches]


def fed(modality: str = "thermal", windowed: bool = False, **told: Any) -> Fed:
    matches: list[Match[Message, Message]] = []
    settings = SyncSettings(**{"x_timeout_s": 0.1, **told})
    return Fed(Matching(modality, windowed, settings, matches.append), matches)


def test_a_pair_comes_at_once() -> None:
    live = fed()
    live.add_x(0, 0)
    live.add_rgb(0, 1)
    assert live.rgb_ms == [0]
    assert live.matches[0].pair.skew_ns == 0
    assert live.matching.rgb_dropped == {}


def test_x_that_comes_after_its_image_was_given_up_is_late_and_by_how_much() -> None:
    live = fed(slop_s=0.03)
    for number in range(4):
        ms = 100 * number
        live.add_rgb(ms, ms)
        live.tick(ms + 100)
        # Stamps 15 ms from an image of three images ago.
        live.add_x(ms - 290 + 5, ms + 1)
    assert live.rgb_ms == []
    assert (live.matching.late, list(live.matching.late_ns)) == (1, [301 * MS])


def test_x_in_time_is_never_late() -> None:
    live = fed()
    live.add_x(0, 0)
    live.add_rgb(0, 1)
    live.add_rgb(100, 101)
    live.tick(300)
    live.add_x(150, 301)
    assert live.matching.late == 0


@pytest.mark.parametrize("policy", ["drop", "rgb_only", "hold_last"])
def test_timeout_applies_the_policy(policy: str) -> None:
    live = fed(missing_x=policy, x_timeout_s=0.1)
    live.add_x(0, 0)
    live.add_rgb(0, 0)
    live.add_rgb(100, 100)
    live.tick(199)
    assert live.rgb_ms == [0]
    assert live.pending == 1
    live.tick(200)
    assert live.pending == 0
    if policy == "drop":
        assert live.rgb_ms == [0]
        assert live.matching.rgb_dropped == {"rgb_without_x": 1}
        return
    assert live.rgb_ms == [0, 100]
    assert live.matching.rgb_dropped == {}
    assert live.matches[1].held == (policy == "hold_last")
    assert (live.matches[1].pair.x is None) == (policy == "rgb_only")


def test_a_silent_x_is_not_waited_for_until_it_is_back() -> None:
    live = fed(missing_x="rgb_only", x_timeout_s=0.05)
    live.add_rgb(0, 0)
    live.tick(60)
    assert "no thermal reading has come yet" in live.matches[0].x_reason
    live.add_rgb(2000, 2000)
    assert live.rgb_ms == [0, 2000]
    live.add_x(2050, 2050)
    live.add_rgb(2100, 2100)
    assert live.pending == 1
    live.add_x(2100, 2101)
    assert live.matches[-1].pair.x is not None


def test_matches_come_in_the_order_of_their_stamps() -> None:
    live = fed(missing_x="rgb_only", slop_s=0.01)
    for ms in (0, 33, 66, 100):
        live.add_rgb(ms, ms)
    for ms in (0, 100):
        live.add_x(ms, 100 + ms)
    assert live.rgb_ms == [0, 33, 66, 100]
    assert [match.pair.x is None for match in live.matches] == [False, True, True, False]


def test_hold_last_past_its_limit_drops() -> None:
    live = fed(missing_x="hold_last", hold_limit_s=0.05, x_timeout_s=0.1)
    live.add_x(0, 0)
    live.add_rgb(0, 0)
    live.add_rgb(100, 100)
    live.tick(300)
    assert live.rgb_ms == [0]
    assert live.matching.rgb_dropped == {"rgb_without_x": 1}


def test_offset_and_slop_change_while_it_runs() -> None:
    live = fed(slop_s=0.01)
    live.add_x(500, 0)
    live.add_rgb(0, 0)
    live.tick(200)
    assert live.matches == []
    live.matching.change(SyncSettings(slop_s=0.01, x_time_offset_s=-0.5))
    live.add_x(600, 300)
    live.add_rgb(100, 301)
    assert live.rgb_ms == [100]


def test_a_jump_back_forgets_the_held_x() -> None:
    live = fed(missing_x="hold_last", hold_limit_s=3600.0, x_timeout_s=0.05)
    live.add_x(10_000, 0)
    live.add_rgb(10_000, 0)
    live.add_rgb(0, 10)
    assert live.matching.restarts == 1
    live.tick(200)
    assert live.rgb_ms == [10_000]
    assert live.matching.rgb_dropped == {"rgb_without_x": 1}


def test_without_the_reset_old_stamps_are_late() -> None:
    live = fed(reset_on_time_jump=False)
    for ms in (10_000, 0):
        live.add_x(ms, ms)
        live.add_rgb(ms, ms)
    assert live.matching.restarts == 0
    assert live.rgb_ms == [10_000]
    assert live.matching.rgb_dropped == {"late_rgb": 1}


def test_nothing_is_kept_of_images_long_gone() -> None:
    live = fed(x_timeout_s=0.05)
    for i in range(500):
        live.add_rgb(i * 10, i * 10)
        live.add_rgb(i * 10, i * 10)
        live.tick(i * 10)
    assert len(live.matching._arrived_ns) < 20


def test_simulated_time_that_jumps_back_does_not_hide_a_silent_x() -> None:
    live = fed(x_timeout_s=0.05)
    live.add_x(60_000, 60_000)
    live.tick(1_000)
    assert not live.matching.x_silent(1_500 * MS)
    assert live.matching.x_silent(2_500 * MS)


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
    live = fed("event", windowed=True)
    failures: list[RuntimeError] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                _ = live.matching.rgb_dropped, live.matching.x_dropped
            except RuntimeError as err:
                failures.append(err)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for ms in range(3000):
            live.matching.add_events(packet(ms), ms * MS)
            if ms % 10 == 0:
                live.add_rgb(ms, ms)
    finally:
        over.set()
        reader.join()
    assert failures == []
    assert len(live.matches) > 200


def test_without_a_timeout_an_image_waits_for_the_end() -> None:
    """As a replay does by default."""
    recorded = fed(x_timeout_s=None, missing_x="rgb_only")
    recorded.add_x(0, 0)
    recorded.add_rgb(0, 0)
    recorded.add_rgb(5000, 5000)
    recorded.tick(60_000)
    assert recorded.rgb_ms == [0]
    assert recorded.pending == 1
    recorded.matching.flush()
    assert recorded.rgb_ms == [0, 5000]
    assert "thermal reading within 30 ms" in (recorded.matches[1].x_reason or "")
    assert recorded.matching.rgb_dropped == {}
    assert not recorded.matching._arrived_ns


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            {"policy": "nearest"},
            "^The synchronisation policy is 'nearest'; expected approximate or exact",
        ),
        ({"missing_x": "wait"}, "^The answer to a missing X is 'wait'; expected drop or rgb_only"),
        ({"slop_s": -0.1}, "slop is -0.1 s; .*0 to 10"),
        ({"slop_s": float("nan")}, "slop is nan s"),
        ({"hold_limit_s": 4000.0}, "hold limit is 4000.0 s; .*0 to 3600"),
        ({"x_timeout_s": 0.0}, "X is 0.0 s; .*0.001 to 60"),
        ({"x_time_offset_s": float("inf")}, "offset is inf s; .*1e10"),
        ({"queue_size": 0}, "queue size is 0; .*1 to 1000"),
        ({"window_ms": 0.0}, "window is 0.0 ms; .*10000"),
        ({"window_events": 0}, "0"),
    ],
)
def test_settings_out_of_range_are_refused(told: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SyncSettings(**told)
