# SPDX-License-Identifier: Apache-2.0
"""Scene embeddings as results: places on a plane, silhouettes, pictures and JSON."""

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
    """x, y: its place in the picture; the axes mean nothing."""

    stem: str
    sensor: str
    condition: str
    x: float
    y: float


@dataclass(frozen=True)
class EmbeddingSummary:
    """silhouette: mean over all images, by sensor; by_sensor: over each sensor's; by_condition:
    the same with the conditions as groups, empty where there are fewer than two. All of the
    embeddings themselves, -1..1, not of the picture."""

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
    """Raises InputError for a perplexity outside 2 to 200, or too few or many images."""
    if not LEAST_PERPLEXITY <= perplexity <= LARGEST_PERPLEXITY:
        raise InputError(
            f"Perplexity is {perplexity:g}; expected {LEAST_PERPLEXITY:g} to "
            f"{LARGEST_PERPLEXITY:g}."
        )
    check_count(images)


def summarise(
    found: Embeddings, model: str, folders: Sequence[str], perplexity: float
) -> EmbeddingSummary:
    """Raises InputError as `check_bounds` does."""
    check_bounds(len(found.vectors), perplexity)
    places = tsne(found.vectors, perplexity)
    sensors = separation(found.vectors, found.sensors)
    known = [i for i, condition in enumerate(found.conditions) if condition]
    conditions = None
    if len({found.conditions[i] for i in known}) > 1:
        conditions = separation(found.vectors[known], [found.conditions[i] for i in known])
    named = zip(found.stems, found.sensors, found.conditions, places.tolist(), strict=True)
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
    `embeddings_by_condition.png`; returns the pictures. Raises OutputError where the disk
    refuses."""
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
