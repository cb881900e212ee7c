# SPDX-License-Identifier: Apache-2.0
"""The sensor's clock on the host's clock: delays, drift, jumps."""

import numpy as np
import pytest

from segrgbx_ros.pairing.memory import SensorClock

MS = 1_000_000
START = 1_000_000 * MS


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
