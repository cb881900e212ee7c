# SPDX-License-Identifier: Apache-2.0
"""When a pair is decided, and what is remembered of stamps that are decided: exact borders."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from segrgbx_core.errors import InputError
from segrgbx_ros.pairing.nearest import Pair, Pairing, PairingSettings

START = 1_000_000


@dataclass
class Fed:
    """A pairing whose stamps count from START, and the RGB images it gave up."""

    pairing: Pairing[int, int]
    alone: list[int] = field(default_factory=list)

    def rgb(self, *stamps: int) -> list[tuple[int, int | None]]:
        return [d for s in stamps for d in short(self.pairing.add_rgb(START + s, s))]

    def x(self, *stamps: int) -> list[tuple[int, int | None]]:
        return [d for s in stamps for d in short(self.pairing.add_x(START + s, s))]


def short(pairs: list[Pair[int, int]]) -> list[tuple[int, int | None]]:
    return [(p.rgb, p.x) for p in pairs]


def fed(**told: Any) -> Fed:
    made = Fed(Pairing())
    told = {"slop_ns": 15, "jump_ns": 1000, **told}
    made.pairing = Pairing(PairingSettings(**told), lambda _s, rgb, _why: made.alone.append(rgb))
    return made


def steady(period: int = 20, **told: Any) -> Fed:
    """Two RGB images with their X at -2 and -1 periods: the next is expected at 0."""
    made = fed(**told)
    for stamp in (-2 * period, -period):
        assert made.x(stamp) == []
        assert made.rgb(stamp) == [(stamp, stamp)]
    return made


def test_the_rgb_that_is_due_is_waited_for_where_it_would_be_nearer() -> None:
    made = steady()
    assert made.rgb(0) + made.x(11) == []
    assert made.rgb(20) == []
    assert made.alone == []
    assert made.x(36) == [(20, 11)]
    assert made.alone == [0]


def test_halfway_to_the_rgb_that_is_due_is_not_nearer() -> None:
    made = steady()
    assert made.rgb(0) == []
    assert made.x(10) == [(0, 10)]


def test_an_rgb_that_x_has_left_behind_is_not_waited_for() -> None:
    """Due at 20, and 15 of slop: with an X at 35 it may still come, with one at 36 it is lost."""
    made = steady()
    made.rgb(0)
    assert made.x(12, 35) == []
    assert made.x(36) == [(0, 12)]


def test_the_shortest_interval_says_when_the_next_rgb_is_due() -> None:
    """Without RGB images in between, 50 and 100; at 120 as usual."""
    made = steady()
    for stamp in (50, 100):
        made.rgb(stamp)
        made.x(stamp)
    assert made.rgb(150) + made.x(161) == []
    assert made.rgb(170) + made.x(190) == [(170, 161)]
    assert made.alone == [150]


def test_no_rgb_is_waited_for_when_the_next_one_is_there() -> None:
    made = steady()
    assert made.rgb(0, 30) == []
    assert made.x(12) == [(0, 12)]


def test_an_x_that_a_later_rgb_surely_takes_is_waited_for_no_longer() -> None:
    made = fed()
    assert made.rgb(0, 10) == []
    assert made.x(10) == [(10, 10)]
    assert made.alone == [0]


def test_an_x_that_a_later_rgb_may_take_is_waited_for() -> None:
    """Until an X at or after the later RGB has come, that one may get a nearer X."""
    made = fed()
    assert made.rgb(0, 10) + made.x(9) == []
    assert made.x(11) == [(10, 9)]
    made = fed()
    assert made.rgb(0, 10) + made.x(8) == []
    assert made.x(11) == [(0, 8), (10, 11)]


def test_of_two_x_as_near_the_earlier_is_taken() -> None:
    made = fed()
    assert made.x(-5) + made.rgb(0) == []
    assert made.x(5) == [(0, -5)]


def test_an_x_as_near_to_both_rgb_images_is_the_first_ones() -> None:
    made = fed()
    assert made.rgb(0, 10) == []
    assert made.x(5, 30) == [(0, 5)]
    assert made.alone == [10]


def test_an_rgb_behind_a_used_x_does_not_wait() -> None:
    made = fed()
    made.rgb(0)
    assert made.x(10) == [(0, 10)]
    assert made.rgb(10) == []
    assert made.alone == [10]
    assert made.pairing.counts.rgb_pending == 0


def test_x_that_no_rgb_can_need_is_not_held() -> None:
    made = fed()
    made.rgb(0)
    made.x(-40, -16, -15, 16)
    counts = made.pairing.counts
    assert (counts.paired, counts.x_pending, counts.x_dropped) == (1, 1, {"x_unused": 2})
    made.rgb(40)
    made.x(56)
    counts = made.pairing.counts
    assert made.alone == [40]
    assert (counts.x_pending, counts.x_dropped) == (1, {"x_unused": 3})
    made.x(15, 17)
    counts = made.pairing.counts
    assert (counts.x_pending, counts.x_dropped) == (2, {"x_unused": 3, "late_x": 1})


def test_four_queues_of_stamps_are_known_again() -> None:
    """The fifth last stamp with a queue of one is late, no longer a duplicate."""
    made = fed(queue_size=1)
    for stamp in range(0, 500, 100):
        made.x(stamp)
        made.rgb(stamp)
    made.x(100)
    made.rgb(100)
    assert made.pairing.counts.dropped == {"duplicate_x": 1, "duplicate_rgb": 1}
    made.x(0)
    made.rgb(0)
    assert made.pairing.counts.dropped == {
        "duplicate_x": 1,
        "duplicate_rgb": 1,
        "late_x": 1,
        "late_rgb": 1,
    }


def test_only_the_latest_intervals_count() -> None:
    """With a queue of one the interval of 20 is forgotten after one of 50."""
    made = steady(queue_size=1)
    made.x(30)
    made.rgb(30)
    assert made.rgb(80) + made.x(80) == [(80, 80)]
    assert made.rgb(130) == []
    assert made.x(141) == [(130, 141)]


@pytest.mark.parametrize("kind", ["rgb", "x"])
def test_a_step_back_of_exactly_the_jump_is_disorder(kind: str) -> None:
    made = fed()
    made.rgb(1000)
    made.x(1000)
    add = made.rgb if kind == "rgb" else made.x
    add(0)
    assert made.pairing.restarts == 0
    assert made.pairing.counts.dropped == {f"late_{kind}": 1}
    add(-1)
    assert made.pairing.restarts == 1
    assert made.pairing.counts.dropped == {f"late_{kind}": 1}


def test_invalid_stamps_are_no_jump() -> None:
    made = fed()
    made.rgb(0)
    made.pairing.add_rgb(0, 0)
    made.pairing.add_x(-1, 0)
    assert made.pairing.restarts == 0
    assert made.pairing.counts.rgb_pending == 1


def test_after_a_jump_nothing_of_the_old_time_is_known() -> None:
    """No stamp is a duplicate or late, no interval is expected; only the counts go on."""
    made = steady()
    made.rgb(5000)
    assert made.x(-4000) == []
    assert made.alone == [5000]
    assert made.rgb(-4000) == [(-4000, -4000)]
    assert made.rgb(0) == []
    assert made.x(11) == [(0, 11)]
    counts = made.pairing.counts
    assert (counts.rgb_in, counts.x_in, counts.paired) == (5, 4, 4)
    assert made.rgb(-20) + made.x(-20) == []
    assert made.pairing.counts.dropped == {"rgb_without_x": 1, "late_rgb": 1, "late_x": 1}


def test_the_first_nanosecond_is_a_stamp() -> None:
    made = fed()
    assert made.pairing.add_rgb(1, 1) == []
    assert short(made.pairing.add_x(1, 1)) == [(1, 1)]
    assert short([*made.pairing.add_rgb(2, 2), *made.pairing.add_x(2, 2)]) == [(2, 2)]


def test_an_offset_may_make_a_stamp_invalid_but_not_valid() -> None:
    made: Pairing[int, int] = Pairing(PairingSettings(x_time_offset_ns=-10))
    made.add_x(10, 0)
    assert made.counts.x_dropped == {"invalid_x_stamp": 1}
    made = Pairing(PairingSettings(x_time_offset_ns=10))
    made.add_x(0, 0)
    made.add_x(-5, 0)
    assert made.counts.x_dropped == {"invalid_x_stamp": 2}


def test_settling_stops_at_the_stamp() -> None:
    made = fed()
    made.rgb(0, 10, 20)
    made.x(-3)
    assert short(made.pairing.settle_until(START - 1)) == []
    assert short(made.pairing.settle_until(START + 10)) == [(0, -3)]
    assert made.alone == [10]
    made.x(11, 12)
    assert made.pairing.counts.rgb_pending == 1


def test_settling_and_a_flush_return_every_pair() -> None:
    """Both images wait, because 10 may still get an X nearer than 9."""
    settled, flushed = fed(), fed()
    for made in (settled, flushed):
        assert made.x(-12) + made.rgb(0, 10) + made.x(9) == []
    assert short(settled.pairing.settle_until(START + 10)) == [(0, -12), (10, 9)]
    assert short(flushed.pairing.flush()) == [(0, -12), (10, 9)]


def test_a_full_queue_settles_the_oldest_with_what_is_there() -> None:
    """X never passes the images; the third image pushes the first one out."""
    made = fed(queue_size=2)
    made.x(-3)
    assert made.rgb(0, 20) == []
    assert made.rgb(40) == [(0, -3)]
    assert made.rgb(60) == []
    assert made.pairing.counts.rgb_dropped == {"rgb_queue_full": 1}
    assert made.alone == [20]


def test_a_full_queue_of_x_drops_only_the_oldest() -> None:
    made = fed(queue_size=2)
    made.x(0, 1)
    assert made.pairing.counts.x_pending == 2
    made.x(2)
    counts = made.pairing.counts
    assert (counts.x_pending, counts.x_dropped) == (2, {"x_queue_full": 1})
    assert made.rgb(1) == [(1, 1)]


def test_another_slop_holds_for_what_waits() -> None:
    made = fed()
    made.rgb(0)
    made.pairing.retune(30, 5)
    assert made.pairing.settings == PairingSettings(30, 10, 5, "approximate", 1000)
    assert made.x(25) == [(0, 25)]
    assert made.pairing.counts.paired == 1
    with pytest.raises(InputError, match="slop is -1 ns"):
        made.pairing.retune(-1, 0)


def test_exact_stays_exact_with_another_slop() -> None:
    made = fed(policy="exact")
    made.pairing.retune(30, 0)
    made.rgb(0)
    assert made.x(1) == []
    assert made.alone == [0]
    assert made.rgb(5) + made.x(5) == [(5, 5)]
