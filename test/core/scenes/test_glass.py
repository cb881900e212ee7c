# SPDX-License-Identifier: Apache-2.0
"""Panes and shutters: which are labelled glass, and which sensor distinguishes the two."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.optics.surfaces import Surfaces
from segrgbx_core.scenes.sensors.polarization import stokes
from segrgbx_core.scenes.sensors.visible import expose, radiance
from segrgbx_core.scenes.street.materials import MATERIAL_ID, Label
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(240, 180, 70.0, "rgb")
STREETS = 12
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Street:
    """One street at 0.5 s; masks are (H, W)."""

    world: World
    surfaces: Surfaces
    on_facade: Mask

    @property
    def panes(self) -> Mask:
        return self.on_facade & (self.surfaces.material == MATERIAL_ID["glass"])

    @property
    def shutters(self) -> Mask:
        return self.surfaces.material == MATERIAL_ID["shutter"]


def street(seed: int, condition: str) -> Street:
    world = World(seed, 2.0, (condition,))
    parts = world.street.parts_of(world.things_at(0.5), world.condition_at(0.5), 0.5)
    surfaces = world.surfaces_at(0.5, CAMERA)
    on_facade = (surfaces.part >= 0) & (parts.facade[np.maximum(surfaces.part, 0)] > 0)
    return Street(world, surfaces, on_facade)


@pytest.fixture(scope="module")
def by_day() -> list[Street]:
    return [street(seed, "day") for seed in range(STREETS)]


def separability(a: Values, b: Values) -> float:
    """Share classified correctly by the best single threshold, with equal weight of both classes;
    0.5 is chance."""
    steps = np.quantile(np.concatenate((a, b)), np.linspace(0, 1, 200))
    below = np.searchsorted(np.sort(a), steps) / len(a) - np.searchsorted(np.sort(b), steps) / len(
        b
    )
    return float(0.5 + np.abs(below).max() / 2)


def image_of(street: Street) -> Values:
    """(H, W, 3) as the colour camera delivers it."""
    world = street.world
    light = radiance(street.surfaces, world.condition_at(0.5), world.course)
    return expose(light, np.random.default_rng(1)).astype(np.float64)


def dolp_of(street: Street) -> Values:
    world = street.world
    light = stokes(street.surfaces, world.condition_at(0.5), world.pose_at(0.5), world)
    return np.asarray(np.hypot(light[1], light[2]) / light[0], np.float64)


def test_glass_is_the_panes_of_facades_and_nothing_else(by_day: list[Street]) -> None:
    for seen in by_day:
        assert np.array_equal(seen.surfaces.label == Label.GLASS, seen.panes)
    assert sum(int(seen.panes.sum()) for seen in by_day) > 5000


def test_the_panes_of_cars_are_car(by_day: list[Street]) -> None:
    labels = [
        seen.surfaces.label[(seen.surfaces.material == MATERIAL_ID["glass"]) & ~seen.on_facade]
        for seen in by_day
    ]
    car_labels = np.concatenate(labels)
    assert len(car_labels) > 1000
    assert (car_labels == Label.CAR).all()


def test_two_fifths_of_the_windows_are_shut_and_shutters_are_building(
    by_day: list[Street],
) -> None:
    shut = sum(int(seen.shutters.sum()) for seen in by_day)
    panes = sum(int(seen.panes.sum()) for seen in by_day)
    assert 0.33 < shut / (shut + panes) < 0.47
    for seen in by_day:
        assert (seen.surfaces.label[seen.shutters] == Label.BUILDING).all()
        assert seen.on_facade[seen.shutters].all()
    assert sum(seen.shutters.any() and seen.panes.any() for seen in by_day) > 0.8 * STREETS


def test_brightness_hardly_tells_panes_from_shutters_and_polarization_does(
    by_day: list[Street],
) -> None:
    grey: dict[str, list[Values]] = {"pane": [], "shutter": []}
    dolp: dict[str, list[Values]] = {"pane": [], "shutter": []}
    for seen in by_day:
        brightness, degree = image_of(seen).mean(2), dolp_of(seen)
        for name, there in (("pane", seen.panes), ("shutter", seen.shutters)):
            grey[name].append(brightness[there])
            dolp[name].append(degree[there])
    by_grey = separability(*(np.concatenate(values) for values in grey.values()))
    by_dolp = separability(*(np.concatenate(values) for values in dolp.values()))
    assert by_grey < 0.72
    assert by_dolp > 0.82
    pane, shutter = (float(np.median(np.concatenate(v))) for v in dolp.values())
    assert pane > 0.2
    assert pane > 5 * shutter


@pytest.mark.parametrize("condition", ["day", "dusk"])
def test_colour_within_one_street_does_not_give_the_panes_away(condition: str) -> None:
    """By the best line through the colours of a street's windows, mean over several streets."""
    shares = []
    for seed in range(STREETS):
        seen = street(seed, condition)
        image, panes, shutters = image_of(seen), seen.panes, seen.shutters
        if min(panes.sum(), shutters.sum()) < 100:
            continue
        a, b = image[panes], image[shutters]
        spread = np.cov(a.T) + np.cov(b.T) + 1e-6 * np.eye(3)
        line = np.linalg.solve(spread, a.mean(0) - b.mean(0))
        shares.append(separability(a @ line, b @ line))
    assert len(shares) >= 6
    assert np.mean(shares) < 0.84


def test_windows_that_are_lit_at_night_are_panes() -> None:
    lit = 0
    for seed in range(4):
        seen = street(seed, "night")
        shines = seen.on_facade & (seen.surfaces.glow.max(0) > 0)
        lit += int(shines.sum())
        assert (seen.surfaces.label[shines] == Label.GLASS).all()
        assert (seen.surfaces.material[shines] == MATERIAL_ID["glass"]).all()
        # Most panes stay dark.
        assert shines.sum() < 0.6 * seen.panes.sum()
    assert lit > 500


def test_no_window_is_lit_by_day(by_day: list[Street]) -> None:
    for seen in by_day:
        assert seen.surfaces.glow[:, seen.on_facade].max(initial=0) == 0


def test_a_pane_mirrors_more_at_a_slant() -> None:
    """Whatever is behind a pane, it is brighter than black by the reflection after Fresnel."""
    seen = street(3, "day")
    black = replace(seen.surfaces, color=np.zeros_like(seen.surfaces.color))
    light = radiance(black, seen.world.condition_at(0.5), seen.world.course).mean(0)
    rays = seen.surfaces.rays / np.sqrt((seen.surfaces.rays**2).sum(0))
    cosine = np.abs((rays * seen.surfaces.normal).sum(0))
    near = seen.surfaces.depth < 60
    steep = light[seen.panes & near & (cosine > 0.7)]
    slant = light[seen.panes & near & (cosine < 0.35)]
    assert len(steep) > 20
    assert len(slant) > 20
    assert np.median(slant) > 1.5 * np.median(steep)
