# SPDX-License-Identifier: Apache-2.0
"""A thermal video does not flicker, and follows a scene that changes."""

from itertools import pairwise

import numpy as np

from segrgbx_core.encoding import ThermalSettings, encode
from segrgbx_core.encoding.stream import Encoder

SIZE = (48, 64)


def still(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.normal(29000, 200, (6, 8)).repeat(8, 0).repeat(8, 1)
    return np.asarray(blocks + np.linspace(0, 300, 64))


def video_with_a_visitor(frames: int) -> list[np.ndarray]:
    """A hot object is in every second frame; the rest of the scene is constant."""
    scene, readings = still(), []
    for i in range(frames):
        frame = scene.copy()
        if i % 2:
            frame[10:30, 10:22] = 34000
        readings.append(frame.round().astype(np.uint16))
    return readings


def flicker(planes: list[np.ndarray], plane: int) -> float:
    """Mean change between frames in the constant part of the scene."""
    quiet = np.ones(SIZE, bool)
    quiet[:40, :32] = False
    return float(np.mean([np.abs(b - a)[plane, quiet].mean() for a, b in pairwise(planes)]))


def test_what_keeps_still_does_not_flicker() -> None:
    readings = video_with_a_visitor(12)
    encoder = Encoder("thermal", ThermalSettings(range_memory=0.9))
    smooth = [encoder(r, SIZE).data for r in readings]
    alone = [encode("thermal", r).data for r in readings]
    for plane in (0, 1):
        assert flicker(alone, plane) > 0.05
        assert flicker(smooth, plane) < 0.2 * flicker(alone, plane)


def test_noise_alone_moves_the_planes_less_with_memory() -> None:
    rng = np.random.default_rng(1)
    readings = [(still() + rng.normal(0, 15, SIZE)).astype(np.float32) for _ in range(12)]
    ranges = []
    for memory in (0.0, 0.9):
        encoder = Encoder("thermal", ThermalSettings(range_memory=memory))
        planes = [encoder(r, SIZE).data for r in readings]
        # A pixel of a known reading shows the range alone: the reading at 0.5.
        ranges.append(
            np.std(
                [
                    np.interp(0.5, np.sort(p[0].ravel()), np.sort(r.ravel()))
                    for p, r in zip(planes[4:], readings[4:], strict=True)
                ]
            )
        )
    assert ranges[1] < 0.5 * ranges[0]


def test_the_first_frame_is_as_encoded_alone_and_reset_begins_anew() -> None:
    first, second = still(0).astype(np.uint16), still(3).astype(np.uint16)
    encoder = Encoder("thermal")
    assert np.array_equal(encoder(first, SIZE).data, encode("thermal", first).data)
    after = encoder(second, SIZE).data
    alone = encode("thermal", second).data
    assert not np.array_equal(after, alone)
    encoder.reset()
    assert np.array_equal(encoder(second, SIZE).data, alone)


def test_memory_can_be_switched_off() -> None:
    encoder = Encoder("thermal", ThermalSettings(range_memory=0.0))
    for reading in video_with_a_visitor(4):
        np.testing.assert_allclose(
            encoder(reading, SIZE).data, encode("thermal", reading).data, atol=1e-6
        )


def test_a_lasting_change_is_followed_and_another_scene_or_gain_at_once() -> None:
    encoder = Encoder("thermal", ThermalSettings(range_memory=0.8))
    first, warmer = still().astype(np.uint16), (still() + 40).astype(np.uint16)
    encoder(first, SIZE)
    expected = encode("thermal", warmer).data[0]
    off = [np.abs(encoder(warmer, SIZE).data[0] - expected).mean() for _ in range(20)]
    assert off[0] > 0.01
    assert off[-1] < 0.05 * off[0]
    other_scene = (still() + 250).astype(np.uint16)
    assert np.array_equal(encoder(other_scene, SIZE).data, encode("thermal", other_scene).data)
    other_gain = (still() / 4).astype(np.uint16)
    alone = encode("thermal", other_gain).data
    assert np.array_equal(encoder(other_gain, SIZE).data, alone)


def test_another_scene_starts_anew_within_fixed_limits_too() -> None:
    settings = ThermalSettings(clip_min=28000, clip_max=31000)
    first, other_scene = still().astype(np.uint16), (still() + 250).astype(np.uint16)
    encoder = Encoder("thermal", settings)
    encoder(first, SIZE)
    alone = encode("thermal", other_scene, settings).data
    assert np.array_equal(encoder(other_scene, SIZE).data, alone)


def test_a_flat_frame_does_not_disturb_the_memory() -> None:
    reading = still().astype(np.uint16)
    encoder = Encoder("thermal")
    first = encoder(reading, SIZE).data
    assert (encoder(np.full(SIZE, 29000, np.uint16), SIZE).data == 0.5).all()
    np.testing.assert_allclose(encoder(reading, SIZE).data, first, atol=1e-5)
