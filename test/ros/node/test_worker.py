# SPDX-License-Identifier: Apache-2.0
"""The worker's slot, and the rate limit."""

import logging
import threading
import time

import pytest

from segrgbx_ros.node.worker import RateLimit, Turns, Worker

MS = 1_000_000
PATIENCE_S = 60.0


class Gate:
    """Work that blocks until it is released."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.begun, self.open = threading.Event(), threading.Semaphore(0)

    def work(self, job: int) -> None:
        self.begun.set()
        assert self.open.acquire(timeout=PATIENCE_S)
        self.done.append(job)


def _idle(worker: Worker[int]) -> bool:
    """Whether no job waits or runs within PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while worker.pending and time.monotonic() < until:
        time.sleep(0.001)
    return worker.pending == 0


def test_the_newest_waiting_job_wins() -> None:
    gate = Gate()
    worker = Worker(gate.work)
    worker.start()
    worker.submit(1)
    assert gate.begun.wait(PATIENCE_S)
    for job in (2, 3, 4):
        worker.submit(job)
    assert worker.pending == 2
    gate.open.release(2)
    assert _idle(worker)
    assert gate.done == [1, 4]
    assert worker.dropped == {"superseded": 2}
    worker.stop()


def test_with_room_all_are_done_in_order_and_the_rest_is_counted() -> None:
    gate = Gate()
    worker = Worker(gate.work, capacity=3)
    worker.start()
    worker.submit(0)
    assert gate.begun.wait(PATIENCE_S)
    for job in range(1, 6):
        worker.submit(job)
    gate.open.release(6)
    assert _idle(worker)
    assert gate.done == [0, 1, 2, 3]
    assert worker.dropped == {"worker_queue_full": 2}
    worker.stop()


def test_stop_lets_the_running_job_end_and_start_works_again() -> None:
    gate = Gate()
    worker = Worker(gate.work)
    worker.submit(0)
    worker.start()
    worker.submit(1)
    assert gate.begun.wait(PATIENCE_S)
    worker.submit(2)
    gate.open.release()
    assert worker.stop(5)
    assert gate.done in ([1], [1, 2])
    assert sum(worker.dropped.values()) == 3 - len(gate.done)
    worker.start()
    gate.open.release(2)
    worker.submit(3)
    assert _idle(worker)
    assert gate.done[-1] == 3
    worker.stop()


def test_a_defect_is_logged_and_the_next_job_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def work(job: int) -> None:
        if job == 1:
            raise ZeroDivisionError("broken on purpose")
        done.append(job)

    worker = Worker(work, capacity=4)
    worker.start()
    with caplog.at_level(logging.ERROR, "segrgbx"):
        for job in (1, 2):
            worker.submit(job)
        assert _idle(worker)
    worker.stop()
    assert done == [2]
    assert worker.defects == 1
    assert "broken on purpose" in caplog.text


@pytest.mark.parametrize(("limit", "expected"), [(10.0, 10), (15.0, 15), (30.0, 30), (50.0, 30)])
def test_rate_limit_keeps_the_mean_in_spite_of_jitter(limit: float, expected: int) -> None:
    rate = RateLimit()
    jitter = [0, 2, -2, 1, -1]
    stamps = [1_000 * MS + round(i * 1e9 / 30) + jitter[i % 5] * MS for i in range(300)]
    admitted = sum(rate.admits(stamp, limit) for stamp in stamps)
    assert admitted / 10 == pytest.approx(expected, rel=0.05)


def test_rate_limit_of_zero_admits_all_and_a_jump_back_starts_again() -> None:
    rate = RateLimit()
    assert all(rate.admits(i, 0.0) for i in range(5))
    assert rate.admits(100_000 * MS, 1.0)
    assert not rate.admits(100_100 * MS, 1.0)
    assert rate.admits(1_000 * MS, 1.0)


def test_workers_take_turns_and_choose_their_job_when_it_comes() -> None:
    turns, gate = Turns(), Gate()
    first, second = Worker(gate.work, turns=turns), Worker(gate.work, turns=turns)
    for worker in (first, second):
        worker.start()
    first.submit(1)
    assert gate.begun.wait(PATIENCE_S)
    second.submit(10)
    until = time.monotonic() + PATIENCE_S
    while len(turns._waiting) < 2 and time.monotonic() < until:
        time.sleep(0.001)
    first.submit(2)
    # While it waits for its turn, a newer job takes the place of the one that waits.
    second.submit(11)
    gate.open.release(3)
    assert _idle(first)
    assert _idle(second)
    assert gate.done == [1, 11, 2]
    assert second.dropped == {"superseded": 1}
    for worker in (first, second):
        worker.stop()


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(), list[int]()
    queued = threading.Barrier(2)

    def take(number: int) -> None:
        queued.wait(PATIENCE_S)
        with turns:
            order.append(number)

    with turns:
        threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            queued.wait(PATIENCE_S)
            until = time.monotonic() + PATIENCE_S
            while len(turns._waiting) <= number and time.monotonic() < until:
                time.sleep(0.001)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == [0, 1, 2, 3]
