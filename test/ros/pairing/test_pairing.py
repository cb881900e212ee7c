# SPDX-License-Identifier: Apache-2.0
"""The pairing policy: cases by hand, and properties of any stream."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.errors import InputError
from segrgbx_ros.pairing.nearest import Pair, Pairing, PairingSettings

MS = 1_000_000
START = 1_000 * MS

Event = tuple[str, int]


def play(events: list[Event], **kwargs: Any) -> tuple[list[Pair[int, int]], Pairing[int, int]]:
    """Feeds ("rgb" | "x", stamp) in order, flushes, and returns pairs and the pairing."""
    pairing: Pairing[int, int] = Pairing(PairingSettings(**kwargs))
    pairs: list[Pair[int, int]] = []
    for kind, stamp in events:
        add = pairing.add_rgb if kind == "rgb" else pairing.add_x
        pairs += add(stamp, stamp)
    return pairs + pairing.flush(), pairing


def at(kind: str, ms: float) -> Event:
    return kind, START + round(ms * MS)


def stamps(pairs: list[Pair[int, int]]) -> list[tuple[float, float | None]]:
    return [
        ((p.rgb - START) / MS, None if p.x_stamp_ns is None else (p.x_stamp_ns - START) / MS)
        for p in pairs
    ]


def test_nearest_of_two_is_taken() -> None:
    pairs, pairing = play([at("x", -20), at("rgb", 0), at("x", 5)])
    assert stamps(pairs) == [(0, 5)]
    assert pairing.counts.dropped == {"x_unused": 1}


def test_decided_as_soon_as_a_later_x_is_seen() -> None:
    pairing: Pairing[str, str] = Pairing()
    assert pairing.add_x(START - 3 * MS, "before") == []
    assert pairing.add_rgb(START, "image") == []
    (pair,) = pairing.add_x(START + 30 * MS, "after")
    assert (pair.x, pair.skew_ns) == ("before", -3 * MS)


def test_equal_stamp_is_taken_at_once() -> None:
    pairing: Pairing[str, str] = Pairing()
    pairing.add_x(START, "x")
    assert [p.x for p in pairing.add_rgb(START, "image")] == ["x"]


def test_beyond_slop_is_dropped() -> None:
    pairs, pairing = play([at("rgb", 0), at("x", 31)])
    assert pairs == []
    assert pairing.counts.dropped == {"rgb_without_x": 1, "x_unused": 1}


def test_slop_is_inclusive() -> None:
    assert stamps(play([at("rgb", 0), at("x", 30)])[0]) == [(0, 30)]


def test_one_x_serves_one_rgb() -> None:
    pairs, pairing = play([at("rgb", 0), at("rgb", 20), at("x", 12)])
    assert stamps(pairs) == [(20, 12)]
    assert pairing.counts.dropped == {"rgb_without_x": 1}


def test_claim_lapses_when_the_later_rgb_finds_a_nearer_x() -> None:
    pairs, _ = play([at("rgb", 0), at("rgb", 20), at("x", 12), at("x", 21)])
    assert stamps(pairs) == [(0, 12), (20, 21)]


def test_pairs_never_cross() -> None:
    pairs, _ = play([at("rgb", 0), at("rgb", 20), at("x", 15), at("x", 29), at("rgb", 53)])
    assert stamps(pairs) == [(20, 15), (53, 29)]


def test_equal_rates_do_not_stay_one_frame_apart() -> None:
    """X leads each RGB by 3 ms but the first X is missing: only the start may be wrong."""
    events = [at("rgb", 0)]
    for k in range(1, 12):
        events += [at("x", 33 * k - 3), at("rgb", 33 * k)]
    pairs, _ = play(events)
    late = [p for p in pairs if p.rgb > START + 50 * MS]
    assert len(late) == 10
    assert {p.skew_ns for p in late} == {-3 * MS}


def test_out_of_order_within_the_queue() -> None:
    events = [at("rgb", 33), at("rgb", 0), at("x", 35), at("x", 2), at("x", 70)]
    pairs, pairing = play(events)
    assert stamps(pairs) == [(33, 35)]
    assert pairing.counts.dropped == {"rgb_without_x": 1, "late_x": 1, "x_unused": 1}
    pairs, _ = play([at("rgb", 33), at("rgb", 0), at("x", 2), at("x", 35), at("x", 70)])
    assert stamps(pairs) == [(0, 2), (33, 35)]


def test_older_than_decided_is_late() -> None:
    pairs, pairing = play([at("rgb", 100), at("x", 100), at("rgb", 50), at("x", 50)])
    assert stamps(pairs) == [(100, 100)]
    assert pairing.counts.dropped == {"late_rgb": 1, "late_x": 1}


def test_duplicates_are_counted_and_dropped() -> None:
    pairs, pairing = play([at("rgb", 0), at("rgb", 0), at("x", 1), at("x", 1), at("rgb", 0)])
    assert stamps(pairs) == [(0, 1)]
    assert pairing.counts.dropped == {"duplicate_rgb": 2, "duplicate_x": 1}


@pytest.mark.parametrize("stamp", [0, -5])
def test_zero_and_negative_stamps_are_dropped(stamp: int) -> None:
    pairs, pairing = play([("rgb", stamp), ("x", stamp), at("rgb", 0), at("x", 0)])
    assert len(pairs) == 1
    assert pairing.counts.dropped == {"invalid_rgb_stamp": 1, "invalid_x_stamp": 1}


def test_full_rgb_queue_drops_the_oldest() -> None:
    pairs, pairing = play([at("rgb", 33 * k) for k in range(5)], queue_size=3)
    assert pairs == []
    assert pairing.counts.dropped == {"rgb_queue_full": 2, "rgb_without_x": 3}


def test_full_x_queue_drops_the_oldest() -> None:
    events = [at("x", k) for k in range(5)] + [at("rgb", 5)]
    pairs, pairing = play(events, queue_size=3)
    assert stamps(pairs) == [(5, 4)]
    assert pairing.counts.dropped == {"x_queue_full": 2, "x_unused": 2}


def test_a_looping_recording_starts_again() -> None:
    once = [event for k in range(50) for event in (at("rgb", 100 * k), at("x", 100 * k + 4))]
    pairs, pairing = play(once + once)
    assert len(pairs) == 100
    assert stamps(pairs[50:52]) == [(0, 4), (100, 104)]
    assert pairing.counts.dropped == {}


def test_looping_back_settles_what_waits() -> None:
    events = [at("x", 4997), at("rgb", 5000), at("rgb", 0), at("x", 1)]
    pairs, _ = play(events)
    assert stamps(pairs) == [(5000, 4997), (0, 1)]


def test_time_offset_moves_x() -> None:
    pairs, _ = play([at("rgb", 0), at("x", -200)], x_time_offset_ns=201 * MS)
    assert stamps(pairs) == [(0, 1)]
    assert pairs[0].x == START - 200 * MS


def test_exact_policy_takes_equal_stamps_only() -> None:
    events = [at("rgb", 0), at("x", 1), at("rgb", 33), at("x", 33)]
    pairs, pairing = play(events, policy="exact")
    assert stamps(pairs) == [(33, 33)]
    assert pairing.counts.dropped == {"rgb_without_x": 1, "x_unused": 1}


def test_rgb_only_passes_every_valid_rgb() -> None:
    pairs, pairing = play(
        [at("rgb", 0), at("rgb", 33), at("rgb", 33), ("rgb", 0)], policy="rgb_only"
    )
    assert stamps(pairs) == [(0, None), (33, None)]
    assert pairing.counts.dropped == {"duplicate_rgb": 1, "invalid_rgb_stamp": 1}


def test_given_up_rgbs_are_told() -> None:
    told: list[tuple[int, str, str]] = []
    pairing: Pairing[str, str] = Pairing(
        PairingSettings(), lambda stamp, rgb, reason: told.append((stamp, rgb, reason))
    )
    pairing.add_rgb(START, "image")
    pairing.add_x(START + 40 * MS, "x")
    assert told == [(START, "image", "rgb_without_x")]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"policy": "newest"}, "'newest' .*approximate, exact, rgb_only"),
        ({"slop_ns": -1}, "slop is -1 ns; .*0 or more"),
        ({"queue_size": 0}, "queue size is 0; .*1 or more"),
        ({"jump_ns": 0}, "jump is 0 ns; .*1 or more"),
    ],
)
def test_settings_are_checked(kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PairingSettings(**kwargs)


any_streams = st.lists(
    st.tuples(st.sampled_from(["rgb", "x"]), st.integers(-2, 400).map(lambda ms: ms * MS)),
    max_size=80,
)


@given(any_streams, st.integers(0, 50), st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_laws_on_any_stream(events: list[Event], slop_ms: int, queue_size: int) -> None:
    pairing: Pairing[int, int] = Pairing(PairingSettings(slop_ms * MS, queue_size))
    pairs: list[Pair[int, int]] = []
    for n, (kind, stamp) in enumerate(events):
        pairs += (pairing.add_rgb if kind == "rgb" else pairing.add_x)(stamp, n)
        counts = pairing.counts
        assert counts.rgb_in == (
            counts.paired + sum(counts.rgb_dropped.values()) + counts.rgb_pending
        )
        assert counts.x_in == counts.paired + sum(counts.x_dropped.values()) + counts.x_pending
        assert counts.rgb_pending <= queue_size
        assert counts.x_pending <= queue_size
    pairs += pairing.flush()
    counts = pairing.counts
    assert counts.rgb_pending == counts.x_pending == 0
    assert counts.paired == len(pairs)
    assert len({p.x for p in pairs}) == len({p.rgb for p in pairs}) == len(pairs)
    assert all(abs(p.skew_ns or 0) <= slop_ms * MS for p in pairs)
    for before, after in pairwise(pairs):
        assert before.rgb_stamp_ns < after.rgb_stamp_ns
        assert (before.x_stamp_ns or 0) < (after.x_stamp_ns or 0)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(-8.0, 8.0),
    st.floats(0.0, 0.3),
    st.floats(0.0, 60.0),
)
@settings(max_examples=200, deadline=None)
def test_equals_brute_force_where_nearest_is_unambiguous(
    seed: int, phase: float, loss: float, latency: float
) -> None:
    """Same rate, jitter below the gap: the nearest X of an RGB is the nearest of no other RGB."""
    rng = np.random.default_rng(seed)
    rgb = 33.0 * np.arange(40) + rng.uniform(-2, 2, 40)
    x = 33.0 * np.arange(40) + phase + rng.uniform(-2, 2, 40)
    rgb, x = rgb[rng.random(40) >= loss], x[rng.random(40) >= loss]
    sent = [(t, at("rgb", t)) for t in rgb] + [(t + latency, at("x", t)) for t in x]
    pairs, _ = play([event for _, event in sorted(sent)], slop_ns=12 * MS)
    distance = np.abs(x[None, :] - rgb[:, None]) if x.size else np.full((rgb.size, 1), np.inf)
    nearest = distance.argmin(1)
    expected = [
        (at("rgb", t)[1], at("x", x[n])[1])
        for t, n, d in zip(rgb, nearest, distance.min(1), strict=True)
        if d <= 12
    ]
    assert [(p.rgb, p.x) for p in pairs] == expected


def test_rgb_alone_keeps_its_own_stamp() -> None:
    pairing: Pairing[str, str] = Pairing(PairingSettings(policy="rgb_only"))
    assert pairing.add_rgb(START + 7, "image") == [Pair(START + 7, "image", None, None)]
    assert pairing.counts.paired == 1
