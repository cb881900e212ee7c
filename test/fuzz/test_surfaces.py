# SPDX-License-Identifier: Apache-2.0
"""A seeded part of the fuzzing in every run of the tests, and that a finding is noticed."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import trial
from fuzz.surface import Surface, WrongResultError
from fuzz.table import all_surfaces
from fuzz.trial import REFUSED, TAKEN, limited_memory, try_input
from segrgbx_core.errors import InputError

NAMES = list(all_surfaces())
INPUTS = 25


@pytest.mark.parametrize("name", NAMES)
def test_damaged_input_is_taken_or_refused_in_a_sentence(name: str) -> None:
    surface = all_surfaces()[name]
    for index in range(INPUTS):
        done = try_input(surface, surface.input(0, index))
        assert not done.is_finding, f"{name} --seed 0 --input {index}: {done.outcome} {done.text}"


@pytest.mark.parametrize("name", NAMES)
def test_the_seeds_are_whole_enough_to_reach_the_reader(name: str) -> None:
    surface = all_surfaces()[name]
    outcomes = [try_input(surface, data) for data in surface.valid()]
    assert all(not done.is_finding for done in outcomes), outcomes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(NAMES), st.integers(0, 2**32), st.binary(max_size=200))
def test_any_bytes_and_any_input_are_refused_or_taken(name: str, seed: int, data: bytes) -> None:
    surface = all_surfaces()[name]
    for each in (data, surface.input(seed, 0)):
        assert not try_input(surface, each).is_finding


def test_an_input_is_made_again_by_its_number() -> None:
    surface = all_surfaces()["rgb-image"]
    assert surface.input(3, 17) == surface.input(3, 17)
    assert len({surface.input(3, index) for index in range(50)}) > 40


def read_as(what: str) -> Surface:
    """A surface whose reader does what its name says."""

    def read(_data: bytes) -> None:
        if what == "refuses":
            raise InputError("It is damaged; copy it again.")
        if what == "throws":
            raise KeyError("a parser's own error")
        if what == "is wrong":
            raise WrongResultError("a value of 7 in 0..1")
        if what == "takes memory":
            np.ones(1 << 28)
        if what == "hides that it takes memory":
            try:
                np.ones(1 << 28)
            except MemoryError as err:
                raise InputError("It is damaged.") from err
        if what == "takes time":
            start = time.process_time()
            while time.process_time() - start < 0.2:
                pass

    return Surface(what, lambda: [b""], read)


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ("accepts", TAKEN),
        ("refuses", REFUSED),
        ("throws", "exception"),
        ("is wrong", "wrong result"),
        ("takes memory", "over 1 GB"),
        ("hides that it takes memory", "over 1 GB"),
        ("takes time", "over 10 s"),
    ],
)
def test_each_kind_of_finding_is_noticed(
    what: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "MOST_SECONDS", 0.1)
    with limited_memory():
        done = try_input(read_as(what), b"")
    assert done.outcome == outcome
    assert done.is_finding is (outcome not in (TAKEN, REFUSED))
