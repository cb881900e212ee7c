# SPDX-License-Identifier: Apache-2.0
"""Pairs each RGB image with an X reading, the same in the live node and the replay.

Each RGB, oldest first, takes the nearest X within `slop_ns`. One X serves one RGB. If a later RGB
is nearer to an X, and that X is its own nearest, the X is kept for it. Without this rule, two
streams of equal rate whose first X is missing would stay one frame apart for good. Both sides only
move forward: after an X is used, older ones are dropped. The choice is greedy and local on
purpose: the optimum over the whole recording would have to wait for its end.

A decision is made as soon as no better X can arrive, that is, after an X at or after the RGB has
been seen; an X of equal stamp is taken at once. The decision waits for one more RGB only if that
RGB, expected after the usual interval, would be nearer to the X.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from segrgbx_core.errors import InputError

R = TypeVar("R")
X = TypeVar("X")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
X_co = TypeVar("X_co", covariant=True)

Policy = Literal["approximate", "exact", "rgb_only"]
POLICIES: tuple[Policy, ...] = ("approximate", "exact", "rgb_only")


@dataclass(frozen=True)
class PairingSettings:
    """The largest distance of a pair, and how much may wait.

    slop_ns: largest distance of a pair. queue_size: number of RGB images, and of X readings, that
    may wait. x_time_offset_ns: added to every X stamp. jump_ns: a larger step back is a new start
    of time (a looping recording), a smaller one is disorder. policy: "exact" pairs equal stamps,
    "rgb_only" passes every valid RGB on without X. Raises InputError for values out of range.
    """

    slop_ns: int = 30_000_000
    queue_size: int = 10
    x_time_offset_ns: int = 0
    policy: Policy = "approximate"
    jump_ns: int = 1_000_000_000

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise InputError(
                f"Pairing policy '{self.policy}' is unknown; expected one of "
                f"{', '.join(POLICIES)}."
            )
        if self.slop_ns < 0:
            raise InputError(f"Pairing slop is {self.slop_ns} ns; expected 0 or more.")
        if self.queue_size < 1:
            raise InputError(f"Pairing queue size is {self.queue_size}; expected 1 or more.")
        if self.jump_ns < 1:
            raise InputError(f"Pairing time jump is {self.jump_ns} ns; expected 1 or more.")


@dataclass(frozen=True)
class Pair(Generic[R_co, X_co]):
    """An RGB and its X; X and its stamp are None without X. The X stamp includes the offset."""

    rgb_stamp_ns: int
    rgb: R_co
    x_stamp_ns: int | None
    x: X_co | None

    @property
    def skew_ns(self) -> int | None:
        """X stamp minus RGB stamp; None without X."""
        return None if self.x_stamp_ns is None else self.x_stamp_ns - self.rgb_stamp_ns


@dataclass(frozen=True)
class PairingCounts:
    """Every input is paired, dropped for a reason or pending.

    For each side: arrived = paired + sum(dropped) + pending.
    """

    rgb_in: int
    x_in: int
    paired: int
    rgb_dropped: Mapping[str, int]
    x_dropped: Mapping[str, int]
    rgb_pending: int
    x_pending: int

    @property
    def dropped(self) -> dict[str, int]:
        """The drops of both sides; the reasons name their side."""
        return {**self.rgb_dropped, **self.x_dropped}


class Stream(Generic[T]):
    """The waiting items of one side in the order of their stamps, and counts of the others."""

    def __init__(self, name: str, settings: PairingSettings) -> None:
        self.name = name
        self.settings = settings
        self.stamps: list[int] = []
        self.items: dict[int, T] = {}
        self.arrived = 0
        self.dropped: Counter[str] = Counter()
        self.newest = 0
        self.settled = 0
        self.intervals: deque[int] = deque(maxlen=settings.queue_size)
        self.seen: deque[int] = deque(maxlen=4 * settings.queue_size)

    def forget(self) -> None:
        """Starts again, for a new start of time."""
        self.newest = 0
        self.settled = 0
        self.intervals.clear()
        self.seen.clear()

    def jumps_back(self, stamp: int) -> bool:
        """Whether an item with this stamp is a new start of time."""
        return 0 < stamp < self.newest - self.settings.jump_ns

    def refusal(self, stamp: int) -> str | None:
        """Why an item with this stamp cannot wait here; None if it can."""
        if stamp <= 0:
            return f"invalid_{self.name}_stamp"
        if stamp in self.items or stamp in self.seen:
            return f"duplicate_{self.name}"
        if stamp <= self.settled:
            return f"late_{self.name}"
        return None

    def add(self, stamp: int, item: T) -> bool:
        """Whether the item now waits; otherwise it is dropped and counted."""
        self.arrived += 1
        reason = self.refusal(stamp)
        if reason is not None:
            self.dropped[reason] += 1
            return False
        if stamp > self.newest:
            if self.newest:
                self.intervals.append(stamp - self.newest)
            self.newest = stamp
        insort(self.stamps, stamp)
        self.items[stamp] = item
        self.seen.append(stamp)
        return True

    def take(self, stamp: int) -> T:
        """Removes and returns the item; later items at or before its stamp are refused."""
        self.stamps.remove(stamp)
        self.settled = max(self.settled, stamp)
        return self.items.pop(stamp)

    def give_up(self, below: int, reason: str) -> None:
        """Removes everything older than `below`, counted under `reason`."""
        for stamp in self.stamps[: bisect_left(self.stamps, below)]:
            self.take(stamp)
            self.dropped[reason] += 1


class Pairing(Generic[R, X]):
    """Takes images and readings as they arrive; returns complete pairs in the order of stamps.

    Duplicate stamps, stamps that are zero or negative, and items older than what has been decided
    are dropped and counted. A step back in time by more than `jump_ns` settles what waits and
    starts again, so the order holds between two such steps.
    """

    def __init__(
        self,
        settings: PairingSettings | None = None,
        on_unpaired: Callable[[int, R, str], None] | None = None,
    ) -> None:
        """on_unpaired: called with stamp, RGB and reason of each RGB dropped without an X."""
        self.settings = settings or PairingSettings()
        self._slop = 0 if self.settings.policy == "exact" else self.settings.slop_ns
        self._rgb: Stream[R] = Stream("rgb", self.settings)
        self._x: Stream[X] = Stream("x", self.settings)
        self._paired = 0
        self._restarts = 0
        self._on_unpaired = on_unpaired

    @property
    def restarts(self) -> int:
        """How often time jumped back."""
        return self._restarts

    def retune(self, slop_ns: int, x_time_offset_ns: int) -> None:
        """Applies another slop and offset from here on; the new slop applies to what waits too.

        Raises InputError as PairingSettings does.
        """
        self.settings = replace(self.settings, slop_ns=slop_ns, x_time_offset_ns=x_time_offset_ns)
        self._slop = 0 if self.settings.policy == "exact" else slop_ns

    @property
    def counts(self) -> PairingCounts:
        """The totals so far."""
        return PairingCounts(
            rgb_in=self._rgb.arrived,
            x_in=self._x.arrived,
            paired=self._paired,
            rgb_dropped=dict(self._rgb.dropped),
            x_dropped=dict(self._x.dropped),
            rgb_pending=len(self._rgb.stamps),
            x_pending=len(self._x.stamps),
        )

    def add_rgb(self, stamp_ns: int, rgb: R) -> list[Pair[R, X]]:
        """The pairs that this image completes."""
        done = self._restart_if(self._rgb.jumps_back(stamp_ns))
        if self._rgb.add(stamp_ns, rgb):
            done += self._decide()
            if len(self._rgb.stamps) > self.settings.queue_size:
                done += self._settle_oldest("rgb_queue_full")
                done += self._decide()
        return done

    def add_x(self, stamp_ns: int, x: X) -> list[Pair[R, X]]:
        """The pairs that this reading completes."""
        stamp = stamp_ns + self.settings.x_time_offset_ns if stamp_ns > 0 else stamp_ns
        done = self._restart_if(self._x.jumps_back(stamp))
        if self._x.add(stamp, x):
            done += self._decide()
            if len(self._x.stamps) > self.settings.queue_size:
                self._x.give_up(self._x.stamps[0] + 1, "x_queue_full")
        return done

    def flush(self) -> list[Pair[R, X]]:
        """Decides everything that waits with the present data, at the end of a recording."""
        done: list[Pair[R, X]] = []
        while self._rgb.stamps:
            done += self._settle_oldest("rgb_without_x")
        if self._x.stamps:
            self._x.give_up(self._x.stamps[-1] + 1, "x_unused")
        return done

    def settle_until(self, rgb_stamp_ns: int) -> list[Pair[R, X]]:
        """Decides every waiting RGB up to that stamp with the present data, after a timeout."""
        done: list[Pair[R, X]] = []
        while self._rgb.stamps and self._rgb.stamps[0] <= rgb_stamp_ns:
            done += self._settle_oldest("rgb_without_x")
        return done

    def _restart_if(self, jumped: bool) -> list[Pair[R, X]]:
        if not jumped:
            return []
        self._restarts += 1
        done = self.flush()
        self._rgb.forget()
        self._x.forget()
        return done

    def _decide(self) -> list[Pair[R, X]]:
        done: list[Pair[R, X]] = []
        while self._rgb.stamps and not self._must_wait(self._rgb.stamps[0]):
            done += self._settle_oldest("rgb_without_x")
        return done

    def _settle_oldest(self, reason: str) -> list[Pair[R, X]]:
        """Removes the oldest RGB: as a pair, or counted under `reason`."""
        stamp = self._rgb.stamps[0]
        if self.settings.policy == "rgb_only":
            self._paired += 1
            return [Pair(stamp, self._rgb.take(stamp), None, None)]
        chosen, _ = self._choose(stamp)
        rgb = self._rgb.take(stamp)
        if chosen is None:
            self._rgb.dropped[reason] += 1
            if self._on_unpaired is not None:
                self._on_unpaired(stamp, rgb, reason)
            self._x.give_up(stamp - self._slop, "x_unused")
            return []
        self._x.give_up(chosen, "x_unused")
        self._paired += 1
        return [Pair(stamp, rgb, chosen, self._x.take(chosen))]

    def _must_wait(self, rgb: int) -> bool:
        """Whether a later arrival could change the partner of this RGB."""
        if self.settings.policy == "rgb_only":
            return False
        chosen, certain = self._choose(rgb)
        if chosen == rgb:
            return False
        if not certain or self._x.newest < rgb:
            return True
        return chosen is not None and self._next_rgb_nearer(rgb, chosen)

    def _next_rgb_nearer(self, rgb: int, x: int) -> bool:
        """Whether the next RGB, expected after the usual interval, would be nearer to `x`."""
        if not self._rgb.intervals or rgb != self._rgb.newest:
            return False
        due = rgb + min(self._rgb.intervals)
        return abs(x - due) < abs(x - rgb) and self._x.newest <= due + self._slop

    def _choose(self, rgb: int) -> tuple[int | None, bool]:
        """The nearest X within slop that no later waiting RGB claims, and whether that is final.

        It is not final while the claiming RGB may still get a nearer X of its own.
        """
        near = (x for x in self._x.stamps if abs(x - rgb) <= self._slop)
        claimed: int | None = None
        certain = True
        for x in sorted(near, key=lambda stamp: abs(stamp - rgb)):
            if claimed is not None and x > claimed:
                continue
            owners = [s for s in self._nearer_rgbs(rgb, x) if self._nearest_x(s) == x]
            if not owners:
                return x, certain
            claimed = x
            certain = certain and self._x.newest >= owners[0]
        return None, certain

    def _nearer_rgbs(self, rgb: int, x: int) -> list[int]:
        return [s for s in self._rgb.stamps if s > rgb and abs(x - s) < abs(x - rgb)]

    def _nearest_x(self, rgb: int) -> int:
        return min(self._x.stamps, key=lambda stamp: abs(stamp - rgb))
