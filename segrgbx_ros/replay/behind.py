# SPDX-License-Identifier: Apache-2.0
"""Work that a replay does beside the model: in one thread, in order, and never far behind."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Behind:
    """Does jobs one after the other while the caller goes on; at most `most` wait.

    The first error of a job is raised by the next call, and no job is done after it.
    """

    def __init__(self, most: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._most = most
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> "Behind":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True)

    def do(self, job: Callable[[], None]) -> None:
        """Adds a job, after a wait where too many wait."""
        while len(self._waiting) >= self._most:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._unless_failed, job))

    def finish(self) -> None:
        """Waits for all jobs."""
        while self._waiting:
            self._waiting.popleft().result()

    def go_on(self) -> None:
        """Does jobs again after one that failed."""
        self._failed = False

    def _unless_failed(self, job: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            job()
        except BaseException:
            self._failed = True
            raise
