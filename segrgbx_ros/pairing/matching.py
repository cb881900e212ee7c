# SPDX-License-Identifier: Apache-2.0
"""Turns messages as they arrive into pairs to segment, live and in a replay.

`nearest` and `windows` find the X of each RGB image. This module adds how long an image waits for
its X, and the policy `missing_x` for an image without one. The caller states the current time: the
node's clock, or a recording's log times.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from segrgbx_core.errors import InputError
from segrgbx_core.event_stream import WindowSettings
from segrgbx_core.modality import NO_X
from segrgbx_core.wording import spoken
from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.pairing.nearest import Pair, Pairing, PairingCounts, PairingSettings
from segrgbx_ros.pairing.windows import EventWindowCounts, EventWindows, EventWindowSettings

R = TypeVar("R")
X = TypeVar("X")

SyncPolicy = Literal["approximate", "exact"]
MissingX = Literal["drop", "rgb_only", "hold_last"]
SYNC_POLICIES: tuple[SyncPolicy, ...] = get_args(SyncPolicy)
MISSING_X: tuple[MissingX, ...] = get_args(MissingX)

NO_JUMP_NS = 2**62
SILENT_NS = 1_000_000_000
SILENT_TIMEOUTS = 10
GIVEN_UP_KEPT = 100
NO_X_ASKED = "modality none: RGB alone was asked for"


@dataclass(frozen=True)
class SyncSettings:
    """The pairing of X with RGB images; the live node's parameters and the replay's options.

    policy: "exact" pairs equal stamps only. slop_s: largest distance of a pair. queue_size: number
    of RGB images, and of X readings, that may wait. x_time_offset_s: added to every stamp of X.
    x_timeout_s: how long an image waits for its X; None waits until the recording ends, and with
    events 0.1 s of stamps. missing_x: the policy for an image without X. hold_limit_s: the oldest
    X that "hold_last" uses again. reset_on_time_jump: start again when stamps jump back.
    window_ms, window_events: length and largest number of events of a window, which ends at the
    RGB stamp; window_events None has no limit. Raises InputError for values out of range.
    """

    policy: SyncPolicy = "approximate"
    slop_s: float = 0.03
    queue_size: int = 10
    x_time_offset_s: float = 0.0
    x_timeout_s: float | None = None
    missing_x: MissingX = "drop"
    hold_limit_s: float = 1.0
    reset_on_time_jump: bool = True
    window_ms: float = 50.0
    window_events: int | None = None

    def __post_init__(self) -> None:
        for what, value, known in (
            ("synchronisation policy", self.policy, SYNC_POLICIES),
            ("answer to a missing X", self.missing_x, MISSING_X),
        ):
            if value not in known:
                raise InputError(f"The {what} is '{value}'; expected {' or '.join(known)}.")
        for what, seconds, most in (
            ("slop", self.slop_s, 10.0),
            ("hold limit", self.hold_limit_s, 3600.0),
        ):
            if not 0.0 <= seconds <= most:
                raise InputError(f"The {what} is {seconds} s; expected 0 to {most:g}.")
        if self.x_timeout_s is not None and not 0.001 <= self.x_timeout_s <= 60.0:
            raise InputError(
                f"The wait for X is {self.x_timeout_s} s; expected 0.001 to 60, or leave it out."
            )
        if not abs(self.x_time_offset_s) <= 1e10:
            raise InputError(
                f"The X time offset is {self.x_time_offset_s} s; expected -1e10 to 1e10."
            )
        if not 1 <= self.queue_size <= 1000:
            raise InputError(f"The queue size is {self.queue_size}; expected 1 to 1000.")
        if not 0.0 < self.window_ms <= 10_000.0:
            raise InputError(
                f"The event window is {self.window_ms} ms; expected above 0, at most 10000."
            )
        WindowSettings(round(self.window_ms * 1e6), self.window_events)

    def nearest(self, with_x: bool) -> PairingSettings:
        """Settings for images and clouds; without X every RGB image passes."""
        made = PairingSettings(
            slop_ns=nanoseconds(self.slop_s),
            queue_size=self.queue_size,
            x_time_offset_ns=nanoseconds(self.x_time_offset_s),
            policy=self.policy if with_x else "rgb_only",
        )
        return made if self.reset_on_time_jump else replace(made, jump_ns=NO_JUMP_NS)

    def windows(self) -> EventWindowSettings:
        """Settings for events."""
        made = EventWindowSettings(
            duration_ns=round(self.window_ms * 1e6),
            count=self.window_events,
            queue_size=self.queue_size,
            x_time_offset_ns=nanoseconds(self.x_time_offset_s),
        )
        if self.x_timeout_s is not None:
            made = replace(made, timeout_ns=nanoseconds(self.x_timeout_s))
        return made if self.reset_on_time_jump else replace(made, jump_ns=NO_JUMP_NS)


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * 1e9)


@dataclass(frozen=True)
class Match(Generic[R, X]):
    """A pair to segment. held: its X was taken from an earlier image.

    x_reason: why there is no X; empty with one.
    """

    pair: Pair[R, X]
    held: bool = False
    x_reason: str = ""


class _Matcher(Protocol[R]):
    """The common interface of `Pairing` and `EventWindows`."""

    @property
    def counts(self) -> PairingCounts: ...

    @property
    def restarts(self) -> int: ...

    def retune(self, slop_ns: int, x_time_offset_ns: int) -> None: ...

    def add_rgb(self, stamp_ns: int, rgb: R) -> Sequence[Pair[R, Any]]: ...

    def settle_until(self, rgb_stamp_ns: int) -> Sequence[Pair[R, Any]]: ...

    def flush(self) -> Sequence[Pair[R, Any]]: ...


class Matching(Generic[R, X]):
    """Turns arriving messages into matches, and emits them in the order of their stamps.

    Every RGB image is emitted, waits, or is counted in `rgb_dropped`. One thread may feed it while
    others read the counts. late, late_ns: readings whose image had been given up, and how long
    after it the last ones arrived.
    """

    def __init__(
        self,
        modality: str,
        windowed: bool,
        settings: SyncSettings,
        emit: Callable[[Match[R, X]], None],
        on_drop: Callable[[int, str], None] | None = None,
    ) -> None:
        """windowed: the sensor delivers events instead of images. on_drop: hears the stamp of each
        RGB image that is dropped for want of X, and the reason."""
        self._modality, self._settings, self._emit = modality, settings, emit
        self._on_drop = on_drop
        self._lock = threading.RLock()
        self._windows: EventWindows[R] | None = None
        self._nearest: Pairing[R, X] | None = None
        self._matcher: _Matcher[R]
        if windowed:
            self._matcher = self._windows = EventWindows(settings.windows(), self._on_unpaired)
        else:
            wanted = settings.nearest(modality != NO_X)
            self._matcher = self._nearest = Pairing(wanted, self._on_unpaired)
        self._arrived_ns: dict[int, int] = {}
        self._last_x: tuple[int, X] | None = None
        self._x_arrived_ns: int | None = None
        self._began_ns: int | None = None
        self._now_ns = 0
        self._without_x: list[Match[R, X]] = []
        self._given_up: deque[tuple[int, int]] = deque(maxlen=GIVEN_UP_KEPT)
        self.late = 0
        self.late_ns: deque[int] = deque(maxlen=GIVEN_UP_KEPT)
        self._rescued: Counter[str] = Counter()

    @property
    def counts(self) -> PairingCounts:
        """The totals so far; rgb_dropped includes the images that missing_x kept."""
        with self._lock:
            return self._matcher.counts

    @property
    def event_counts(self) -> EventWindowCounts | None:
        """The totals of the events; None for images."""
        with self._lock:
            return None if self._windows is None else self._windows.event_counts

    @property
    def restarts(self) -> int:
        """How often stamps jumped back."""
        return self._matcher.restarts

    @property
    def rgb_dropped(self) -> dict[str, int]:
        """Dropped RGB images, by reason."""
        with self._lock:
            counted = Counter(self._matcher.counts.rgb_dropped)
            counted.subtract(self._rescued)
        return {reason: n for reason, n in counted.items() if n}

    @property
    def x_dropped(self) -> dict[str, int]:
        """Dropped readings, by reason."""
        return dict(self.counts.x_dropped)

    def change(self, settings: SyncSettings) -> None:
        """Applies another slop, offset, timeout, missing_x and hold limit from here on."""
        with self._lock:
            self._settings = settings
            self._matcher.retune(
                nanoseconds(settings.slop_s), nanoseconds(settings.x_time_offset_s)
            )
            if self._windows is not None:
                timeout_ns = settings.windows().timeout_ns
                self._windows.settings = replace(self._windows.settings, timeout_ns=timeout_ns)

    def add_rgb(self, stamp_ns: int, rgb: R, now_ns: int) -> None:
        """Adds an RGB image that arrived now; times in nanoseconds."""
        with self._lock:
            self._set_clock(now_ns)
            if self._began_ns is None:
                self._began_ns = now_ns
            pairs = self._forget_if_jumped(lambda: self._matcher.add_rgb(stamp_ns, rgb))
            if self._settings.x_timeout_s is not None:
                self._arrived_ns[stamp_ns] = now_ns
            self._send(pairs)
            if self._modality != NO_X and self.x_silent(now_ns):
                self._settle_until(stamp_ns)

    def add_x(self, stamp_ns: int, x: X, now_ns: int) -> None:
        """Adds an image or cloud of the second sensor that arrived now; times in nanoseconds."""
        with self._lock:
            assert self._nearest is not None
            nearest = self._nearest
            self._now_ns = self._x_arrived_ns = now_ns
            self._note_late(stamp_ns, now_ns, nanoseconds(self._settings.slop_s))
            pairs = self._forget_if_jumped(lambda: nearest.add_x(stamp_ns, x))
            if stamp_ns > 0:
                self._last_x = (stamp_ns + nanoseconds(self._settings.x_time_offset_s), x)
            self._send(pairs)

    def add_events(self, chunk: EventChunk, now_ns: int) -> None:
        """Adds a packet of events that arrived now; time in nanoseconds."""
        with self._lock:
            assert self._windows is not None
            windows = self._windows
            self._now_ns = self._x_arrived_ns = now_ns
            self._note_late(chunk.stamp_ns, now_ns, round(self._settings.window_ms * 1e6))
            self._send(self._forget_if_jumped(lambda: windows.add_packet(chunk)))

    def tick(self, now_ns: int) -> None:
        """Settles the RGB images that have waited longer than the timeout."""
        with self._lock:
            self._set_clock(now_ns)
            if self._settings.x_timeout_s is None:
                return
            timeout = nanoseconds(self._settings.x_timeout_s)
            waited = self._arrived_ns.items()
            over = sorted((at, s) for s, at in waited if not 0 <= now_ns - at < timeout)
            for at, stamp in over:
                # A replay hears of the timeout only with the recording's next message.
                self._now_ns = min(now_ns, at + timeout)
                self._settle_until(stamp)
                self._arrived_ns.pop(stamp, None)
            self._now_ns = now_ns

    def flush(self) -> None:
        """Settles everything that waits, at the end of a recording."""
        with self._lock:
            self._send(self._matcher.flush())

    def x_silent(self, now_ns: int) -> bool:
        """Whether no X arrived for so long that images no longer wait for it."""
        if self._settings.x_timeout_s is None:
            return False
        since = self._x_arrived_ns if self._x_arrived_ns is not None else self._began_ns
        after = max(SILENT_NS, SILENT_TIMEOUTS * nanoseconds(self._settings.x_timeout_s))
        return since is not None and now_ns - since > after

    def _settle_until(self, stamp_ns: int) -> None:
        pairs = self._matcher.settle_until(stamp_ns)
        self._hold_window(pairs)
        self._send(pairs)

    def _set_clock(self, now_ns: int) -> None:
        """Sets the time; if simulated time has jumped back, earlier arrivals count as now."""
        self._now_ns = now_ns
        if self._x_arrived_ns is not None:
            self._x_arrived_ns = min(self._x_arrived_ns, now_ns)
        if self._began_ns is not None:
            self._began_ns = min(self._began_ns, now_ns)

    def _forget_if_jumped(
        self, add: Callable[[], Sequence[Pair[R, Any]]]
    ) -> Sequence[Pair[R, Any]]:
        before = self._matcher.restarts
        pairs = add()
        self._hold_window(pairs)
        if self._matcher.restarts != before:
            self._last_x = None
            self._arrived_ns.clear()
            self._given_up.clear()
        return pairs

    def _hold_window(self, pairs: Sequence[Pair[R, Any]]) -> None:
        """Keeps the latest window of events; of images `add_x` keeps each reading."""
        for pair in pairs:
            if self._windows is not None and pair.x is not None and pair.x_stamp_ns is not None:
                self._last_x = (pair.x_stamp_ns, pair.x)

    def _on_unpaired(self, stamp_ns: int, rgb: R, reason: str) -> None:
        arrived_ns = self._arrived_ns.pop(stamp_ns, None)
        if arrived_ns is not None:
            self._given_up.append((stamp_ns, arrived_ns))
        match = self._match_without_x(stamp_ns, rgb, reason)
        if match is not None:
            self._rescued[reason] += 1
            self._without_x.append(match)
        elif self._on_drop is not None:
            self._on_drop(stamp_ns, reason)

    def _note_late(self, x_stamp_ns: int, now_ns: int, near_ns: int) -> None:
        """Counts a reading whose image has been given up, and how long after that it came."""
        stamp = x_stamp_ns + nanoseconds(self._settings.x_time_offset_s)
        for given_up in reversed(self._given_up):
            if given_up[0] < stamp - near_ns:
                return
            if given_up[0] <= stamp + near_ns and now_ns >= given_up[1]:
                self._given_up.remove(given_up)
                self.late += 1
                self.late_ns.append(now_ns - given_up[1])
                return

    def _match_without_x(self, stamp_ns: int, rgb: R, reason: str) -> Match[R, X] | None:
        """Applies `missing_x` to an RGB image; None drops it, and the pairing counts it."""
        if self._settings.missing_x == "drop":
            return None
        if self._settings.missing_x == "rgb_only":
            return Match(Pair(stamp_ns, rgb, None, None), x_reason=self._why(reason))
        if self._last_x is not None:
            x_stamp, x = self._last_x
            if abs(stamp_ns - x_stamp) <= nanoseconds(self._settings.hold_limit_s):
                return Match(Pair(stamp_ns, rgb, x_stamp, x), held=True)
        return None

    def _why(self, reason: str) -> str:
        """Why the image has no X, in words; reason: the pairing's."""
        what = f"{spoken(self._modality)} reading"
        if self._x_arrived_ns is None:
            return f"no {what} has come yet"
        ago, timeout = self._now_ns - self._x_arrived_ns, self._settings.x_timeout_s
        if timeout is not None and ago > nanoseconds(timeout):
            return f"no {what} has come for {ago / 1e9:.1f} s"
        if reason == "rgb_without_events":
            return f"no event in the {self._settings.window_ms:g} ms before this RGB image"
        if self._windows is not None:
            return f"no event packet reaches into the {self._settings.window_ms:g} ms before it"
        if self._settings.policy == "exact":
            return f"no {what} has the stamp of this RGB image"
        return f"no {what} within {self._settings.slop_s * 1e3:.0f} ms of this RGB image"

    def _send(self, pairs: Sequence[Pair[R, Any]]) -> None:
        reason = NO_X_ASKED if self._modality == NO_X else ""
        matches = [*(Match(pair, x_reason=reason) for pair in pairs), *self._without_x]
        self._without_x.clear()
        for match in sorted(matches, key=lambda m: m.pair.rgb_stamp_ns):
            self._arrived_ns.pop(match.pair.rgb_stamp_ns, None)
            self._emit(match)
