# SPDX-License-Identifier: Apache-2.0
"""t-SNE: high-dimensional points to places in the plane that keep neighbourhoods.

van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008; the exact form, with a cost
quadratic in the number of points. Start, exaggeration and step size after Kobak and Berens, "The
art of using t-SNE for single-cell transcriptomics", 2019: the first two principal components,
12-fold for the first quarter, and the number of points over 12. Nothing is random.
"""

import numpy as np
import numpy.typing as npt

from segrgbx_core.errors import InputError

Floats = npt.NDArray[np.float64]

LARGEST = 4000
_STEPS, _EXAGGERATED, _EXAGGERATION = 1000, 250, 12.0
_TINY = 1e-12


def check_count(points: int) -> None:
    """Raises InputError for fewer than 4 or more than 4000."""
    if not 4 <= points <= LARGEST:
        raise InputError(
            f"t-SNE was given {points} points; expected 4 to {LARGEST}: choose another limit."
        )


def tsne(vectors: Floats, perplexity: float = 30.0) -> Floats:
    """Places (N, 2) of vectors (N, D).

    perplexity: about the number of neighbours of each point; at most a third of the points.
    Raises InputError for fewer than 4 or more than 4000 points.
    """
    count = len(vectors)
    check_count(count)
    wanted = neighbourhoods(vectors, min(perplexity, (count - 1) / 3))
    places = _main_components(vectors)
    speed, gain = np.zeros_like(places), np.ones_like(places)
    rate = max(count / _EXAGGERATION, 50.0)
    for step in range(_STEPS):
        early = step < _EXAGGERATED
        slope = _slope(wanted * (_EXAGGERATION if early else 1.0), places)
        against = np.sign(slope) != np.sign(speed)
        gain = np.maximum(np.where(against, gain + 0.2, gain * 0.8), 0.01)
        speed = (0.5 if early else 0.8) * speed - rate * gain * slope
        places = places + speed
        places -= places.mean(axis=0)
    return places


def neighbourhoods(vectors: Floats, perplexity: float) -> Floats:
    """The affinity of each pair, (N, N), symmetric, 0 on the diagonal, with sum 1.

    Before it is made symmetric, a row is a Gaussian around its point, with the width that gives
    the perplexity.
    """
    count = len(vectors)
    apart = squared_distances(vectors)
    np.fill_diagonal(apart, np.inf)
    apart -= apart.min(axis=1, keepdims=True)
    narrow, low, high = np.ones((count, 1)), np.zeros((count, 1)), np.full((count, 1), np.inf)
    for _ in range(64):
        rows = np.exp(-apart * narrow)
        rows /= rows.sum(axis=1, keepdims=True)
        surprise = -(rows * np.log(np.maximum(rows, _TINY))).sum(axis=1, keepdims=True)
        wide = surprise > np.log(perplexity)
        low, high = np.where(wide, narrow, low), np.where(wide, high, narrow)
        narrow = np.where(np.isinf(high), low * 2, (low + high) / 2)
    both = rows + rows.T
    return np.asarray(both / both.sum(), np.float64)


def squared_distances(vectors: Floats) -> Floats:
    """Distances between the rows of (N, D), squared, (N, N), 0 on the diagonal."""
    squares = (vectors**2).sum(axis=1)
    apart: Floats = np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0)
    np.fill_diagonal(apart, 0)
    return apart


def divergence(wanted: Floats, places: Floats) -> float:
    """The cost that t-SNE minimises: the Kullback-Leibler divergence of the affinities."""
    near = 1 / (1 + squared_distances(places))
    np.fill_diagonal(near, 0)
    reached = near / near.sum()
    ratio = np.maximum(wanted, _TINY) / np.maximum(reached, _TINY)
    return float((wanted * np.log(ratio)).sum())


def _slope(wanted: Floats, places: Floats) -> Floats:
    """The gradient of `divergence` at the places, (N, 2)."""
    near = 1 / (1 + squared_distances(places))
    np.fill_diagonal(near, 0)
    pull = (wanted - near / near.sum()) * near
    return np.asarray(4 * (pull.sum(axis=1)[:, None] * places - pull @ places))


def _main_components(vectors: Floats) -> Floats:
    """(N, 2) principal components, the first with a deviation of 1e-4; each axis has the sign
    that makes its largest entry positive."""
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(vectors), 2))
    components = min(2, len(s))
    places[:, :components] = u[:, :components] * s[:components]
    largest = np.abs(places).argmax(axis=0)
    places *= np.where(places[largest, [0, 1]] < 0, -1.0, 1.0)
    return np.asarray(places / max(float(places[:, 0].std()), _TINY) * 1e-4)
