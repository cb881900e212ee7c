# SPDX-License-Identifier: Apache-2.0
"""What keeps the process alive: no request and no callback may end it, and Ctrl-C is heard."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rclpy.executors import ShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode

log = logging.getLogger("segrgbx")


class Stopped(BaseException):
    """Ctrl-C or SIGTERM while a model was loading."""


class Interruptible:
    """Marks the work in the main thread that a signal may break off.

    All other work ends by itself within a frame, and rclpy's handlers end the context.
    """

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Python's signal handler."""
        if self._depth:
            raise Stopped


loading = Interruptible()


def spin(executor: SingleThreadedExecutor) -> None:
    """Runs callbacks until the context ends; what one raises is logged, and the next one runs."""
    while executor.context.ok():
        try:
            executor.spin_once()
        except ShutdownException:
            return
        except Exception:
            # A context that ends while the executor prepares to wait raises one of several errors.
            if not executor.context.ok():
                return
            log.exception("A callback ended with an unexpected error; the node goes on.")
            for node in executor.get_nodes():
                node.callback_defects = getattr(node, "callback_defects", 0) + 1


def answer_all_transitions(node: LifecycleNode) -> None:
    """Makes the service `change_state` answer requests that do not apply with success: false.

    rclpy lets them end the process, and leaves the caller without an answer.
    """
    machine = node._state_machine
    for service in node.services:
        if service.srv_name.endswith("/change_state"):
            service.callback = _Answering(node, machine, service.callback)


class _Answering:
    """The service's callback."""

    def __init__(self, node: LifecycleNode, machine: Any, change: Any) -> None:
        self._node, self._machine, self._change = node, machine, change

    def __call__(self, request: Any, response: Any) -> Any:
        offered = {found[1]: found[0] for found in self._machine.available_transitions}
        asked = request.transition
        known = asked.label in offered if asked.label else asked.id in offered.values()
        if not known:
            state = self._machine.current_state[1]
            self._node.get_logger().warning(
                f"Transition '{asked.label or asked.id}' does not apply to state {state}; there "
                f"{_listed(offered)}."
            )
            response.success = False
            return response
        return self._change(request, response)


def _listed(offered: dict[str, int]) -> str:
    if not offered:
        return "is none"
    return "are " + ", ".join(f"{label} ({number})" for label, number in offered.items())
