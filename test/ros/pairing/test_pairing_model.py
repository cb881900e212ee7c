# SPDX-License-Identifier: Apache-2.0
"""The pairing against a slow reference that sees all stamps at once.

The reference knows no queue, no waiting and no order of arrival. Where the order of arrival keeps
the contract of `Order`, the pairing must decide the same.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_ros.pairing.nearest import Pair, Pairing, PairingSettings

JUMP = 1_000
SPAN = 400
FIRST = 50_000

Event = tuple[str, int]


class Order(Enum):
    """What is known of the order of arrival; X always arrives in the order of its stamps."""

    X_TRAILS = "an X comes after every RGB image up to slop after it; RGB in any order"
    IN_STEP = "an X comes after every RGB image up to it; the first RGB interval is the shortest"
    X_LEADS = "an X comes at most slop before its RGB; steady RGB, slower than slop, some lost"


@dataclass
class Outcome:
    """pairs: (RGB stamp, X stamp) in order; alone: RGB images without X, in order."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    alone: list[int] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Stretch:
    """A time without a jump: its stamps, and the order in which they arrive."""

    rgb: list[int]
    x: list[int]
    arrivals: list[Event]


def chosen(rgb: int, later: list[int], free: list[int], slop: int) -> int | None:
    """The nearest X within slop that no later RGB claims, nor an earlier X that one claims."""

    def claimed(x: int) -> bool:
        nearer = [s for s in later if abs(x - s) < abs(x - rgb)]
        return any(x == min(free, key=lambda y: (abs(y - s), y)) for s in nearer)

    near = [x for x in free if abs(x - rgb) <= slop]
    open_to_it = [x for x in near if not any(claimed(y) for y in near if y <= x)]
    return min(open_to_it, key=lambda x: (abs(x - rgb), x), default=None)


def expected(stretches: Iterable[Stretch], slop: int) -> Outcome:
    made = Outcome()
    for stretch in stretches:
        rgbs, free = sorted(stretch.rgb), sorted(stretch.x)
        for n, rgb in enumerate(rgbs):
            x = chosen(rgb, rgbs[n + 1 :], free, slop)
            if x is None:
                made.alone.append(rgb)
                continue
            made.pairs.append((rgb, x))
            free = [y for y in free if y > x]
        used = {x for _, x in made.pairs}
        made.dropped["x_unused"] += len(set(stretch.x) - used)
        kinds = Counter(kind for kind, _ in stretch.arrivals)
        made.dropped["duplicate_rgb"] += kinds["rgb"] - len(stretch.rgb)
        made.dropped["duplicate_x"] += kinds["x"] - len(stretch.x)
    made.dropped["rgb_without_x"] = len(made.alone)
    return made


def stamps(draw: st.DrawFn, most: int) -> list[int]:
    return sorted(draw(st.sets(st.integers(0, SPAN), min_size=1, max_size=most)))


def rgb_stamps(draw: st.DrawFn, order: Order, slop: int) -> list[int]:
    if order is Order.X_TRAILS:
        return stamps(draw, 12)
    if order is Order.X_LEADS:
        period = draw(st.integers(max(1, slop), 40))
        kept = draw(st.lists(st.booleans(), max_size=8))
        return [0, period, *(period * (n + 2) for n, there in enumerate(kept) if there)]
    gaps = draw(st.lists(st.integers(0, 60), max_size=9))
    shortest = draw(st.integers(1, 40))
    made = [0, shortest]
    for gap in gaps:
        made.append(made[-1] + shortest + gap)
    return made


def latest_place(rgb: int, x: list[int], order: Order, slop: int) -> int:
    """Before which X the image must be there at the latest."""
    if order is Order.X_TRAILS:
        return sum(t <= rgb - slop for t in x)
    if order is Order.IN_STEP:
        return sum(t < rgb for t in x)
    return sum(t <= rgb + slop for t in x)


def arrivals(
    draw: st.DrawFn, rgb: list[int], x: list[int], order: Order, slop: int
) -> list[Event]:
    slots: list[list[int]] = [[] for _ in range(len(x) + 1)]
    place = 0
    for n, s in enumerate(rgb):
        latest = latest_place(s, x, order, slop)
        if order is Order.X_TRAILS:
            place = draw(st.integers(0, latest))
        elif n >= 2:
            place = draw(st.integers(place, max(place, latest)))
        slots[place].append(s)
    if order is Order.X_TRAILS:
        slots = [draw(st.permutations(slot)) for slot in slots]
    made: list[Event] = []
    for n, slot in enumerate(slots):
        made += [("rgb", s) for s in slot]
        made += [("x", t) for t in x[n : n + 1]]
    return made


