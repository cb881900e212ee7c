# SPDX-License-Identifier: Apache-2.0
"""The order of samples: shares hold at any time, each sample once per round, stateless."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segrgbx_core.errors import RecipeError
from segrgbx_core.training.mixture import Mixture, Rota, shares_of

FIVE = ("event", "thermal", "depth", "polarization", "light_field")


def test_shares_lie_between_all_alike_and_by_size() -> None:
    assert shares_of([400, 100], 0.0) == [0.5, 0.5]
    assert shares_of([400, 100], 0.5) == pytest.approx([2 / 3, 1 / 3])
    assert shares_of([400, 100], 1.0) == pytest.approx([0.8, 0.2])


def test_five_alike_take_turns_in_every_five() -> None:
    rota = Rota([0.2] * 5, seed=3)
    turns = [rota.turn(place) for place in range(480)]
    for start in range(0, 480, 5):
        assert {member for member, _ in turns[start : start + 5]} == set(range(5))
    assert [member for member, _ in turns[:10]] != sorted(member for member, _ in turns[:10])
    for member in range(5):
        assert [nth for m, nth in turns if m == member] == list(range(96))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=9), st.integers(0, 99))
def test_turns_are_counted_right_and_no_member_waits_long(sizes: list[int], seed: int) -> None:
    shares = shares_of(sizes, 0.5)
    rota, had = Rota(shares, seed), Counter[int]()
    for place in range(500):
        member, nth = rota.turn(place)
        assert nth == had[member]
        had[member] += 1
        for i, share in enumerate(shares):
            assert abs(had[i] - share * (place + 1)) < 4 + 0.02 * place


def test_a_small_source_is_drawn_more_often_than_its_size() -> None:
    sizes = [400, 16]
    mixture = Mixture(sizes, ["depth", "event"], shares_of(sizes, 0.5), seed=1)
    drawn = [pair for step in range(60) for pair in mixture.batch(step, 8)]
    from_small = [index for source, index in drawn if source == 1]
    # A sixth of the draws by the square root of the sizes, where sizes alone would give 4 %.
    assert len(from_small) == 80
    assert Counter(from_small) == dict.fromkeys(range(16), 5)
    from_large = [index for source, index in drawn if source == 0]
    assert len(set(from_large)) == 400


def test_one_source_shows_each_sample_once_a_round_in_a_new_order() -> None:
    mixture = Mixture([6], ["thermal"], [1.0], seed=2)
    rounds = [[index for _, index in mixture.batch(step, 6)] for step in range(3)]
    assert all(sorted(order) == list(range(6)) for order in rounds)
    assert rounds[0] != rounds[1]


def test_batches_are_mixed_or_of_one_modality() -> None:
    sizes, shares = [40] * 6, shares_of([40] * 6, 0.5)
    names = [*FIVE, "thermal"]
    mixed = Mixture(sizes, names, shares, seed=4).batch(0, 12)
    assert {names[source] for source, _ in mixed} == set(FIVE)
    apart = Mixture(sizes, names, shares, seed=4, by_modality=True)
    batches = [[names[source] for source, _ in apart.batch(step, 8)] for step in range(120)]
    assert all(len(set(batch)) == 1 for batch in batches)
    counts = Counter(batch[0] for batch in batches)
    # Thermal has two of the six sources.
    assert counts == {name: 40 if name == "thermal" else 20 for name in FIVE}
    thermal = [source for step in range(12) for source, _ in apart.batch(step, 8)]
    assert {1, 5} <= set(thermal)


def test_within_a_sensor_shares_are_those_of_mixed_batches() -> None:
    sizes, names = [400, 3600, 400, 400, 400, 400], ["depth", "depth", *FIVE[:4]]
    names[2:] = ["event", "thermal", "polarization", "light_field"]
    shares = shares_of(sizes, 0.5)
    for by_modality in (False, True):
        mixture = Mixture(sizes, names, shares, seed=4, by_modality=by_modality)
        seen = Counter(source for step in range(900) for source, _ in mixture.batch(step, 8))
        assert seen[1] / (seen[0] + seen[1]) == pytest.approx(0.75, abs=0.01)


def test_too_many_sources_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"241 sources; .*at most 240"):
        Rota([1 / 241] * 241, 0)
