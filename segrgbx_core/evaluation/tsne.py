# SPDX-License-Identifier: Apache-2.0
"""t-SNE: many-dimensional points to places on a plane that keep who is near whom.

van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008; the exact form, whose cost grows
with the square of the points. Start, exaggeration and step size after Kobak and Berens, "The art
of using t-SNE for single-cell transcriptomics", 2019: the two main components, 12-fold for the
first quarter, and the number of points over 12. Nothing is drawn at random.
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

    perplexity: about how many neighbours each point keeps; lowered to a third of the points.
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
    """How near each pair is, (N, N), symmetric, 0 on the diagonal, 1 in all.

    Before it is made symmetric, a row is a Gaussian around its point, as wide as gives it the
    perplexity.
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
    """Between each two of (N, D), (N, N), 0 on the diagonal."""
    squares = (vectors**2).sum(axis=1)
    apart: Floats = np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0)
    np.fill_diagonal(apart, 0)
    return apart


def divergence(wanted: Floats, places: Floats) -> float:
    """What t-SNE makes small: the Kullback-Leibler divergence of the places' neighbourhoods."""
    near = 1 / (1 + squared_distances(places))
    np.fill_diagonal(near, 0)
    found = near / near.sum()
    ratio = np.maximum(wanted, _TINY) / np.maximum(found, _TINY)
    return float((wanted * np.log(ratio)).sum())


def _slope(wanted: Floats, places: Floats) -> Floats:
    """The gradient of `divergence` at the places, (N, 2)."""
    near = 1 / (1 + squared_distances(places))
    np.fill_diagonal(near, 0)
    pull = (wanted - near / near.sum()) * near
    return np.asarray(4 * (pull.sum(axis=1)[:, None] * places - pull @ places))


def _main_components(vectors: Floats) -> Floats:
    """(N, 2), the first with a deviation of 1e-4; each axis points to its largest entry."""
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(vectors), 2))
    found = min(2, len(s))
    places[:, :found] = u[:, :found] * s[:found]
    largest = np.abs(places).argmax(axis=0)
    places *= np.where(places[largest, [0, 1]] < 0, -1.0, 1.0)
    return np.asarray(places / max(float(places[:, 0].std()), _TINY) * 1e-4)
