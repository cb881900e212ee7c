# SPDX-License-Identifier: Apache-2.0
"""One thread for slow work, so that callbacks never wait for it.

With one slot the newest job wins: a waiting job is dropped when the next one arrives. The work is
therefore never older than one job, however long it takes. Workers that share a device take turns.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from segrgbx_ros.messages.types import NS_PER_S

J = TypeVar("J")
log = logging.getLogger("segrgbx")

SUPERSEDED = "superseded"
QUEUE_FULL = "worker_queue_full"


class Turns:
    """A lock that several workers take in the order in which they asked for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    def __enter__(self) -> None:
        own = object()
        with self._changed:
            self._waiting.append(own)
            self._changed.wait_for(lambda: self._waiting[0] is own)

    def __exit__(self, *_error: object) -> None:
        with self._changed:
            self._waiting.popleft()
            self._changed.notify_all()


class Worker(Generic[J]):
    """Runs `work` on one job after the other, in a separate thread.

    capacity: number of jobs that may wait. With 1, a new job replaces the waiting one. With more,
    jobs run in order, and a job without a free slot is dropped. turns: shared by workers of which
    one may run at a time; the job is chosen when the turn has come. An exception in `work` is a
    defect: it is logged with its trace and counted, and the next job runs.
    """

    def __init__(
        self, work: Callable[[J], None], capacity: int = 1, turns: Turns | None = None
    ) -> None:
        self._work, self._capacity = work, capacity
        self._turns = turns or Turns()
        self._waiting: deque[J] = deque()
        self._changed = threading.Condition()
        self._running = False
        self._busy = False
        self._thread: threading.Thread | None = None
        self._dropped: Counter[str] = Counter()
        self._defects = 0

    def start(self) -> None:
        """Starts the thread; may be called again after `stop`."""
        with self._changed:
            if self._thread is not None:
                return
            self._running = True
            self._thread = threading.Thread(target=self._run, name="segrgbx_worker", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Drops the waiting jobs, lets the running job end, and ends the thread.

        Returns whether the thread has ended; False only after the timeout.
        """
        with self._changed:
            self._running = False
            self._dropped["stopped"] += len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        if thread.is_alive():
            return False
        self._thread = None
        return True

    def submit(self, job: J) -> None:
        """Returns at once; drops the job if the worker is stopped."""
        with self._changed:
            if not self._running:
                self._dropped["stopped"] += 1
                return
            if len(self._waiting) >= self._capacity:
                if self._capacity > 1:
                    self._dropped[QUEUE_FULL] += 1
                    return
                self._waiting.popleft()
                self._dropped[SUPERSEDED] += 1
            self._waiting.append(job)
            self._changed.notify_all()

    @property
    def dropped(self) -> dict[str, int]:
        """Dropped jobs by reason, without counts of 0."""
        with self._changed:
            return {reason: n for reason, n in self._dropped.items() if n}

    @property
    def pending(self) -> int:
        """Jobs waiting or running."""
        with self._changed:
            return len(self._waiting) + self._busy

    @property
    def defects(self) -> int:
        """Jobs that ended with an exception."""
        return self._defects

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or not self._running)
                if not self._running:
                    return
            with self._turns:
                self._run_next()

    def _run_next(self) -> None:
        with self._changed:
            if not self._waiting:
                return
            job = self._waiting.popleft()
            self._busy = True
        try:
            self._work(job)
        except Exception:
            self._defects += 1
            log.exception("A frame ended with an unexpected error; the next one is tried.")
        with self._changed:
            self._busy = False
            self._changed.notify_all()


class RateLimit:
    """Admits frames so that their mean rate does not exceed the limit.

    A frame may be early by a tenth of the period. A limit that divides the camera's rate then
    takes every n-th frame despite jitter.
    """

    def __init__(self) -> None:
        self._due: int | None = None
        self._last = 0

    def admits(self, stamp_ns: int, max_rate_hz: float) -> bool:
        """Whether the frame is admitted; max_rate_hz 0 admits every frame."""
        if max_rate_hz <= 0.0:
            self._due = None
            return True
        period = round(NS_PER_S / max_rate_hz)
        if self._due is None or stamp_ns < self._last - NS_PER_S:
            self._due = stamp_ns
        if stamp_ns < self._due - period // 10:
            return False
        self._last = stamp_ns
        self._due = max(self._due + period, stamp_ns)
        return True