def with_duplicates(draw: st.DrawFn, events: list[Event]) -> list[Event]:
    made = list(events)
    for n in draw(st.lists(st.integers(0, max(0, len(events) - 1)), max_size=3)):
        where = made.index(events[n])
        made.insert(draw(st.integers(where + 1, len(made))), events[n])
    return made


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Stretch], int]:
    """One to three stretches, each more than the jump before the last one, and the slop."""
    slop = draw(st.integers(0, 40))
    made = []
    for n in range(draw(st.integers(1, 3))):
        start = FIRST - n * (2 * JUMP + 2 * SPAN)
        order = draw(st.sampled_from(Order))
        rgb = [start + s for s in rgb_stamps(draw, order, slop)]
        x = [start + s for s in stamps(draw, 12)]
        events = with_duplicates(draw, arrivals(draw, rgb, x, order, slop))
        made.append(Stretch(rgb, x, events))
    return made, slop


@dataclass
class Fed:
    """A pairing that remembers what it was given and what it decided."""

    settings: PairingSettings
    pairs: list[Pair[int, int]] = field(default_factory=list)
    alone: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pairing: Pairing[int, int] = Pairing(
            self.settings, lambda _stamp, rgb, _why: self.alone.append(rgb)
        )

    def add(self, kind: str, stamp: int) -> None:
        if kind == "rgb":
            self.pairs += self.pairing.add_rgb(stamp, stamp)
        else:
            self.pairs += self.pairing.add_x(stamp - self.settings.x_time_offset_ns, stamp)

    def waiting(self, arrived: Iterable[int]) -> list[int]:
        decided = {p.rgb for p in self.pairs} | set(self.alone)
        return sorted(set(arrived) - decided)


def assert_prompt(fed: Fed, arrived: list[Event], slop: int) -> None:
    """An image waits only while a later arrival could change its partner."""
    xs = [stamp for kind, stamp in arrived if kind == "x"]
    rgbs = [stamp for kind, stamp in arrived if kind == "rgb"]
    waiting = fed.waiting(rgbs)
    if not waiting or not xs:
        return
    oldest, newest = waiting[0], max(xs)
    behind = newest < oldest + max(1, 2 * slop)
    # Images that come out of order make the intervals longer, never shorter than the shortest.
    longest = max((b - a for a in rgbs for b in rgbs if b > a), default=0)
    awaited = oldest == max(rgbs) and newest <= oldest + longest + slop
    assert behind or awaited


@given(recordings(), st.integers(-5000, 5000), st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_decides_as_if_it_saw_all_stamps_at_once(
    recording: tuple[list[Stretch], int], offset: int, invalid: int
) -> None:
    stretches, slop = recording
    fed = Fed(PairingSettings(slop, 1000, offset, "approximate", JUMP))
    for stretch in stretches:
        for n, (kind, stamp) in enumerate(stretch.arrivals, 1):
            fed.add(kind, stamp)
            assert_prompt(fed, stretch.arrivals[:n], slop)
    for n in range(invalid):
        fed.add("rgb", -n)
        fed.pairing.add_x(-n, 0)
    fed.pairs += fed.pairing.flush()
    told = expected(stretches, slop)
    told.dropped["invalid_rgb_stamp"] = told.dropped["invalid_x_stamp"] = invalid
    assert [(p.rgb, p.x) for p in fed.pairs] == told.pairs
    assert [(p.rgb_stamp_ns, p.x_stamp_ns) for p in fed.pairs] == told.pairs
    assert fed.alone == told.alone
    assert fed.pairing.counts.dropped == {k: n for k, n in told.dropped.items() if n}
    assert fed.pairing.restarts == len(stretches) - 1


@given(recordings(), st.integers(-5000, 5000))
@settings(max_examples=200, deadline=None)
def test_exact_policy_pairs_equal_stamps_of_any_order(
    recording: tuple[list[Stretch], int], offset: int
) -> None:
    stretches, slop = recording
    fed = Fed(PairingSettings(slop, 1000, offset, "exact", JUMP))
    for stretch in stretches:
        for kind, stamp in sorted(stretch.arrivals, key=lambda event: event[1]):
            fed.add(kind, stamp)
    fed.pairs += fed.pairing.flush()
    both = [s for stretch in stretches for s in sorted(set(stretch.rgb) & set(stretch.x))]
    assert [(p.rgb, p.x) for p in fed.pairs] == [(s, s) for s in both]
    told = expected(stretches, 0)
    assert fed.alone == told.alone
    assert fed.pairing.counts.dropped == {k: n for k, n in told.dropped.items() if n}
