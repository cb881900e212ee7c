# SPDX-License-Identifier: Apache-2.0
"""The facts about the node's health, with rates and percentiles."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from segrgbx_core.runs.figures import Spread

RATE_WINDOW_S = 5.0
KEPT_MARKS = 2048
KEPT_VALUES = 300
LAG_S = 2.0
FEWEST = 3


class Rate:
    """Events per second over the last five seconds: of those that come one by one.

    Rarer ones: by the time between the last two, until the next is twice that late.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: deque[float] = deque(maxlen=KEPT_MARKS)
        self._lock = threading.Lock()

    def mark(self) -> None:
        """Adds an event now."""
        with self._lock:
            self._marks.append(self._clock())

    def hz(self) -> float:
        """Events per second; 0 before the second, and when they have stopped."""
        now = self._clock()
        with self._lock:
            recent = [t for t in self._marks if now - t <= RATE_WINDOW_S]
            last_two = list(self._marks)[-2:]
        if len(recent) < 2:
            recent = last_two
            if len(recent) < 2 or now - recent[1] > 2 * (recent[1] - recent[0]):
                return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], 1e-9)

    def since_last_s(self) -> float | None:
        """Seconds since the last event; None before the first."""
        with self._lock:
            return self._clock() - self._marks[-1] if self._marks else None


class BurstRate:
    """Events per second over the last five seconds: of those that come many at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bursts: deque[tuple[float, int]] = deque(maxlen=KEPT_MARKS)
        self._lock = threading.Lock()

    def add(self, events: int) -> None:
        """Adds so many events now."""
        if events > 0:
            with self._lock:
                self._bursts.append((self._clock(), events))

    def hz(self) -> float:
        """All events of the window, spread over the whole of it."""
        since = self._clock() - RATE_WINDOW_S
        with self._lock:
            return sum(events for at, events in self._bursts if at >= since) / RATE_WINDOW_S


class Recent:
    """The last 300 values of one quantity; with `seconds`, of these the values of that time.

    Without a value in that time, the last three are taken.
    """

    def __init__(
        self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._values: deque[tuple[float, float]] = deque(maxlen=KEPT_VALUES)
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        """Adds a value; values that are not finite are ignored."""
        if np.isfinite(value):
            with self._lock:
                self._values.append((self._clock(), value))

    def spread(self) -> Spread | None:
        """Median, 95th percentile and maximum; None before the first value."""
        with self._lock:
            kept = list(self._values)
        if self._seconds is not None:
            since = self._clock() - self._seconds
            kept = [each for each in kept if each[0] >= since] or kept[-FEWEST:]
        return Spread.of([value for _, value in kept]) if kept else None


@dataclass(frozen=True)
class InputHealth:
    """Health of one input.

    topic, type_name: of the subscription. argument: the launch argument that sets the topic.
    transport: the parameter that sets its form. publishers: node and type of each publisher of the
    topic. incompatible: node and policy of each publisher with incompatible QoS. others: other
    topics of the type. reliable: the QoS that was asked for. lost: messages that the middleware
    reports as lost, lost_hz in the last five seconds. given_up_hz: event packets that came faster
    than they could be decoded. since_last_s: None before the first message.
    stamp_lag_s: median of the node's time at arrival minus stamp. zero_stamps: messages without a
    stamp; 0 after ten seconds without one.
    """

    name: str
    topic: str
    type_name: str
    argument: str
    transport: str
    hz: float
    count: int
    since_last_s: float | None
    publishers: Sequence[tuple[str, str]]
    incompatible: Sequence[tuple[str, str]]
    others: Sequence[str]
    reliable: bool
    lost: int
    lost_hz: float
    given_up_hz: float
    stamp_lag_s: float | None
    zero_stamps: int


@dataclass(frozen=True)
class OutputHealth:
    """Health of the outputs.

    subscribers: number by output. incompatible: output, node and policy of each subscriber that
    cannot receive because of its QoS.
    """

    mask_topic: str
    subscribers: Mapping[str, int]
    incompatible: Sequence[tuple[str, str, str]]
    hz: float


@dataclass(frozen=True)
class ModelHealth:
    """memory_bytes: device memory that this process uses; None on the CPU."""

    name: str
    device: str
    precision: str
    backend: str
    memory_bytes: int | None
    defects: int
    limits: str | None = None


@dataclass(frozen=True)
class RunHealth:
    """The facts of an active node; the defaults are those of an idle one.

    pairs_hz: matches passed to the model. new_paired, new_without_x: RGB images of the last five
    seconds with and without an X, regardless of missing_x. new_superseded, new_segmented: pairs of
    that time that a newer one replaced, and that became masks. new_late: readings of that time
    whose image had been given up; late_s: median of how long after it they came. x_state: state of
    the second sensor, in a few words. drops: RGB images without a mask, by reason. x_drops: unused
    X readings, by reason. refusal: the latest sentence on an unusable frame; None after ten
    seconds without one. doubt: why X's values look wrong. restarts: how often stamps jumped back.
    """

    enabled: bool = True
    inputs: Sequence[InputHealth] = ()
    defects: int = 0
    pairs_hz: float = 0.0
    new_paired: int = 0
    new_without_x: int = 0
    new_late: int = 0
    late_s: float | None = None
    new_superseded: int = 0
    new_segmented: int = 0
    skew_ms: Spread | None = None
    age_ms: Spread | None = None
    stage_ms: Mapping[str, Spread] = field(default_factory=dict)
    x_state: str = "inactive"
    drops: Mapping[str, int] = field(default_factory=dict)
    x_drops: Mapping[str, int] = field(default_factory=dict)
    frames_segmented: int = 0
    restarts: int = 0
    refusal: str | None = None
    doubt: str | None = None

    @property
    def clock_apart_s(self) -> float | None:
        """X's clock minus RGB's in seconds, estimated from the arrivals; None if unknown."""
        if len(self.inputs) < 2:
            return None
        rgb, x = self.inputs[0].stamp_lag_s, self.inputs[1].stamp_lag_s
        return None if rgb is None or x is None else rgb - x


@dataclass(frozen=True)
class Health:
    """All facts for the findings.

    state: of the lifecycle. state_s: seconds in that state. callback_defects: how many callbacks
    ended with an unexpected error.
    """

    node: str
    state: str
    state_s: float
    modality: str
    missing_x: str
    slop_s: float
    x_time_offset_s: float
    x_timeout_s: float
    sim_time_missing: bool
    failure: str | None
    outputs: OutputHealth | None
    model: ModelHealth | None
    callback_defects: int = 0
    run: RunHealth = field(default_factory=RunHealth)
