# SPDX-License-Identifier: Apache-2.0
"""t-SNE and silhouettes, against values by hand and properties of any points."""

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.embeddings import silhouettes
from segrgbx_core.evaluation.tsne import divergence, neighbourhoods, squared_distances, tsne

Floats = npt.NDArray[np.float64]


def clusters(count: int = 20, width: int = 12) -> tuple[Floats, list[str]]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, width)) * 10
    vectors = np.concatenate([c + rng.normal(size=(count, width)) for c in centres])
    return vectors, [name for name in "abc" for _ in range(count)]


def test_a_silhouette_by_hand() -> None:
    # On a line: a at 0 and 1, b at 4 and 6.
    # 0: inside 1, outside (4 + 6) / 2 = 5 -> 4/5. 1: 1, (3 + 5) / 2 = 4 -> 3/4.
    # 4: 2, (4 + 3) / 2 = 3.5 -> 1.5/3.5. 6: 2, 5.5 -> 3.5/5.5.
    values = silhouettes(np.array([[0.0], [1.0], [4.0], [6.0]]), ["a", "a", "b", "b"])
    np.testing.assert_allclose(values, [4 / 5, 3 / 4, 1.5 / 3.5, 3.5 / 5.5])


def test_the_nearest_other_group_counts_and_a_single_point_is_zero() -> None:
    # 1: inside 1; to b 2, to c 99 -> (2 - 1) / 2.
    values = silhouettes(np.array([[0.0], [1.0], [3.0], [100.0]]), ["a", "a", "b", "c"])
    np.testing.assert_allclose(values, [2 / 3, 1 / 2, 0, 0])


def test_one_group_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"two groups or more; .*'a'"):
        silhouettes(np.zeros((3, 2)), ["a", "a", "a"])


def test_distances_by_hand() -> None:
    distances = squared_distances(np.array([[0.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_allclose(distances, [[0, 25], [25, 0]])


@pytest.mark.parametrize("perplexity", [3.0, 10.0])
def test_each_point_has_as_many_neighbours_as_the_perplexity_says(perplexity: float) -> None:
    # Around a regular ring all rows are alike, so the joint one has their perplexity.
    angle = np.arange(40) / 40 * 2 * np.pi
    wanted = neighbourhoods(np.stack([np.cos(angle), np.sin(angle)], 1), perplexity)
    np.testing.assert_allclose(wanted, wanted.T)
    assert wanted.sum() == pytest.approx(1)
    rows = wanted / wanted.sum(axis=1, keepdims=True)
    surprise = -(rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1)
    np.testing.assert_allclose(np.exp(surprise), perplexity, rtol=1e-6)


def test_tsne_keeps_clusters_apart_and_neighbours_near() -> None:
    vectors, groups = clusters()
    places = tsne(vectors, 10)
    assert silhouettes(places, groups).mean() > 0.8
    wanted = neighbourhoods(vectors, 10)
    centred = vectors - vectors.mean(axis=0)
    flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    assert divergence(wanted, places) < 0.5 * divergence(wanted, flat)
    assert divergence(wanted, places) < 0.5


def test_tsne_is_the_same_each_time() -> None:
    vectors, _ = clusters(6)
    np.testing.assert_array_equal(tsne(vectors, 5), tsne(vectors.copy(), 5))


def test_equal_points_do_not_end_in_nan() -> None:
    vectors = np.repeat(np.eye(4)[:2], 5, axis=0)
    assert np.isfinite(tsne(vectors, 3)).all()


def test_too_few_and_too_many_points_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"3 points; .*4 to 4000"):
        tsne(np.zeros((3, 2)))
    with pytest.raises(InputError, match="4001 points"):
        tsne(np.zeros((4001, 2)))
