# SPDX-License-Identifier: Apache-2.0
"""Each doubt with data that raises it and data that does not."""

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core.doubts import (
    CUT_X,
    DARK_RGB,
    EARLY_EVENTS,
    GREY_RGB,
    LEAST_SAME,
    NO_READING,
    ONE_RGB,
    ONE_X,
    RGB_CHECKS,
    SAME_RGB,
    SAME_X,
    SWAPPED_X,
    X_CHECKS,
    Clock,
    DoubtLog,
    Repeats,
    doubt_about_clock,
    doubt_about_labels,
    doubts_about,
)
from segrgbx_core.encoding import ThermalSettings
from segrgbx_core.labels.label_set import LabelClass, LabelSet
from segrgbx_core.readings import Events, LightFieldViews, Planes, PolarizerImages, Reading
from segrgbx_core.scenes import Drive, DriveSettings

RAMP = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint16) * 40
COLOUR = np.dstack([RAMP // 30, RAMP // 40, 200 - RAMP // 40]).astype(np.uint8)
EVENTS = Events(
    np.arange(60).astype(np.uint16), np.arange(60).astype(np.uint16) % 48,
    np.arange(60) % 2 == 0, np.arange(60, dtype=np.int64) * 800, 64, 48, 0, 50_000_000,
)  # fmt: skip
TWO = LabelSet("cracks", (LabelClass("ground", (0, 0, 0)), LabelClass("crack", (9, 9, 9))))

WRONG: list[tuple[str, str, Reading, str]] = [
    (ONE_X, "thermal", np.full((48, 64), 80, np.uint8), "thermal images are 80 everywhere"),
    (ONE_X, "depth", np.full((48, 64), 2.5, np.float32), "2.5 everywhere"),
    (NO_READING, "depth", np.full((48, 64), np.nan, np.float32), "no pixels with a reading"),
    (SWAPPED_X, "thermal", RAMP.byteswap(), "--set byte_order=swapped"),
    (
        CUT_X,
        "thermal",
        np.minimum(RAMP, 255).astype(np.uint8),
        r"9\d% of the thermal pixels are 255",
    ),
    (EARLY_EVENTS, "event", EVENTS, "first 0.0472 ms of a window of 50 ms.*by 1000"),
    (
        ONE_X,
        "polarization",
        PolarizerImages(np.zeros((4, 48, 64), np.uint8)),
        "polarization images are 0",
    ),
    (
        ONE_X,
        "light_field",
        LightFieldViews(np.zeros((2, 48, 64, 3), np.uint8), np.array([0, 1]), np.array([0, 1])),
        "light field images are 0",
    ),
]


@pytest.mark.parametrize(("kind", "modality", "x", "words"), WRONG)
def test_a_reading_that_looks_wrong(kind: str, modality: str, x: Reading, words: str) -> None:
    (doubt,) = doubts_about(modality, COLOUR, x)
    assert doubt.kind == kind
    assert re.search(words, doubt.words)
    assert doubt.words.endswith(".")


@pytest.mark.parametrize(
    ("kind", "rgb", "words"),
    [
        (ONE_RGB, np.full((48, 64, 3), 7, np.uint8), "RGB images are 7 everywhere"),
        (ONE_RGB, np.tile(np.array([1, 2, 3], np.uint8), (48, 64, 1)), "are 1,2,3 everywhere"),
        (DARK_RGB, COLOUR // 16, "at most 12 of 255"),
        (GREY_RGB, np.dstack([COLOUR[..., 0]] * 3), "grey, and the model has learnt"),
    ],
)
def test_an_image_that_looks_wrong(kind: str, rgb: npt.NDArray[np.uint8], words: str) -> None:
    (doubt,) = doubts_about("none", rgb)
    assert doubt.kind == kind
    assert words in doubt.words


def test_every_check_has_a_case_here() -> None:
    assert {kind for kind, *_ in WRONG} == set(X_CHECKS)
    assert {ONE_RGB, DARK_RGB, GREY_RGB} == set(RGB_CHECKS)


@pytest.mark.parametrize("modality", ["event", "thermal", "depth", "polarization", "light_field"])
@pytest.mark.parametrize("condition", ["day", "night"])
def test_a_synthetic_street_is_not_doubted(modality: str, condition: str) -> None:
    settings = DriveSettings(
        modality=modality, seconds=0.5, rate_hz=10, width=128, height=96, conditions=(condition,)
    )
    drive = Drive(settings)
    assert doubts_about(modality, x=drive.x_at(0.2).reading) == ()


def test_events_in_nanoseconds_and_a_hot_pixel_are_good() -> None:
    assert doubts_about("event", COLOUR, replace(EVENTS, t_ns=EVENTS.t_ns * 1000)) == ()
    hot = np.full((48, 64), 80, np.uint8)
    hot[3, 5] = 255
    assert [d.kind for d in doubts_about("thermal", COLOUR, hot)] == [ONE_X]
    half = hot.copy()
    half[1::2] = np.arange(64)
    assert doubts_about("thermal", COLOUR, half) == ()


def test_the_setting_ends_the_doubt() -> None:
    swapped = RAMP.byteswap()
    settings = ThermalSettings(byte_order="swapped")
    assert doubts_about("thermal", x=swapped, settings=settings) == ()


def test_planes_are_looked_at_too() -> None:
    even = Planes(np.zeros((3, 48, 64), np.float32), np.ones((48, 64), np.bool_))
    assert [d.kind for d in doubts_about("depth", x=even)] == [ONE_X]


def test_a_log_says_each_kind_once_and_how_often() -> None:
    log = DoubtLog()
    log.add(doubts_about("thermal", x=np.full((48, 64), 80, np.uint8)))
    (alone,) = log.sentences()
    assert alone.endswith("driver's range fits.")
    log.add(doubts_about("thermal", x=RAMP))
    log.add(doubts_about("thermal", x=np.full((48, 64), 81, np.uint8)))
    (said,) = log.sentences()
    assert said.endswith("are 80 everywhere: check that the lens is open and the driver's range "
                         "fits (2 of 3 images looked at).")  # fmt: skip
    assert log.latest[0].words.startswith("The thermal images are 81")


@pytest.mark.parametrize(
    ("there", "doubted"),
    [({0: 5, 255: 3}, True), ({1: 5, 255: 3}, True), ({0: 5, 1: 2, 255: 3}, False),
     ({0: 8}, False), ({255: 8}, False)],
)  # fmt: skip
def test_black_and_white_labels(there: dict[int, int], doubted: bool) -> None:
    counts = np.zeros(256, np.int64)
    for label, count in there.items():
        counts[label] = count
    said = doubt_about_labels(TWO, counts)
    assert bool(said) == doubted
    if doubted:
        assert "labels: binary" in said
    three = LabelSet("more", (*TWO.classes, LabelClass("sky", (1, 1, 1))))
    assert doubt_about_labels(three, counts) == ""


def test_a_clock_far_away() -> None:
    clock = Clock("the recorder's clock", 5.0, 0.5, "set it.")
    assert doubt_about_clock("/x", 5.0, clock) is None
    assert doubt_about_clock("/x", -0.5, clock) is None
    said = doubt_about_clock("/x", -7.25, clock)
    assert said == "Stamps on /x are 7.250 s ahead of the recorder's clock; set it."
    said = doubt_about_clock("/x", 9000.0, clock)
    assert said == "Stamps on /x are 2.5 hours behind the recorder's clock; set it."


NOISE = np.random.default_rng(4).integers(0, 256, (9, 48, 64, 3)).astype(np.uint8)
FROZEN = "The RGB images repeat the one before to the last bit, as those of a frozen camera"


def test_a_frozen_camera_is_counted_from_its_first_repeat() -> None:
    log = DoubtLog("thermal")
    for rgb in (*NOISE[:3], *[NOISE[3]] * (LEAST_SAME - 1), *NOISE[4:6]):
        log.look(rgb, RAMP + rgb[0, 0, 0])
    assert log.sentences() == ()
    for k in range(LEAST_SAME + 1):
        log.look(NOISE[6].copy(), RAMP + k)
        assert (len(log.latest) == 1) == (k >= LEAST_SAME - 1)
    assert log.latest[0].words.startswith(FROZEN)
    (said,) = log.sentences()
    assert said.endswith(f"looks so ({LEAST_SAME} of {LEAST_SAME + 10} images looked at).")
    log.look(NOISE[7], RAMP)
    assert log.latest == ()


@pytest.mark.parametrize(
    ("modality", "x"),
    [
        ("thermal", RAMP),
        ("depth", np.where(RAMP > 9000, np.nan, RAMP).astype(np.float32)),
        ("polarization", PolarizerImages(np.stack([RAMP] * 4))),
        ("light_field", LightFieldViews(NOISE[:2], np.array([0, 1]), np.array([0, 1]))),
    ],
)
def test_every_image_sensor_can_freeze(modality: str, x: Reading) -> None:
    log = DoubtLog(modality)
    for rgb in NOISE[:LEAST_SAME]:
        log.look(rgb, x)
    (doubt,) = log.latest
    assert doubt.kind == SAME_X
    assert doubt.words.startswith(f"The {modality.replace('_', ' ')} images repeat the one before")


def test_what_repeats_for_another_reason_is_not_called_frozen() -> None:
    held, even, events = DoubtLog("thermal"), DoubtLog("thermal"), DoubtLog("event")
    for rgb in NOISE:
        held.look(rgb, RAMP, new_x=False)
        even.look(np.full_like(rgb, 9), np.full_like(RAMP, 80))
        events.look(rgb, replace(EVENTS, t_ns=EVENTS.t_ns * 1000))
    assert held.sentences() == events.sentences() == ()
    assert not any("frozen" in said for said in even.sentences())
    assert len(even.latest) == 2


def test_a_single_pixel_is_a_difference() -> None:
    repeats = Repeats(SAME_RGB, "RGB")
    for k in range(9):
        rgb = NOISE[0].copy()
        rgb[37, 41, 1] = k
        assert repeats.add(rgb) == 0
    assert repeats.now() == repeats.sentences() == ()


def test_a_few_looks_of_all_checks_still_compare_every_image() -> None:
    log = DoubtLog(look_every=30)
    for _ in range(LEAST_SAME):
        log.look(NOISE[0])
    assert log.looked_at == 1
    assert [doubt.kind for doubt in log.latest] == [SAME_RGB]
