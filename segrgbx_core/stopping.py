# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM, which end a command in the same way: what is done is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(KeyboardInterrupt):
    """A command was stopped and has kept what was done; the message says what that is."""


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """A context in which SIGTERM raises KeyboardInterrupt, like SIGINT; main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


class StopRequest:
    """A context that records the first SIGINT or SIGTERM; a second one has its usual effect.

    asked: the signal's name; None before a signal. Outside the main thread, where signal handlers
    cannot be set, it stays None.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def end_after(self, done: int, total: int, what: str, kept: str) -> None:
        """Raises StoppedError if a signal came and there is more to do; kept: a clause."""
        if self.asked is not None and done < total:
            raise StoppedError(f"Stopped by {self.asked} after {done} of {total} {what}; {kept}.")

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
