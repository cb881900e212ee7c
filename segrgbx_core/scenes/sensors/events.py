# SPDX-License-Identifier: Apache-2.0
"""Surfaces as an event camera reports them: changes of log intensity beyond a threshold.

A pixel keeps the level of its last event. Each further threshold that log intensity crosses is an
event, with its time interpolated between dense in-between frames. Thresholds differ between
pixels, a pixel has a refractory period after an event, noise events occur, more often in the dark
than by day, and a few hot pixels fire all the time. There is no exposure: night and glare keep
their contrast.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segrgbx_core.readings import Events
from segrgbx_core.scenes.optics.camera import Array, PinholeCamera
from segrgbx_core.scenes.optics.motion import Between, Keyframe, keyframe
from segrgbx_core.scenes.street.light import Condition
from segrgbx_core.scenes.street.world import World, stamp_of

WINDOW_S = 0.05
PACKET_S = 0.005
THRESHOLD = 0.2
_KEYFRAME_S = 0.025
_STEPS = 10
_STEPS_BEFORE = 4
_MISMATCH = 0.03
_LEAST_THRESHOLD = 0.05
_DARK_LIGHT = 3e-5
_REFRACTORY_S = 3e-4
_NOISE_HZ = 0.1
_NOISE_IN_THE_DARK_HZ = 3.0
_HOT_SHARE = 3e-4
_HOT_HZ = (20.0, 300.0)
_PIXELS, _PACKETS = 6, 7
_STEPS_A_PACKET = round(PACKET_S / _KEYFRAME_S * _STEPS)

_Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EventPixels:
    """One sensor's pixels: thresholds (H, W) of log intensity for brighter and darker, and (H, W)
    events per second of hot pixels."""

    on: Array
    off: Array
    hot_hz: Array


@dataclass(frozen=True)
class Fired:
    """Events of a step: pixel (row-major index), whether brighter, and seconds of the drive."""

    pixel: npt.NDArray[np.int64]
    brighter: npt.NDArray[np.bool_]
    seconds: _Times


def make_pixels(height: int, width: int, rng: np.random.Generator) -> EventPixels:
    """Thresholds scattered as on a real sensor, and a few hot pixels."""
    on, off = (
        np.maximum(rng.normal(THRESHOLD, _MISMATCH, (height, width)), _LEAST_THRESHOLD)
        for _ in range(2)
    )
    hot = rng.random((height, width)) < _HOT_SHARE
    rate = np.where(hot, rng.uniform(*_HOT_HZ, (height, width)), 0.0)
    return EventPixels(on.astype(np.float32), off.astype(np.float32), rate.astype(np.float32))


def logarithm(luminance: Array) -> Array:
    """(H, W) float32 natural logarithm of luminance, with the photoreceptor's dark current."""
    return np.asarray(np.log(np.maximum(luminance, 0) + _DARK_LIGHT), np.float32)


class Photoreceptors:
    """Every pixel's last event level, updated by each step."""

    def __init__(self, pixels: EventPixels, first: Array, rng: np.random.Generator) -> None:
        """first: log intensity at the start; each pixel's level is within a threshold of it."""
        self._pixels = pixels
        phase = rng.uniform(-0.9, 0.9, first.shape).astype(np.float32)
        self._level = first + phase * np.minimum(pixels.on, pixels.off)
        self._last = first

    def step(self, now: Array, start: float, end: float) -> Fired:
        """Events while log intensity changes linearly from its last value to `now`.

        start, end: seconds of the drive. A pixel that would fire faster than its refractory
        period allows skips the rest of the change.
        """
        change = now - self._level
        threshold = np.where(change > 0, self._pixels.on, self._pixels.off)
        most = max(1, int((end - start) / _REFRACTORY_S))
        crossed = np.floor(np.abs(change) / threshold)
        count = np.minimum(crossed, most).astype(np.int64).ravel()
        pixel = np.flatnonzero(count)
        times = count[pixel]
        which = np.repeat(pixel, times)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times) + 1
        way = np.sign(change).ravel()[which]
        level = self._level.ravel()[which] + way * nth * threshold.ravel()[which]
        before = self._last.ravel()[which]
        span = now.ravel()[which] - before
        share = np.clip((level - before) / np.where(span == 0, 1, span), 0.0, 1.0)
        moved = np.sign(change) * crossed * threshold
        self._level, self._last = self._level + moved, now
        return Fired(which, way > 0, start + share.astype(np.float64) * (end - start))


