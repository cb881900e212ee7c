# SPDX-License-Identifier: Apache-2.0
"""Pairs of messages as they arrive live: the replay's pairing, and what to do without an X.

An RGB image waits for its X at most `sync.x_timeout`; then, and also where an X came that was too
far off, `missing_x` decides. Once X has been silent for long, RGB images no longer wait for it.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from segrgbx_ros.events.packets import EventChunk
from segrgbx_ros.messages.clouds import PointCloudMessage
from segrgbx_ros.messages.images import AnyImage, stamp_ns
from segrgbx_ros.messages.readings import XInput
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.pairing.nearest import Pair, Pairing, PairingSettings, Policy
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings
from segrgbx_ros.pipeline import MessagePair

NO_JUMP_NS = 2**62
SILENT_NS = 1_000_000_000
SILENT_TIMEOUTS = 10


@dataclass(frozen=True)
class Job:
    """A pair for the worker. held: its X belongs to an earlier image.

    x_reason: why there is no X; empty with one.
    """

    pair: MessagePair
    held: bool = False
    x_reason: str = ""


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * 1e9)


class LivePairing:
    """Turns arriving messages into jobs in the order of their stamps.

    Every RGB image becomes a job, waits, or is counted in `rgb_dropped`. The counts may be read
    from any thread.
    """

    def __init__(self, settings: NodeSettings, emit: Callable[[Job], None]) -> None:
        self._settings, self._emit = settings, emit
        self._lock = threading.RLock()
        self._windows: EventWindows[AnyImage] | None = None
        self._nearest: Pairing[AnyImage, XInput] | None = None
        if settings.modality == "event":
            self._windows = EventWindows(_window_settings(settings), self._on_unpaired)
        else:
            self._nearest = Pairing(_pairing_settings(settings), self._on_unpaired)
        self._arrived_ns: dict[int, int] = {}
        self._last_x: tuple[int, XInput] | None = None
        self._x_arrived_ns: int | None = None
        self._began_ns: int | None = None
        self._now_ns = 0
        self._without_x: list[Job] = []
        self._rescued: Counter[str] = Counter()

    @property
    def _matcher(self) -> Pairing[AnyImage, XInput] | EventWindows[AnyImage]:
        matcher = self._windows if self._nearest is None else self._nearest
        assert matcher is not None
        return matcher

    @property
    def restarts(self) -> int:
        """How often stamps have jumped back."""
        return self._matcher.restarts

    @property
    def rgb_in(self) -> int:
        """RGB images so far."""
        with self._lock:
            return self._matcher.counts.rgb_in

    @property
    def x_in(self) -> int:
        """Readings so far."""
        with self._lock:
            return self._matcher.counts.x_in

    @property
    def pending(self) -> int:
        """RGB images that wait for their X."""
        with self._lock:
            return self._matcher.counts.rgb_pending

    @property
    def paired(self) -> int:
        """RGB images that found an X of their own."""
        with self._lock:
            return self._matcher.counts.paired

    @property
    def without_x(self) -> int:
        """RGB images for which no X was near enough, whatever missing_x made of them."""
        with self._lock:
            return self._matcher.counts.rgb_dropped.get("rgb_without_x", 0)

    @property
    def rgb_dropped(self) -> dict[str, int]:
        """RGB images given up, by reason."""
        with self._lock:
            counted = Counter(self._matcher.counts.rgb_dropped)
            counted.subtract(self._rescued)
        return {reason: n for reason, n in counted.items() if n}

    @property
    def x_dropped(self) -> dict[str, int]:
        """Readings given up, by reason."""
        with self._lock:
            return dict(self._matcher.counts.x_dropped)

    def change(self, settings: NodeSettings) -> None:
        """Other dynamic parameters from here on."""
        with self._lock:
            self._settings = settings
            self._matcher.retune(
                nanoseconds(settings.sync_slop), nanoseconds(settings.sync_x_time_offset)
            )

    def add_rgb(self, msg: AnyImage, now_ns: int) -> None:
        """An RGB image that arrived now, on the node's clock."""
        with self._lock:
            self._set_clock(now_ns)
            if self._began_ns is None:
                self._began_ns = now_ns
            stamp = stamp_ns(msg.header)
            pairs = self._forget_if_jumped(lambda: [*self._matcher.add_rgb(stamp, msg)])
            self._arrived_ns[stamp] = now_ns
            self._send(pairs)
            if self._settings.modality != "none" and self.x_silent(now_ns):
                self._send([*self._matcher.settle_until(stamp)])

    def add_x(self, msg: AnyImage | PointCloudMessage, now_ns: int) -> None:
        """An image or cloud of the second sensor that arrived now."""
        with self._lock:
            assert self._nearest is not None
            nearest = self._nearest
            self._now_ns = self._x_arrived_ns = now_ns
            stamp = stamp_ns(msg.header)
            pairs = self._forget_if_jumped(lambda: nearest.add_x(stamp, msg))
            if stamp > 0:
                self._last_x = (stamp + nanoseconds(self._settings.sync_x_time_offset), msg)
            self._send(pairs)

    def add_events(self, chunk: EventChunk, now_ns: int) -> None:
        """A packet of events that arrived now."""
        with self._lock:
            assert self._windows is not None
            windows = self._windows
            self._now_ns = self._x_arrived_ns = now_ns
            pairs = self._forget_if_jumped(lambda: [*windows.add_packet(chunk)])
            for pair in pairs:
                if pair.x is not None and pair.x_stamp_ns is not None:
                    self._last_x = (pair.x_stamp_ns, pair.x)
            self._send(pairs)

    def tick(self, now_ns: int) -> None:
        """Settles the RGB images that have waited for longer than the timeout."""
        with self._lock:
            self._set_clock(now_ns)
            timeout = nanoseconds(self._settings.sync_x_timeout)
            over = [s for s, at in self._arrived_ns.items() if not 0 <= now_ns - at < timeout]
            for stamp in over:
                del self._arrived_ns[stamp]
            if over:
                self._send([*self._matcher.settle_until(max(over))])

    def x_silent(self, now_ns: int) -> bool:
        """Whether X has not come for so long that waiting for it is vain."""
        since = self._x_arrived_ns if self._x_arrived_ns is not None else self._began_ns
        return since is not None and now_ns - since > self._silent_after_ns()

    def _set_clock(self, now_ns: int) -> None:
        """The node's clock; where simulated time has jumped back, what came before it is now."""
        self._now_ns = now_ns
        if self._x_arrived_ns is not None:
            self._x_arrived_ns = min(self._x_arrived_ns, now_ns)
        if self._began_ns is not None:
            self._began_ns = min(self._began_ns, now_ns)

    def _silent_after_ns(self) -> int:
        timeout = nanoseconds(self._settings.sync_x_timeout)
        return max(SILENT_NS, SILENT_TIMEOUTS * timeout)

    def _forget_if_jumped(self, add: Callable[[], list[MessagePair]]) -> list[MessagePair]:
        before = self._matcher.restarts
        pairs = add()
        if self._matcher.restarts != before:
            self._last_x = None
            self._arrived_ns.clear()
        return pairs

    def _on_unpaired(self, stamp: int, rgb: AnyImage, reason: str) -> None:
        self._arrived_ns.pop(stamp, None)
        job = self._job_without_x(stamp, rgb)
        if job is not None:
            self._rescued[reason] += 1
            self._without_x.append(job)

    def _job_without_x(self, stamp: int, rgb: AnyImage) -> Job | None:
        """What `missing_x` makes of an RGB image; None drops it, counted by the pairing."""
        policy = self._settings.missing_x
        if policy == "drop":
            return None
        if policy == "rgb_only":
            return Job(Pair(stamp, rgb, None, None), x_reason=self._why())
        if self._last_x is not None:
            x_stamp, x = self._last_x
            if abs(stamp - x_stamp) <= nanoseconds(self._settings.hold_limit):
                return Job(Pair(stamp, rgb, x_stamp, x), held=True)
        return None

    def _why(self) -> str:
        what = f"{self._settings.modality.replace('_', ' ')} reading"
        if self._x_arrived_ns is None:
            return f"no {what} has come yet"
        ago = self._now_ns - self._x_arrived_ns
        if ago > nanoseconds(self._settings.sync_x_timeout):
            return f"no {what} has come for {ago / 1e9:.1f} s"
        return f"no {what} within {self._settings.sync_slop * 1e3:.0f} ms of this RGB image"

    def _send(self, pairs: list[MessagePair]) -> None:
        jobs = [*(Job(pair, x_reason=self._alone()) for pair in pairs), *self._without_x]
        self._without_x.clear()
        for job in sorted(jobs, key=lambda j: j.pair.rgb_stamp_ns):
            self._arrived_ns.pop(job.pair.rgb_stamp_ns, None)
            self._emit(job)

    def _alone(self) -> str:
        alone = self._settings.modality == "none"
        return "modality none: RGB alone was asked for" if alone else ""


def _pairing_settings(settings: NodeSettings) -> PairingSettings:
    policy = "rgb_only" if settings.modality == "none" else settings.sync_policy
    made = PairingSettings(
        slop_ns=nanoseconds(settings.sync_slop),
        queue_size=settings.sync_queue_size,
        x_time_offset_ns=nanoseconds(settings.sync_x_time_offset),
        policy=cast(Policy, policy),
    )
    return made if settings.reset_on_time_jump else replace(made, jump_ns=NO_JUMP_NS)


def _window_settings(settings: NodeSettings) -> EventWindowSettings:
    made = EventWindowSettings(
        duration_ns=round(settings.event_window_ms * 1e6),
        count=settings.event_window_events or None,
        queue_size=settings.sync_queue_size,
        timeout_ns=nanoseconds(settings.sync_x_timeout),
        x_time_offset_ns=nanoseconds(settings.sync_x_time_offset),
    )
    return made if settings.reset_on_time_jump else replace(made, jump_ns=NO_JUMP_NS)
