# SPDX-License-Identifier: Apache-2.0
"""Intervals of differences: against a slow reference, and how often they hold the truth."""

import math
import random

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.metrics import ConfusionMeter
from segrgbx_core.runs.comparison.bootstrap import (
    Resampling,
    block_length,
    block_weights,
    blocks_with,
    correlated_length,
    influence,
    interval,
    widening,
)
from segrgbx_core.runs.comparison.differences import compare_ious
from segrgbx_core.runs.folder import Run, read_run
from segrgbx_core.runs.scores import IouParts, iou_parts, ious, mean_iou, need_counts


@pytest.fixture(scope="module")
def run(tmp_path_factory, made) -> Run:
    truths = made.street(40)
    folder = tmp_path_factory.mktemp("run") / "a"
    content = made.Made(made.spoilt(truths, 0.1, 1), truths, made.spoilt(truths, 0.2, 2))
    return read_run(made.make(folder, content, keep_masks=False))


def test_each_frame_counts_alike_and_blocks_hold_together() -> None:
    weights = block_weights(frames=30, block=7, resamples=4000, seed=3)

    assert weights.shape == (4000, 30)
    assert (weights.sum(axis=1) == 30).all()
    # Each frame is drawn once in the mean; the standard error of these means is 0.02.
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.1
    # Neighbours are in 6 of 7 blocks together, frames 10 apart in none.
    together = np.corrcoef(weights.T)
    assert together[0, 1] == pytest.approx(6 / 7, abs=0.08)
    assert together[0, 10] < 0
    assert (block_weights(30, 7, 5, seed=3) == block_weights(30, 7, 5, seed=3)).all()
    assert (block_weights(30, 7, 5, seed=3) != block_weights(30, 7, 5, seed=4)).any()


@pytest.mark.parametrize("alone", [False, True])
def test_weighted_scores_equal_the_one_definition(run, alone: bool) -> None:
    counts = need_counts(run)
    parts = iou_parts(counts, alone)
    weights = block_weights(len(counts), 5, 20, seed=1)

    fast = ious(weights @ parts.right, weights @ parts.union)

    for row, by_class in zip(weights, fast, strict=True):
        meter = ConfusionMeter(run.label_set)
        meter.add(counts.total(row.astype(np.int64), alone))
        scores = meter.scores()
        assert by_class.tolist() == [scores.per_class_iou[n] for n in run.label_set.names]
        assert float(mean_iou(by_class)) == pytest.approx(scores.miou)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean() -> None:
    by_class = ious(np.array([[2.0, 0.0]]), np.array([[4.0, 0.0]]))

    assert np.isnan(by_class[0, 1])
    assert mean_iou(by_class).tolist() == [0.5]
    assert np.isnan(mean_iou(np.array([np.nan, np.nan])))


def test_the_interval_is_that_of_a_slow_bootstrap(run) -> None:
    counts = need_counts(run)
    sides = [iou_parts(counts, alone) for alone in (True, False)]
    how = Resampling(resamples=4000, block=4)

    line = compare_ious("all", run.label_set.names, sides, None, how).miou

    low, high = _slow_interval(counts, run.label_set, block=4, resamples=1500)
    found = line.differences[0]
    factor = widening(blocks_with((sides[0].union + sides[1].union).sum(axis=1), 4), 0.95)
    # Both are drawn at random: ends of 1,500 resamples are within a tenth of the width.
    within = 0.1 * (high - low)
    assert found.value - (found.value - found.low) / factor == pytest.approx(low, abs=within)
    assert found.value + (found.high - found.value) / factor == pytest.approx(high, abs=within)
    assert found.verdict == "better"


def _slow_interval(counts, label_set, block: int, resamples: int) -> tuple[float, float]:
    """Draws lists of frames and scores each by the meter; no weights, no tables."""
    draw, frames = random.Random(5), len(counts)
    differences = []
    for _ in range(resamples):
        drawn: list[int] = []
        while len(drawn) < frames:
            start = draw.randrange(frames)
            drawn += [(start + i) % frames for i in range(block)]
        mious = []
        for alone in (True, False):
            meter = ConfusionMeter(label_set)
            table = counts.alone if alone else counts.table
            matrix = np.zeros(16, np.int64)
            for frame in drawn[:frames]:
                matrix[counts.cells] += table[frame]
            meter.add(matrix.reshape(4, 4))
            mious.append(meter.scores().miou)
        differences.append(mious[1] - mious[0])
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


def test_influence_is_the_slope_of_the_mean_iou(run) -> None:
    parts = iou_parts(need_counts(run))
    moved = influence(parts)

    def miou(weights: np.ndarray) -> float:
        return float(mean_iou(ious(weights @ parts.right, weights @ parts.union)))

    for frame in (0, 7, 39):
        weights = np.ones(len(moved))
        weights[frame] += 1e-4
        slope = (miou(weights) - miou(np.ones(len(moved)))) / 1e-4
        assert moved[frame] == pytest.approx(slope, rel=1e-2)
    assert moved.sum() == pytest.approx(0, abs=1e-12)


def _walk(frames: int, like: float, seed: int) -> np.ndarray:
    """Each value is `like` times the one before and a random part; variance 1."""
    draws = np.random.default_rng(seed).standard_normal(frames + 100)
    values = np.zeros_like(draws)
    for i in range(1, len(draws)):
        values[i] = like * values[i - 1] + math.sqrt(1 - like**2) * draws[i]
    return values[100:]


