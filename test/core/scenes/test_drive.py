# SPDX-License-Identifier: Apache-2.0
"""A drive's captures: deterministic, in order, and physically plausible."""

import numpy as np
import pytest

from segrgbx_core.errors import InputError
from segrgbx_core.scenes import Drive, DriveSettings, RgbCapture, XCapture
from segrgbx_core.scenes.street.materials import Label

SMALL = DriveSettings(seconds=1.0, rate_hz=5.0, width=128, height=96, seed=3)


@pytest.fixture(scope="module")
def captures() -> list[RgbCapture | XCapture]:
    return list(Drive(SMALL).captures())


def test_the_same_seed_gives_the_same_bytes(captures: list[RgbCapture | XCapture]) -> None:
    for a, b in zip(captures, Drive(SMALL).captures(), strict=True):
        assert a.stamp_ns == b.stamp_ns
        if isinstance(a, RgbCapture) and isinstance(b, RgbCapture):
            assert a.image.tobytes() == b.image.tobytes()
            assert a.labels.tobytes() == b.labels.tobytes()
        else:
            assert isinstance(a, XCapture)
            assert isinstance(b, XCapture)
            assert isinstance(a.reading, np.ndarray)
            assert isinstance(b.reading, np.ndarray)
            assert a.reading.tobytes() == b.reading.tobytes()


def test_another_seed_gives_another_street(captures: list[RgbCapture | XCapture]) -> None:
    other = Drive(DriveSettings(seconds=1.0, rate_hz=5.0, width=128, height=96, seed=4))
    first = next(c for c in captures if isinstance(c, RgbCapture))
    assert (other.rgb_at(0.002).labels != first.labels).mean() > 0.1


def test_stamps_rise_and_the_two_cameras_share_no_trigger(
    captures: list[RgbCapture | XCapture],
) -> None:
    stamps = [c.stamp_ns for c in captures]
    assert stamps == sorted(stamps)
    assert len(captures) == len(Drive(SMALL)) == 5 + 4
    rgb = {c.stamp_ns for c in captures if isinstance(c, RgbCapture)}
    assert not rgb & {c.stamp_ns for c in captures if isinstance(c, XCapture)}


def test_shapes_types_and_classes(captures: list[RgbCapture | XCapture]) -> None:
    for capture in captures:
        if isinstance(capture, RgbCapture):
            assert capture.image.shape == (96, 128, 3)
            assert capture.labels.shape == (96, 128)
            assert capture.image.dtype == capture.labels.dtype == np.uint8
            assert capture.labels.max() < len(Label)
        else:
            assert isinstance(capture.reading, np.ndarray)
            assert capture.reading.shape == (48, 64)
            assert capture.reading.dtype == np.uint16


def test_every_class_occurs_somewhere() -> None:
    ids: set[int] = set()
    for seed in range(8):
        drive = Drive(DriveSettings(width=320, height=240, seed=seed, conditions=("day",)))
        ids |= set(np.unique(drive.rgb_at(0.5).labels).tolist())
    assert ids == set(Label)


def test_conditions_come_one_after_the_other() -> None:
    drive = Drive(DriveSettings(seconds=4.0, conditions=("day", "night")))
    assert drive.condition_at(1.9).name == "day"
    assert drive.condition_at(2.1).name == "night"


def test_people_at_night_are_dark_in_rgb_and_warm_in_thermal() -> None:
    """Away from lamps, people differ little from their surroundings in RGB, much in thermal."""
    warmer, visible = [], []
    for seed in range(12):
        settings = DriveSettings(width=320, height=240, seed=seed, conditions=("night",))
        drive = Drive(settings)
        rgb, x = drive.rgb_at(0.5), drive.x_at(0.5)
        labels = rgb.labels[::2, ::2]
        people = np.isin(labels, (Label.PEDESTRIAN, Label.CYCLIST))
        street = np.isin(labels, (Label.ROAD, Label.SIDEWALK, Label.VEGETATION))
        if people.sum() > 40:
            assert isinstance(x.reading, np.ndarray)
            kelvin = x.reading.astype(float) / 100
            warmer.append(np.median(kelvin[people]) - np.median(kelvin[street]))
            grey = rgb.image[::2, ::2].mean(2)
            visible.append(abs(np.median(grey[people]) - np.median(grey[street])))
    assert len(warmer) >= 3
    assert np.median(warmer) > 2.0
    assert np.median(visible) < 60


def test_a_night_is_darker_than_a_day_although_the_exposure_is_automatic() -> None:
    def brightness(name: str) -> float:
        images = [
            Drive(DriveSettings(width=160, height=120, seed=s, conditions=(name,))).rgb_at(0.5)
            for s in range(5)
        ]
        return float(np.mean([capture.image.mean() for capture in images]))

    assert brightness("night") < 0.75 * brightness("day")


def test_labels_do_not_depend_on_the_light() -> None:
    day, fog, wet = (
        Drive(DriveSettings(width=160, height=120, seed=6, conditions=(name,))).rgb_at(0.5).labels
        for name in ("day", "fog", "wet")
    )
    assert np.array_equal(day, fog)
    assert np.array_equal(day, wet)


def test_a_wet_road_mirrors_the_sky_and_is_no_condition_unless_asked_for() -> None:
    def road(name: str) -> float:
        """Contrast within the road, caused by puddles and reflected houses."""
        rgb = Drive(DriveSettings(width=160, height=120, seed=3, conditions=(name,))).rgb_at(0.5)
        light = rgb.image[rgb.labels == Label.ROAD].mean(1)
        return float(light.std() / light.mean())

    assert road("wet") > 1.3 * road("day")
    assert "wet" not in DriveSettings().conditions


def test_the_sky_is_the_coldest_thing_on_a_clear_day() -> None:
    drive = Drive(DriveSettings(width=160, height=120, seed=2, conditions=("day",)))
    sky = drive.rgb_at(0.5).labels[::2, ::2] == Label.SKY
    reading = drive.x_at(0.5).reading
    assert isinstance(reading, np.ndarray)
    assert sky.any()
    assert reading[sky].max() < np.median(reading[~sky])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modality": "radar"}, "'radar' .*: event, thermal"),
        ({"seconds": 0.0}, r"seconds is 0\.0; .*0\.1 to 600"),
        ({"rate_hz": 1000.0}, r"rate_hz is 1000\.0; .*0\.5 to 120"),
        ({"width": 10}, "width is 10; .*64 to 4096"),
        ({"seed": -1}, "seed is -1; .*0 or more"),
        ({"conditions": ("rain",)}, "conditions rain .*day, dusk"),
        ({"conditions": ()}, r"conditions \(none\)"),
    ],
)
def test_settings_out_of_bounds_are_refused_in_words(
    change: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        DriveSettings(**change)  # type: ignore[arg-type]
