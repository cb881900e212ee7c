# SPDX-License-Identifier: Apache-2.0
"""How well groups of points are apart: Rousseeuw's silhouette (1987)."""

from collections.abc import Sequence

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.tsne import Floats, squared_distances


def silhouettes(vectors: Floats, groups: Sequence[str]) -> Floats:
    """Each point's silhouette in -1..1, (N,): (b - a) / max(a, b).

    vectors: (N, D). a: mean distance to the others of its group; b: to the nearest other group.
    1 is far apart, 0 in between, below 0 nearer to another group. A point alone in its group is
    0. Raises InputError for fewer than two groups.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        raise InputError(
            f"A silhouette needs two groups or more; these points are all '{''.join(names)}'."
        )
    distances = np.sqrt(squared_distances(vectors))
    member = np.array([[group == name for name in names] for group in groups])
    sizes = member.sum(axis=0)
    sums = distances @ member
    own = sums[member]
    own_size = (member * sizes).sum(axis=1)
    inside = own / np.maximum(own_size - 1, 1)
    outside = np.where(member, np.inf, sums / sizes).min(axis=1)
    found = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return np.where(own_size > 1, found, 0.0)
