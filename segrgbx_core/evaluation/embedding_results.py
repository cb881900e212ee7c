# SPDX-License-Identifier: Apache-2.0
"""Results on scene embeddings: places in the plane, silhouettes, pictures and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from segrgbx_core.errors import InputError
from segrgbx_core.evaluation.charts import scatter_picture
from segrgbx_core.evaluation.embeddings import Embeddings, separation
from segrgbx_core.evaluation.tsne import check_count, tsne
from segrgbx_core.files.disk import write_whole
from segrgbx_core.files.images import write_png

JSON_FILE, PICTURE_FILE, CONDITION_FILE = (
    "embeddings.json",
    "embeddings.png",
    "embeddings_by_condition.png",
)
LEAST_PERPLEXITY, LARGEST_PERPLEXITY = 2.0, 200.0


@dataclass(frozen=True)
class EmbeddedImage:
    """x, y: place in the picture; the axes have no meaning."""

    stem: str
    sensor: str
    condition: str
    x: float
    y: float


@dataclass(frozen=True)
class EmbeddingSummary:
    """silhouette: mean over all images, with sensors as groups; by_sensor: mean over each
    sensor's images; condition_silhouette, by_condition: the same with conditions as groups, None
    and empty with fewer than two. All are of the embeddings, not of the picture, in -1..1."""

    model: str
    folders: Sequence[str]
    perplexity: float
    silhouette: float
    by_sensor: Mapping[str, float]
    condition_silhouette: float | None
    by_condition: Mapping[str, float]
    points: Sequence[EmbeddedImage]

    def to_json(self) -> str:
        """The text of `embeddings.json`; keys are the fields' names."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def check_bounds(images: int, perplexity: float) -> None:
    """Raises InputError for a perplexity outside 2 to 200, or too few or too many images."""
    if not LEAST_PERPLEXITY <= perplexity <= LARGEST_PERPLEXITY:
        raise InputError(
            f"Perplexity is {perplexity:g}; expected {LEAST_PERPLEXITY:g} to "
            f"{LARGEST_PERPLEXITY:g}."
        )
    check_count(images)


def summarise_embeddings(
    embedded: Embeddings, model: str, folders: Sequence[str], perplexity: float
) -> EmbeddingSummary:
    """Raises InputError as `check_bounds` does."""
    check_bounds(len(embedded.vectors), perplexity)
    places = tsne(embedded.vectors, perplexity)
    sensors = separation(embedded.vectors, embedded.sensors)
    known = [i for i, condition in enumerate(embedded.conditions) if condition]
    conditions = None
    if len({embedded.conditions[i] for i in known}) > 1:
        conditions = separation(embedded.vectors[known], [embedded.conditions[i] for i in known])
    named = zip(
        embedded.stems, embedded.sensors, embedded.conditions, places.tolist(), strict=True
    )
    return EmbeddingSummary(
        model=model,
        folders=tuple(folders),
        perplexity=perplexity,
        silhouette=sensors.overall,
        by_sensor=sensors.by_group,
        condition_silhouette=None if conditions is None else conditions.overall,
        by_condition={} if conditions is None else conditions.by_group,
        points=[EmbeddedImage(stem, s, c, x, y) for stem, s, c, (x, y) in named],
    )


def write_embeddings(folder: Path, summary: EmbeddingSummary) -> tuple[Path, ...]:
    """`embeddings.json`, `embeddings.png` and, where there are conditions,
    `embeddings_by_condition.png`; returns the pictures. Raises OutputError where writing
    fails."""
    write_whole(folder / JSON_FILE, summary.to_json().encode())
    title = f"Scene embeddings of model {summary.model}"
    pictures = [folder / PICTURE_FILE]
    _draw(pictures[0], summary.points, "sensor", summary.by_sensor, summary.silhouette, title)
    if summary.condition_silhouette is not None:
        pictures.append(folder / CONDITION_FILE)
        known = [point for point in summary.points if point.condition]
        overall = summary.condition_silhouette
        _draw(pictures[1], known, "condition", summary.by_condition, overall, title)
    return tuple(pictures)


def _draw(
    path: Path,
    points: Sequence[EmbeddedImage],
    group: str,
    values: Mapping[str, float],
    overall: float,
    title: str,
) -> None:
    places = np.array([(point.x, point.y) for point in points])
    groups = [point.sensor if group == "sensor" else point.condition for point in points]
    note = f"t-SNE, coloured by {group}; silhouette of the embeddings {overall:.2f}"
    write_png(path, scatter_picture(places, groups, values, f"{title}, by {group}", note))
