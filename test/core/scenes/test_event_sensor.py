# SPDX-License-Identifier: Apache-2.0
"""The event camera: thresholds, polarity and time by hand, and its windows of a drive."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.readings import Events
from segrgbx_core.scenes import Drive, DriveSettings, RgbCapture
from segrgbx_core.scenes.optics.camera import PinholeCamera
from segrgbx_core.scenes.optics.motion import keyframe
from segrgbx_core.scenes.sensors.events import (
    EventPixels,
    Photoreceptors,
    logarithm,
    make_pixels,
    read,
)
from segrgbx_core.scenes.street.world import World

CAMERA = PinholeCamera.with_field_of_view(160, 120, 70.0, "event")


def even(shape: tuple[int, int]) -> EventPixels:
    """Thresholds of 0.2 and 0.25, no hot pixels."""
    full = np.ones(shape, np.float32)
    return EventPixels(0.2 * full, 0.25 * full, 0 * full)


class _Middle:
    """Replaces the random numbers, so that every pixel starts at its level."""

    def uniform(self, *_: object) -> npt.NDArray[np.float64]:
        return np.zeros((2, 2))


def started(first: npt.NDArray[np.float32]) -> Photoreceptors:
    return Photoreceptors(even((2, 2)), first, _Middle())  # type: ignore[arg-type]


def test_each_threshold_passed_is_an_event_at_its_time() -> None:
    receptors = started(np.zeros((2, 2), np.float32))
    now = np.array([[0.0, 0.5], [-0.55, 0.19]], np.float32)
    fired = receptors.step(now, 1.0, 1.01)
    assert fired.pixel.tolist() == [1, 1, 2, 2]
    assert fired.brighter.tolist() == [True, True, False, False]
    # 0.2 and 0.4 of 0.5; 0.25 and 0.5 of 0.55, in 10 ms.
    expected = [1.004, 1.008, 1 + 0.01 * 0.25 / 0.55, 1 + 0.01 * 0.5 / 0.55]
    assert fired.seconds == pytest.approx(expected, abs=1e-6)


def test_what_is_left_of_a_change_counts_for_the_next() -> None:
    receptors = started(np.zeros((2, 2), np.float32))
    receptors.step(np.full((2, 2), 0.3, np.float32), 0.0, 0.01)
    fired = receptors.step(np.full((2, 2), 0.45, np.float32), 0.01, 0.02)
    assert fired.brighter.tolist() == [True] * 4
    assert fired.seconds == pytest.approx([0.01 + 0.01 * 0.1 / 0.15] * 4, abs=1e-5)


def test_a_resting_pixel_misses_the_rest_of_a_jump() -> None:
    receptors = started(np.zeros((2, 2), np.float32))
    fired = receptors.step(np.full((2, 2), 9.0, np.float32), 0.0, 0.001)
    assert len(fired.pixel) == 4 * 3
    assert len(receptors.step(np.full((2, 2), 9.0, np.float32), 0.001, 0.002).pixel) == 0


def test_events_add_up_to_the_change_of_log_intensity() -> None:
    rng = np.random.default_rng(3)
    pixels = make_pixels(40, 50, rng)
    level = rng.normal(0, 1, (40, 50)).astype(np.float32)
    receptors, total = Photoreceptors(pixels, level, rng), np.zeros(40 * 50)
    last = level
    for step in range(6):
        last = last + rng.normal(0, 0.3, level.shape).astype(np.float32)
        fired = receptors.step(last, 0.01 * step, 0.01 * (step + 1))
        size = np.where(fired.brighter, pixels.on.ravel()[fired.pixel], 0)
        size = np.where(fired.brighter, size, -pixels.off.ravel()[fired.pixel])
        np.add.at(total, fired.pixel, size)
    left = np.abs(total.reshape(40, 50) - (last - level))
    assert (left < 2 * np.maximum(pixels.on, pixels.off)).all()


def test_a_thousand_times_less_light_gives_the_same_events() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.uniform(50, 500, (2, 30, 30)).astype(np.float32)

    def fired(share: float) -> int:
        receptors = Photoreceptors(
            even((30, 30)), logarithm(share * before), np.random.default_rng(2)
        )
        return len(receptors.step(logarithm(share * after), 0.0, 0.05).pixel)

    assert fired(0.001) == pytest.approx(fired(1.0), rel=0.02)


@pytest.mark.parametrize("condition", ["day", "night"])
def test_polarity_follows_the_brightness(condition: str) -> None:
    world = World(5, 5.0, (condition,))
    events = read(world, CAMERA, 1.55, np.random.default_rng(2))
    light = world.condition_at(1.5)
    start, end = (keyframe(world, CAMERA, t, 0.025, light).image for t in (1.5, 1.55))
    change = logarithm(end) - logarithm(start)
    net = np.zeros((120, 160))
    np.add.at(net, (events.y, events.x), np.where(events.polarity, 1, -1))
    brighter, darker = net[change > 0.5], net[change < -0.5]
    assert len(brighter) > 100
    assert len(darker) > 100
    assert (brighter > 0).mean() > 0.9
    assert (darker < 0).mean() > 0.9
    assert np.abs(net[np.abs(change) < 0.02]).mean() < 0.5


def test_a_still_window_ends_at_its_stamp() -> None:
    drive = Drive(DriveSettings(modality="event", width=96, height=64, seed=3))
    capture = drive.x_at(1.0)
    events = capture.reading
    assert isinstance(events, Events)
    assert events.end_ns == capture.stamp_ns
    assert events.end_ns - events.start_ns == 50_000_000
    assert (events.width, events.height) == (48, 32)
    assert len(events) > 0
    assert (np.diff(events.t_ns) >= 0).all()
    assert events.t_ns[0] >= events.start_ns
    assert events.t_ns[-1] < events.end_ns


def test_the_stream_has_no_gap_and_the_drive_knows_its_length() -> None:
    settings = DriveSettings(
        modality="event", seconds=0.2, width=96, height=64, seed=3, conditions=("day", "night")
    )
    captures = list(Drive(settings).captures())
    assert len(captures) == len(Drive(settings)) == 2 + 40
    windows = [c.reading for c in captures if not isinstance(c, RgbCapture)]
    events = [w for w in windows if isinstance(w, Events)]
    assert len(events) == 40
    assert all(a.end_ns == b.start_ns for a, b in pairwise(events))
    assert all(w.end_ns - w.start_ns == 5_000_000 for w in events)
    assert sum(len(w) for w in events) > 1000
    stamps = [c.stamp_ns for c in captures]
    assert stamps == sorted(stamps)
    again = [c for c in Drive(settings).captures() if not isinstance(c, RgbCapture)]
    for first, second in zip(events, (c.reading for c in again), strict=True):
        assert isinstance(second, Events)
        assert first.t_ns.tobytes() == second.t_ns.tobytes()
        assert first.x.tobytes() == second.x.tobytes()
        assert first.polarity.tobytes() == second.polarity.tobytes()


def test_the_change_of_light_between_two_conditions_is_no_flash_of_events() -> None:
    settings = DriveSettings(
        modality="event", seconds=0.2, width=96, height=64, seed=3, conditions=("day", "night")
    )
    readings = [c.reading for c in Drive(settings).x_captures()]
    counts = [len(r) for r in readings if isinstance(r, Events)]
    assert max(counts) < 6 * np.median(counts)


def test_a_few_pixels_are_hot() -> None:
    pixels = make_pixels(240, 320, np.random.default_rng(0))
    assert 5 < (pixels.hot_hz > 0).sum() < 60
    assert pixels.on.std() == pytest.approx(0.03, abs=0.003)