def noise_events(
    pixels: EventPixels, luminance: Array, start: float, end: float, rng: np.random.Generator
) -> Fired:
    """Events without any change of light."""
    dark = 10 * _DARK_LIGHT / (10 * _DARK_LIGHT + luminance)
    rate = _NOISE_HZ + _NOISE_IN_THE_DARK_HZ * dark + pixels.hot_hz
    count = rng.poisson(rate * (end - start)).ravel()
    pixel = np.repeat(np.arange(count.size), count)
    seconds = rng.uniform(start, end, len(pixel))
    return Fired(pixel, rng.random(len(pixel)) < 0.5, seconds)


def gathered(fired: list[Fired], camera: PinholeCamera, start: float, end: float) -> Events:
    """One window's events in time order, in whole microseconds."""
    pixel = np.concatenate([f.pixel for f in fired])
    seconds = np.concatenate([f.seconds for f in fired])
    start_ns, end_ns = stamp_of(start), stamp_of(end)
    after = np.floor((seconds - start) * 1e6).astype(np.int64) * 1000
    t_ns = np.clip(start_ns + after, start_ns, end_ns - 1)
    order = np.argsort(t_ns, kind="stable")
    return Events(
        x=(pixel % camera.width)[order].astype(np.uint16),
        y=(pixel // camera.width)[order].astype(np.uint16),
        polarity=np.concatenate([f.brighter for f in fired])[order],
        t_ns=t_ns[order],
        width=camera.width,
        height=camera.height,
        start_ns=start_ns,
        end_ns=end_ns,
    )


def _interval(
    receptors: Photoreceptors,
    first: Keyframe,
    second: Keyframe,
    start: float,
    steps: int = _STEPS,
) -> list[Fired]:
    """The events of each step between two keyframes, _KEYFRAME_S apart."""
    logs = [replace(frame, image=logarithm(frame.image)) for frame in (first, second)]
    between, fired = Between(*logs), []
    times = start + _KEYFRAME_S * np.arange(steps + 1) / steps
    for number in range(1, steps + 1):
        now = between(number / steps)
        fired.append(receptors.step(now, float(times[number - 1]), float(times[number])))
    return fired


def _sensor(world: World, camera: PinholeCamera) -> EventPixels:
    return make_pixels(camera.height, camera.width, world.noise(_PIXELS))


def read(world: World, camera: PinholeCamera, seconds: float, rng: np.random.Generator) -> Events:
    """The events of the 50 ms before that time, under the light of that time.

    The simulation starts 25 ms earlier, so that the pixels' levels have settled.
    """
    condition, pixels = world.condition_at(seconds), _sensor(world, camera)
    start = seconds - WINDOW_S
    count = round(WINDOW_S / _KEYFRAME_S)
    times = [start + _KEYFRAME_S * i for i in range(-1, count + 1)]
    early, *frames = (keyframe(world, camera, t, _KEYFRAME_S, condition) for t in times)
    receptors = Photoreceptors(pixels, logarithm(early.image), rng)
    _interval(receptors, early, frames[0], times[0], _STEPS_BEFORE)
    fired = [noise_events(pixels, frames[count // 2].image, start, seconds, rng)]
    for i in range(count):
        fired += _interval(receptors, frames[i], frames[i + 1], start + i * _KEYFRAME_S)
    return gathered(fired, camera, start, seconds)


def window_count(seconds: float) -> int:
    """How many windows `event_packets` yields for a drive of that length."""
    return max(1, round(seconds / PACKET_S))


def event_packets(
    world: World, camera: PinholeCamera, until: float
) -> Iterator[tuple[float, Events]]:
    """The drive's events without a gap, in windows of 5 ms, each with its end time.

    Where one condition gives way to the next, the sensor is initialised again.
    """
    pixels, rng = _sensor(world, camera), world.noise(_PACKETS)
    receptors: Photoreceptors | None = None
    condition: Condition | None = None
    first: Keyframe | None = None
    packets = round(_KEYFRAME_S / PACKET_S)
    for number in range(window_count(until)):
        if number % packets == 0:
            start = number * PACKET_S
            now = world.condition_at(start)
            if first is None or receptors is None or condition is not now:
                first = keyframe(world, camera, start, _KEYFRAME_S, now)
                receptors = Photoreceptors(pixels, logarithm(first.image), rng)
                condition = now
            second = keyframe(world, camera, start + _KEYFRAME_S, _KEYFRAME_S, now)
            steps = _interval(receptors, first, second, start)
            first = second
        begin, end = number * PACKET_S, (number + 1) * PACKET_S
        at = number % packets * _STEPS_A_PACKET
        fired = steps[at : at + _STEPS_A_PACKET]
        noise = noise_events(pixels, second.image, begin, end, rng)
        yield end, gathered([*fired, noise], camera, begin, end)
