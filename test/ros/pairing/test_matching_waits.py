# SPDX-License-Identifier: Apache-2.0
"""How settings reach the pairing, how long an image waits, and the words for a missing X."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.pairing.matching import NO_JUMP_NS, NO_X_ASKED, Match, Matching, SyncSettings
from segrgbx_ros.pairing.nearest import PairingSettings
from segrgbx_ros.pairing.windows import EventWindowCounts, EventWindowSettings

MS = 1_000_000
START = 1_700_000_000_000 * MS


class Fed:
    """A matching with input in milliseconds after START, and the matches it emitted."""

    def __init__(self, modality: str = "thermal", windowed: bool = False, **told: Any) -> None:
        self.settings = SyncSettings(**{"x_timeout_s": 0.1, **told})
        self.matches: list[Match[float, Any]] = []
        self.matching: Matching[float, Any] = Matching(
            modality, windowed, self.settings, self.matches.append
        )

    def rgb(self, ms: float, now_ms: float | None = None) -> None:
        now = ms if now_ms is None else now_ms
        self.matching.add_rgb(START + round(ms * MS), ms, round(now * MS))

    def x(self, ms: float, now_ms: float | None = None) -> None:
        now = ms if now_ms is None else now_ms
        self.matching.add_x(START + round(ms * MS), ms, round(now * MS))

    def packet(self, ms: float, now_ms: float | None = None, **changes: Any) -> None:
        self.matching.add_events(
            replace(packet(ms), **changes), round((ms if now_ms is None else now_ms) * MS)
        )

    def tick(self, now_ms: float) -> None:
        self.matching.tick(round(now_ms * MS))

    def change(self, **told: Any) -> None:
        self.matching.change(replace(self.settings, **told))

    @property
    def emitted(self) -> list[tuple[float, Any]]:
        return [(m.pair.rgb, m.pair.x) for m in self.matches]

    @property
    def reasons(self) -> list[str]:
        return [m.x_reason for m in self.matches]


def packet(ms: float, length_ms: float = 10) -> EventChunk:
    """One event in its middle; it covers 10 ms from `ms` after START."""
    first = START + round(ms * MS)
    return EventChunk(
        stamp_ns=first,
        x=np.zeros(1, np.uint16),
        y=np.zeros(1, np.uint16),
        polarity=np.ones(1, np.bool_),
        t_ns=np.array([first + round(length_ms * MS / 2)], np.int64),
        width=8,
        height=8,
        first_ns=first,
        last_ns=first + round(length_ms * MS),
        host_clock=True,
    )


def test_seconds_become_the_settings_of_images() -> None:
    told = SyncSettings(slop_s=0.012, queue_size=7, x_time_offset_s=-0.5)
    assert told.nearest(True) == PairingSettings(12 * MS, 7, -500 * MS, "approximate")
    assert told.nearest(False) == replace(told.nearest(True), policy="rgb_only")
    assert replace(told, policy="exact").nearest(True).policy == "exact"
    assert replace(told, policy="exact").nearest(False).policy == "rgb_only"
    kept = replace(told, reset_on_time_jump=False)
    assert kept.nearest(True) == replace(told.nearest(True), jump_ns=NO_JUMP_NS)


def test_seconds_become_the_settings_of_events() -> None:
    told = SyncSettings(queue_size=7, x_time_offset_s=-0.5, window_ms=33.0, window_events=9)
    made = EventWindowSettings(33 * MS, 9, 0, 7, 100 * MS, -500 * MS)
    assert told.windows() == made
    assert replace(told, x_timeout_s=0.2).windows() == replace(made, timeout_ns=200 * MS)
    kept = replace(told, reset_on_time_jump=False, x_timeout_s=0.2)
    assert kept.windows() == replace(made, timeout_ns=200 * MS, jump_ns=NO_JUMP_NS)


@pytest.mark.parametrize(
    ("least", "most", "beyond"),
    [
        ({"slop_s": 0.0}, {"slop_s": 10.0}, {"slop_s": 10.001}),
        ({"hold_limit_s": 0.0}, {"hold_limit_s": 3600.0}, {"hold_limit_s": -0.1}),
        ({"x_timeout_s": 0.001}, {"x_timeout_s": 60.0}, {"x_timeout_s": 60.1}),
        ({"x_timeout_s": 0.001}, {"x_timeout_s": 60.0}, {"x_timeout_s": 0.0009}),
        ({"x_time_offset_s": -1e10}, {"x_time_offset_s": 1e10}, {"x_time_offset_s": 1e10 + 1}),
        ({"queue_size": 1}, {"queue_size": 1000}, {"queue_size": 1001}),
        ({"window_ms": 1e-5}, {"window_ms": 10_000.0}, {"window_ms": 10_000.1}),
        ({"window_events": 1}, {"window_events": 10**9}, {"window_events": -1}),
    ],
)
def test_each_setting_takes_both_ends_of_its_range(
    least: dict[str, Any], most: dict[str, Any], beyond: dict[str, Any]
) -> None:
    SyncSettings(**least)
    SyncSettings(**most)
    with pytest.raises(InputError, match=r"; expected|expected"):
        SyncSettings(**beyond)


def test_a_window_that_rounds_to_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="0 ns long"):
        SyncSettings(window_ms=1e-7)


def test_an_image_that_has_waited_for_exactly_the_timeout_is_settled() -> None:
    live = Fed(missing_x="rgb_only")
    live.x(-1000, 0)
    live.rgb(0, 50)
    live.tick(149.999999)
    assert live.emitted == []
    live.tick(150)
    assert live.emitted == [(0, None)]


def test_a_tick_at_the_time_of_arrival_settles_nothing() -> None:
    live = Fed(missing_x="rgb_only")
    live.rgb(0, 50)
    live.tick(50)
    assert live.emitted == []


def test_a_clock_that_jumped_back_settles_what_waits() -> None:
    """Its arrival lies ahead: how long it has waited is not known."""
    live = Fed(missing_x="rgb_only")
    live.rgb(0, 50)
    live.tick(49)
    assert live.emitted == [(0, None)]


def test_a_timeout_settles_older_images_with_it() -> None:
    live = Fed(missing_x="rgb_only")
    live.rgb(33, 0)
    live.rgb(0, 90)
    live.tick(100)
    assert live.emitted == [(0, None), (33, None)]
    live.tick(200)
    assert len(live.matches) == 2


def test_two_timeouts_in_one_tick_settle_each_image_once() -> None:
    live = Fed(missing_x="rgb_only")
    live.rgb(33, 0)
    live.rgb(0, 1)
    live.tick(150)
    assert live.emitted == [(0, None), (33, None)]


def test_a_flush_after_a_tick_knows_the_time() -> None:
    recorded = Fed(missing_x="rgb_only")
    recorded.x(0, 0)
    recorded.rgb(200, 210)
    recorded.tick(250)
    recorded.matching.flush()
    assert [text[-9:] for text in recorded.reasons] == ["for 0.2 s"]


def test_of_a_paired_image_nothing_is_kept() -> None:
    live = Fed()
    for ms in (0, 50):
        live.rgb(ms)
        live.x(ms)
    live.x(100)
    live.rgb(100)
    assert len(live.matches) == 3
    assert not live.matching._arrived_ns


def test_of_a_dropped_image_nothing_is_kept() -> None:
    live = Fed(slop_s=0.001)
    for ms in range(0, 500, 50):
        live.rgb(ms, ms)
        live.x(ms + 40, ms)
    assert live.matching.rgb_dropped == {"rgb_without_x": 10}
    assert not live.matching._arrived_ns


def test_each_image_has_its_own_timeout() -> None:
    live = Fed(missing_x="rgb_only")
    live.rgb(0, 0)
    live.rgb(33, 33)
    live.tick(110)
    assert live.emitted == [(0, None)]
    live.tick(133)
    assert live.emitted == [(0, None), (33, None)]


def test_the_words_of_a_timeout_are_of_its_own_time() -> None:
    """A replay hears of it only with the next message, seconds later."""
    recorded = Fed(missing_x="rgb_only")
    recorded.x(0, 0)
    recorded.rgb(0, 0)
    recorded.rgb(250, 250)
    recorded.tick(5000)
    assert [text[-9:] for text in recorded.reasons] == ["", "for 0.3 s"]
    recorded.rgb(5000, 5080)
    assert recorded.reasons[-1].endswith("for 5.1 s")


def test_silence_begins_past_a_second_and_past_ten_timeouts() -> None:
    for timeout_s, silent_ms in ((0.05, 1000), (0.1, 1000), (0.3, 3000)):
        live = Fed(x_timeout_s=timeout_s)
        live.x(0, 0)
        assert not live.matching.x_silent(silent_ms * MS)
        assert live.matching.x_silent(silent_ms * MS + 1)


def test_silence_counts_from_the_first_image_where_no_x_ever_came() -> None:
    live = Fed(missing_x="rgb_only")
    assert not live.matching.x_silent(10**12)
    live.rgb(0, 500)
    live.rgb(100, 600)
    assert not live.matching.x_silent(1500 * MS)
    assert live.matching.x_silent(1500 * MS + 1)
    live.tick(100)
    assert not live.matching.x_silent(1100 * MS)
    assert live.matching.x_silent(1100 * MS + 1)


def test_without_a_timeout_x_is_never_silent() -> None:
    recorded = Fed(x_timeout_s=None)
    recorded.x(0, 0)
    assert not recorded.matching.x_silent(10**15)


def test_where_x_is_silent_an_image_is_settled_as_it_comes() -> None:
    live = Fed(missing_x="rgb_only")
    live.x(0, 0)
    live.rgb(500, 1000)
    assert live.emitted == []
    live.rgb(600, 1001)
    assert live.emitted == [(500, None), (600, None)]
    assert live.reasons[1].endswith("for 1.0 s")


def test_events_end_a_silence_too() -> None:
    live = Fed("event", True, missing_x="rgb_only")
    live.packet(0, 0)
    live.rgb(2000, 2000)
    assert live.emitted == [(2000, None)]
    live.packet(2000, 2001)
    live.rgb(2050, 2050)
    assert live.emitted == [(2000, None)]


@pytest.mark.parametrize(
    ("held_ms", "held"), [(100, True), (100.000001, False), (-100, True), (-100.000001, False)]
)
def test_x_is_held_up_to_its_limit_on_both_sides(held_ms: float, held: bool) -> None:
    live = Fed(missing_x="hold_last", hold_limit_s=0.1, slop_s=0.0, x_time_offset_s=1.0)
    live.x(-1000, 0)
    live.rgb(held_ms, 10)
    live.tick(500)
    assert live.emitted == ([(held_ms, -1000)] if held else [])
    for match in live.matches:
        assert (match.pair.x_stamp_ns, match.held, match.x_reason) == (START, True, "")


def test_only_an_x_with_a_stamp_is_held() -> None:
    live = Fed(missing_x="hold_last", hold_limit_s=3600.0)
    for stamp in (0, -1):
        live.matching.add_x(stamp, "bad", 0)
    live.matching.add_rgb(10, 1.0, 0)
    live.matching.flush()
    assert live.emitted == []
    live.matching.add_x(1, "first", 0)
    live.matching.add_rgb(40 * MS, 2.0, 0)
    live.matching.flush()
    assert live.emitted == [(2.0, "first")]


def test_the_newest_reading_is_held_not_that_of_the_last_pair() -> None:
    live = Fed(missing_x="hold_last", hold_limit_s=0.17)
    live.x(0)
    live.x(40)
    live.rgb(0)
    live.rgb(200)
    live.tick(400)
    assert live.emitted == [(0, 0), (200, 40)]


def test_the_latest_window_is_held_of_events() -> None:
    live = Fed("event", True, missing_x="hold_last", window_ms=10.0)
    live.packet(0)
    live.rgb(10, 15)
    live.rgb(200, 200)
    live.tick(300)
    assert [(m.pair.rgb, m.held) for m in live.matches] == [(10, False), (200, True)]
    assert live.matches[1].pair.x is live.matches[0].pair.x
    assert live.matches[1].pair.x_stamp_ns == START + 10 * MS


def test_a_window_from_before_a_jump_back_is_not_held() -> None:
    """The jump itself settles the image that waits, with its window."""
    live = Fed("event", True, missing_x="hold_last", hold_limit_s=3600.0, window_ms=10.0)
    live.packet(10_000, 0)
    live.rgb(10_015, 1)
    live.packet(0, 2)
    live.rgb(100, 3)
    live.matching.flush()
    assert [rgb for rgb, _ in live.emitted] == [10_015]


@pytest.mark.parametrize("how", ["packet", "image", "timeout"])
def test_a_window_is_held_however_it_was_completed(how: str) -> None:
    live = Fed("event", True, missing_x="hold_last", window_ms=10.0)
    if how == "packet":
        live.rgb(10, 10)
    live.packet(0, 11)
    if how != "packet":
        live.rgb(10 if how == "image" else 12, 12)
    live.tick(112)
    assert [m.held for m in live.matches] == [False]
    live.rgb(300, 300)
    live.tick(400)
    assert [m.held for m in live.matches] == [False, True]


def test_another_timeout_holds_for_events_too() -> None:
    live = Fed("event", True, missing_x="rgb_only", x_timeout_s=0.1)
    live.rgb(0, 0)
    live.change(x_timeout_s=0.2, x_time_offset_s=0.001)
    live.rgb(150, 150)
    assert live.emitted == []
    live.rgb(201, 201)
    assert live.emitted == [(0, None)]
    live.change(x_timeout_s=0.04)
    live.tick(201)
    assert live.emitted == [(0, None), (150, None)]


def test_another_offset_holds_for_the_next_x() -> None:
    live = Fed(slop_s=0.01)
    live.change(x_time_offset_s=-0.5, slop_s=0.02)
    live.x(515, 0)
    live.rgb(0, 0)
    live.tick(100)
    assert live.emitted == [(0, 515)]


def test_drops_are_less_what_missing_x_kept() -> None:
    """Of four images without X the first two are near enough to the last one."""
    live = Fed(missing_x="hold_last", hold_limit_s=0.05)
    live.x(0, 0)
    for ms in (0, 40, 50, 70, 90):
        live.rgb(ms, ms)
    live.matching.flush()
    assert [rgb for rgb, _ in live.emitted] == [0, 40, 50]
    assert live.matching.rgb_dropped == {"rgb_without_x": 2}
    assert live.matching.counts.rgb_dropped == {"rgb_without_x": 4}
    assert live.matching.event_counts is None


def test_event_counts_are_those_of_the_windows() -> None:
    live = Fed("event", True)
    live.packet(0)
    live.packet(0, stamp_ns=0)
    live.rgb(6)
    assert live.matching.event_counts == EventWindowCounts(0, 1, 0)
    assert live.matching.x_dropped == {"invalid_x_stamp": 1}


def test_asked_for_rgb_alone_says_so_and_never_waits() -> None:
    live = Fed("none", missing_x="drop")
    live.rgb(0, 0)
    live.rgb(100, 5000)
    assert live.emitted == [(0, None), (100, None)]
    assert live.reasons == [NO_X_ASKED] * 2


def test_a_pair_with_x_has_no_reason() -> None:
    live = Fed()
    live.x(0)
    live.rgb(0)
    assert live.reasons == [""]
    assert not live.matches[0].held


def test_a_jump_back_forgets_when_images_arrived() -> None:
    live = Fed(missing_x="rgb_only")
    live.rgb(10_000, 0)
    live.rgb(0, 90)
    assert [rgb for rgb, _ in live.emitted] == [10_000]
    live.tick(100)
    assert len(live.matches) == 1
    live.tick(190)
    assert [rgb for rgb, _ in live.emitted] == [10_000, 0]
    assert live.matching.restarts == 1


def test_a_jump_back_of_x_forgets_the_held_one() -> None:
    live = Fed(missing_x="hold_last", hold_limit_s=3600.0)
    live.x(10_000, 0)
    live.matching.add_x(START, 0, 1)
    live.rgb(100, 2)
    live.matching.flush()
    assert live.emitted == [(100, 0)]
    live = Fed("event", True, missing_x="hold_last", hold_limit_s=3600.0, window_ms=10.0)
    live.packet(10_000, 0)
    live.rgb(10_010, 1)
    live.packet(0, 2)
    live.rgb(100, 3)
    live.matching.flush()
    assert [rgb for rgb, _ in live.emitted] == [10_010]


def events_between(*starts: float) -> Fed:
    live = Fed("event", True, missing_x="rgb_only", window_ms=20.0)
    for ms in starts:
        live.packet(ms)
    return live


def test_the_reasons_say_what_is_missing_of_images() -> None:
    live = Fed(missing_x="rgb_only", slop_s=0.012)
    live.rgb(0, 0)
    live.tick(100)
    live.x(140, 100)
    live.rgb(200, 150)
    live.x(250, 200)
    exact = Fed(missing_x="rgb_only", policy="exact")
    exact.rgb(0, 0)
    exact.x(1, 1)
    assert live.reasons + exact.reasons == [
        "no thermal reading has come yet",
        "no thermal reading within 12 ms of this RGB image",
        "no thermal reading has the stamp of this RGB image",
    ]


def test_a_reading_exactly_one_timeout_ago_is_not_yet_missing() -> None:
    live = Fed(missing_x="rgb_only", slop_s=0.012)
    live.x(0, 100)
    live.rgb(50, 100)
    live.tick(200)
    assert "within 12 ms" in live.reasons[0]
    live.rgb(60, 201)
    live.tick(301)
    assert live.reasons[1].endswith("for 0.2 s")


def test_the_reasons_say_what_is_missing_of_events() -> None:
    live = events_between(0, 10)
    nothing = packet(20).t_ns < 0
    quiet = {name: getattr(packet(20), name)[nothing] for name in ("x", "y", "t_ns", "polarity")}
    live.packet(20, last_ns=START + 50 * MS, **quiet)
    live.rgb(45, 46)
    live.rgb(90, 90)
    live.matching.flush()
    assert live.reasons == [
        "no event in the 20 ms before this RGB image",
        "no event packet reaches into the 20 ms before it",
    ]