def test_blocks_are_longer_where_frames_are_alike() -> None:
    lengths = [
        np.mean([correlated_length(_walk(1000, like, seed)) for seed in range(10)])
        for like in (0.0, 0.6, 0.9)
    ]

    assert lengths[0] < 4 < lengths[1] < 20 < lengths[2] < 60
    # (2 G^2 / D)^(1/3) n^(1/3) of an AR(1), whose G and g(0) are known: 1.5 (2 a / (1 - a^2))^2.
    exact = (1.5 * (2 * 0.6 / (1 - 0.6**2)) ** 2 * 1000) ** (1 / 3)
    assert lengths[1] == pytest.approx(exact, rel=0.3)


def test_a_block_is_a_second_at_least_and_a_fifth_at_most() -> None:
    calm = [np.zeros(1000)]

    assert block_length(1000, None, calm) == 10
    assert block_length(1000, 30.0, calm) == 30
    assert block_length(100, 30.0, [np.zeros(100)]) == 20
    assert block_length(3, 10.0, [np.zeros(3)]) == 1


def test_blocks_of_like_weight_are_counted() -> None:
    assert blocks_with(np.ones(40), 4) == pytest.approx(10)
    assert blocks_with(np.eye(1, 40)[0], 4) == pytest.approx(1)
    assert blocks_with(np.zeros(40), 4) == 0


def test_student_is_met_within_four_percent() -> None:
    # Quantiles of Student's t at 0.975 from tables.
    for blocks, student in ((4, 3.182), (6, 2.571), (11, 2.228), (31, 2.042), (1001, 1.962)):
        exact = student / 1.95996 * math.sqrt(blocks / (blocks - 1))
        assert widening(blocks, 0.95) == pytest.approx(exact, rel=0.04)


def test_too_little_gives_no_interval() -> None:
    drawn = np.linspace(-1, 1, 100)

    assert interval(0.0, drawn, 3.9, 0.95) is None
    assert interval(0.0, drawn, 4.0, 0.95) is not None
    drawn[:10] = np.nan
    assert interval(0.0, drawn, 10.0, 0.95) is None


def _alike(frames: int, like: float, seed: int, gain: float) -> tuple[IouParts, IouParts]:
    """Two runs over the same drive: three classes, hard and easy stretches, and own mistakes."""
    size = np.exp([0.5 * _walk(frames, like, seed * 100 + c) for c in range(3)]).T * (900, 300, 90)
    hard = np.array([_walk(frames, like, seed * 100 + 10 + c) for c in range(3)]).T
    own = np.array([_walk(frames, like, seed * 100 + 20 + c) for c in range(3)]).T
    first = 1 / (1 + np.exp(-(0.5 + 0.7 * hard)))
    second = 1 / (1 + np.exp(-(0.5 + 0.7 * hard + 0.4 * own + gain)))
    union = np.round(size)
    return IouParts(np.round(first * union), union), IouParts(np.round(second * union), union)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    like, gain, names = 0.6, 0.1, ("a", "b", "c")
    sides = _alike(60_000, like, 999, gain)
    truth = compare_ious("all", names, sides, None, Resampling(100, block=1)).miou
    held = {True: 0, False: 0}
    for seed in range(100):
        sides = _alike(400, like, seed, gain)
        for blocks in (True, False):
            how = Resampling(400, seed=seed, block=None if blocks else 1)
            found = compare_ious("all", names, sides, None, how).miou.differences[0]
            held[blocks] += found.low <= truth.differences[0].value <= found.high

    # 95 of 100 are promised; frames taken as independent hold far fewer.
    assert held[True] >= 88
    assert held[False] <= 80


def test_equal_runs_are_equal_and_like_ones_are_not_told_apart() -> None:
    first, _ = _alike(200, 0.6, 1, 0.0)

    equal = compare_ious("all", ("a", "b", "c"), [first, first], None, Resampling(200))
    assert equal.miou.differences[0].verdict == "equal"
    assert (equal.miou.differences[0].low, equal.miou.differences[0].high) == (0.0, 0.0)

    told = 0
    for seed in range(40):
        sides = _alike(300, 0.6, seed, 0.0)
        group = compare_ious("all", ("a", "b", "c"), sides, None, Resampling(300, seed=seed))
        told += group.classes[0].differences[0].verdict in ("better", "worse")
    # The second run's own mistakes cost it a little, so that a few are truly worse.
    assert told <= 8


def test_one_frame_is_no_proof() -> None:
    right, union = np.zeros((100, 2)), np.zeros((100, 2))
    union[:, 0], right[:, 0] = 100, 90
    union[50, 1] = 100
    better = right.copy()
    better[50, 1] = 80

    sides = [IouParts(right, union), IouParts(better, union)]
    found = compare_ious("all", ("road", "person"), sides, None, Resampling(200))

    assert found.classes[1].differences[0].verdict == "too few frames"
    assert found.classes[1].differences[0].value == pytest.approx(0.8)
    assert found.classes[0].differences[0].verdict == "equal"


@pytest.mark.parametrize("wrong", [{"resamples": 99}, {"seed": -1}, {"block": 0}])
def test_a_resampling_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    [(name, value)] = wrong.items()
    with pytest.raises(InputError, match=f"{name} is {value}; expected"):
        Resampling(**wrong)
