# SPDX-License-Identifier: Apache-2.0
"""Memory of the live node over rounds of its lifecycle, driven as a manager drives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from benchmarks.node_process import UP_S, Bench, node_command, process, resident_mb, small_pair
from benchmarks.soak import sample

UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)


@dataclass(frozen=True)
class Rounds:
    """configure, activate, one mask, deactivate, cleanup, again and again in one process.

    memory_mb: resident after each of the rounds that are named; threads, handles: after the first
    and the last.
    """

    model: str
    memory_mb: dict[int, float]
    threads: tuple[int, int]
    handles: tuple[int, int]


def lifecycle_rounds(model: str, count: int) -> Rounds:
    """Raises SystemExit where a transition fails or no mask comes."""
    memory, samples = [], []
    with process(*node_command(model, "autostart:=false")) as child:
        bench = Bench()
        bench.listen()
        client = bench.node.create_client(ChangeState, "segrgbx/change_state")
        if not bench.spin_until(client.service_is_ready, UP_S):
            raise SystemExit("The node did not come up within a minute.")
        for _ in range(count):
            _make(bench, client, UP)
            if not bench.spin_until(lambda: bench.pair(*small_pair()) is not None, UP_S):
                raise SystemExit("No mask came within a minute of the activation.")
            _make(bench, client, DOWN)
            memory.append(round(resident_mb(child.pid), 1))
            samples.append(sample(child.pid, 0.0))
        bench.close()
    first, last = samples[0], samples[-1]
    return Rounds(
        model,
        {number: memory[number - 1] for number in _told(count)},
        (first.threads, last.threads),
        (first.handles, last.handles),
    )


def _make(bench: Bench, client: Any, transitions: Sequence[int]) -> None:
    for number in transitions:
        request = ChangeState.Request()
        request.transition.id = number
        future = client.call_async(request)
        if not bench.spin_until(future.done, UP_S) or not future.result().success:
            raise SystemExit(f"Transition {number} failed.")


def _told(count: int) -> list[int]:
    """The first ones, and each tenth."""
    tenth = max(1, count // 10)
    return sorted({n for n in (1, 2, 5, *range(tenth, count, tenth), count) if n <= count})
