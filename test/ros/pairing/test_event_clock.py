# SPDX-License-Identifier: Apache-2.0
"""The sensor's clock on the host's clock: delays, drift, jumps."""

import numpy as np
import pytest

from segrgbx_ros.pairing.memory import SensorClock

MS = 1_000_000
START = 1_000_000 * MS
BASE = 1_000


def test_clock_is_the_lower_envelope_and_rises_slowly() -> None:
    clock = SensorClock()
    offsets = [
        clock.offset_ns(START + t * MS + delay * MS, t * MS, False) - START
        for t, delay in ((0, 4), (10, 0), (20, 5), (30, 5))
    ]
    # 100 ppm of 10 ms is a microsecond.
    assert offsets == [4 * MS, 0, 1000, 2000]


@pytest.mark.parametrize("ppm", [-50, 50])
def test_clock_follows_drift(ppm: int) -> None:
    rng = np.random.default_rng(0)
    clock = SensorClock()
    errors = []
    for t in range(0, 600_000 * MS, 10 * MS):
        true = START + t + t * ppm // 1_000_000
        estimate = t + clock.offset_ns(true + int(rng.exponential(2 * MS)), t, False)
        errors.append(estimate - true)
    assert np.abs(errors[100:]).max() < 0.5 * MS
    assert clock.restarts == 0


def test_clock_begins_again_after_a_leap() -> None:
    clock = SensorClock()
    assert clock.offset_ns(START, 5_000 * MS, False) == START - 5_000 * MS
    wrapped = 5_010 * MS - (1 << 24) * 1000
    assert clock.offset_ns(START + 10 * MS, wrapped, False) == START + 10 * MS - wrapped
    assert clock.restarts == 1


def test_clock_that_is_the_hosts_is_believed_when_it_is_near() -> None:
    assert SensorClock().offset_ns(START + 10 * MS, START, True) == 0
    assert SensorClock().offset_ns(START + 10 * MS, START, False) == 10 * MS
    assert SensorClock().offset_ns(START, 10 * MS, True) == START - 10 * MS


def test_the_clock_falls_at_once_and_rises_by_100_ppm() -> None:
    clock = SensorClock()
    assert clock.offset_ns(BASE * MS + 7, 0, False) == BASE * MS + 7
    assert clock.offset_ns(BASE * MS + 10 * MS, 10 * MS, False) == BASE * MS
    assert clock.offset_ns(BASE * MS + 60 * MS, 20 * MS, False) == BASE * MS + 1000
    assert clock.offset_ns(BASE * MS + 60 * MS, 15 * MS, False) == BASE * MS + 1000
    assert clock.offset_ns(BASE * MS + 60 * MS, 25 * MS, False) == BASE * MS + 2000
    assert clock.restarts == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock_starts_again_past_the_jump(sign: int) -> None:
    for beyond, restarts in ((0, 0), (1, 1)):
        clock = SensorClock(jump_ns=100)
        clock.offset_ns(BASE * MS, 0, False)
        shifted = BASE * MS + sign * (100 + beyond)
        offset = clock.offset_ns(shifted, 0, False)
        assert clock.restarts == restarts
        assert offset == (BASE * MS if not beyond and sign > 0 else shifted)


def test_the_jump_of_a_clock_is_a_second_unless_told() -> None:
    for difference, restarts in ((1_000 * MS, 0), (1_000 * MS + 1, 1)):
        clock = SensorClock()
        clock.offset_ns(BASE * MS, 0, False)
        clock.offset_ns(BASE * MS - difference, 0, False)
        assert clock.restarts == restarts


@pytest.mark.parametrize(("delay_ns", "trusted"), [(100 * MS, True), (100 * MS + 1, False)])
def test_the_hosts_clock_is_trusted_within_100_ms(delay_ns: int, trusted: bool) -> None:
    clock = SensorClock()
    first = BASE * MS
    assert clock.offset_ns(first + delay_ns, first, True) == (0 if trusted else delay_ns)
    later = clock.offset_ns(first + 10 * MS + 7, first + 10 * MS, True)
    assert later == (0 if trusted else 7)
    earlier = SensorClock().offset_ns(first - delay_ns, first, True)
    assert earlier == (0 if trusted else -delay_ns)


def test_a_forgotten_clock_trusts_nothing_of_the_old_time() -> None:
    clock = SensorClock()
    clock.offset_ns(BASE * MS, BASE * MS, True)
    clock.forget()
    assert clock.offset_ns(50, 20, False) == 30
    assert clock.offset_ns(2 * MS, 1 * MS, False) == 30 + 100
    assert clock.restarts == 0


def test_a_clock_that_starts_again_is_trusted_anew() -> None:
    clock = SensorClock()
    clock.offset_ns(2 * BASE * MS, 0, False)
    assert clock.offset_ns(5 * BASE * MS, 5 * BASE * MS, True) == 0
    assert clock.restarts == 1
    assert clock.offset_ns(5 * BASE * MS + 3, 5 * BASE * MS, True) == 0
