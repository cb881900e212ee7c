# SPDX-License-Identifier: Apache-2.0
"""What looks wrong in a recording is said by replay, page, inspect and node in one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from segrgbx_core import Segmenter
from segrgbx_core.errors import InputError
from segrgbx_core.modality import NO_X
from segrgbx_core.sensor import SensorSettings
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.inspection.inspect import inspect
from segrgbx_ros.messages.images import image_message, labels_from_message
from segrgbx_ros.messages.rgb_words import RgbSettings
from segrgbx_ros.messages.types import IMAGE, deserialized, header
from segrgbx_ros.pairing.nearest import Pair
from segrgbx_ros.pipeline import Pipeline
from segrgbx_ros.replay.options import ReplayOptions
from segrgbx_ros.replay.report import write_report
from segrgbx_ros.replay.run import replay
from segrgbx_ros.replay.summary import ReplaySummary

START = 1_700_000_000_000_000_000
RGB, X = "/rgb/image_raw", "/thermal/image_raw"
Pixels = npt.NDArray[np.generic]
Moving = Callable[[int], int]
Y_AT, X_AT = np.mgrid[:48, :64]
COLOUR = np.dstack([X_AT * 3 + 20, 230 - Y_AT * 4, X_AT + Y_AT]).astype(np.uint8)
WARM = (X_AT * 50 + Y_AT * 17 + 28_000).astype(np.uint16)
EVEN = np.full((48, 64), 80, np.uint8)
EVEN_WORDS = (
    "The thermal images are 80 everywhere: check that the lens is open and the driver's range "
    "fits."
)


def recorded(
    path: Path,
    rgb: Pixels = COLOUR,
    x: Pixels = WARM,
    encodings: tuple[str, str] = ("rgb8", "mono16"),
    late_ns: int = 0,
    moving: tuple[Moving, Moving] = (lambda _: 0, lambda _: 0),
    images: int = 3,
) -> Path:
    with BagWriter(path) as bag:
        for topic in (RGB, X):
            bag.add_topic(topic, IMAGE)
        for k in range(images):
            head = header(START + k * 100_000_000, "camera")
            each = zip((RGB, X), (rgb, x), encodings, moving, strict=True)
            for topic, pixels, encoding, moved in each:
                log = START + k * 100_000_000 + late_ns
                seen = np.roll(pixels, moved(k), axis=1)
                bag.write(topic, log, image_message(seen, encoding, head))
    return path


def replayed(
    bag: Path, segmenter: Segmenter, rgb: RgbSettings | None = None, texts: tuple[str, ...] = ()
) -> ReplaySummary:
    options = ReplayOptions(
        bag,
        "thermal",
        bag.parent / "out",
        rgb=rgb or RgbSettings(),
        sensor=SensorSettings(texts),
        force=True,
    )
    return replay(options, segmenter=segmenter)


def live_words(rgb: Pixels, x: Pixels, encodings: tuple[str, str], segmenter: Segmenter) -> str:
    """What the node's /diagnostics say, from the pipeline that both run."""
    pipeline = Pipeline(segmenter, "thermal", RGB, X, look_every=30)
    head = header(START, "camera")
    messages = [image_message(p, e, head) for p, e in zip((rgb, x), encodings, strict=True)]
    pipeline.process(Pair(START, messages[0], START, messages[1]))
    return " ".join(pipeline.doubted_now())


@pytest.mark.parametrize(
    ("rgb", "x", "encodings", "words"),
    [
        (COLOUR, EVEN, ("rgb8", "mono8"), EVEN_WORDS),
        (COLOUR, WARM.byteswap(), ("rgb8", "mono16"), "--set byte_order=swapped"),
        (COLOUR.astype(np.uint16) * 16, WARM, ("rgb16", "mono16"), "taken as 12 bits"),
        (COLOUR * 0, WARM, ("rgb8", "mono16"), "The RGB images are 0 everywhere"),
        (COLOUR[..., 0], WARM, ("mono8", "mono16"), "The RGB images are grey"),
    ],
    ids=["one value", "byte order", "12 bits", "black", "grey"],
)
def test_one_sentence_in_every_mode(
    tmp_path: Path,
    segmenter: Segmenter,
    rgb: Pixels,
    x: Pixels,
    encodings: tuple[str, str],
    words: str,
) -> None:
    bag = recorded(tmp_path / "bag", rgb, x, encodings)
    summary = replayed(bag, segmenter)
    (said,) = summary.notes
    assert words in said
    assert summary.frames.segmented == 3
    assert live_words(rgb, x, encodings, segmenter) == said
    page = write_report(tmp_path / "out").read_text("utf-8").replace("&#39;", "'")
    assert said in page
    with BagReader(bag) as reader:
        problems = inspect(reader).problems
    assert any(problem.endswith(said) for problem in problems)


def test_good_data_is_not_doubted(tmp_path: Path, segmenter: Segmenter) -> None:
    assert replayed(recorded(tmp_path / "bag"), segmenter).notes == []
    assert live_words(COLOUR, WARM, ("rgb8", "mono16"), segmenter) == ""


def masks(folder: Path) -> Pixels:
    with BagReader(folder / "result") as bag:
        read = [deserialized(m.data, m.msgtype) for m in bag.messages(["/segrgbx/mask"])]
    return np.stack([labels_from_message(m, "mask") for m in read])


def test_what_is_set_ends_the_doubt_and_gives_the_same_masks(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    replayed(recorded(tmp_path / "right" / "bag"), segmenter)
    right = masks(tmp_path / "right" / "out")
    wrong = recorded(
        tmp_path / "wrong" / "bag", COLOUR[..., ::-1], WARM.byteswap(), ("8UC3", "mono16")
    )
    summary = replayed(wrong, segmenter, RgbSettings("bgr8"), ("byte_order=swapped",))
    assert summary.notes == []
    np.testing.assert_array_equal(masks(tmp_path / "wrong" / "out"), right)


def test_the_depth_found_gives_the_masks_of_eight_bits(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    replayed(recorded(tmp_path / "right" / "bag"), segmenter)
    deep = (COLOUR.astype(np.uint32) * 4095 // 255).astype(np.uint16)
    replayed(recorded(tmp_path / "deep" / "bag", deep, WARM, ("rgb16", "mono16")), segmenter)
    changed = masks(tmp_path / "deep" / "out") != masks(tmp_path / "right" / "out")
    assert changed.mean() < 0.02


def test_a_few_odd_frames_are_counted(segmenter: Segmenter) -> None:
    pipeline = Pipeline(segmenter, "thermal", RGB, X)
    head = header(START, "camera")
    for x in (WARM, np.full_like(WARM, 9), WARM):
        rgb = image_message(COLOUR, "rgb8", head)
        pipeline.process(Pair(START, rgb, START, image_message(x, "mono16", head)))
    (said,) = pipeline.doubted()
    assert said.endswith("(1 of 3 images looked at).")
    assert pipeline.doubted_now() == []


def test_without_x_only_rgb_is_looked_at(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = recorded(tmp_path / "bag", COLOUR * 0, EVEN, ("rgb8", "mono8"))
    summary = replay(ReplayOptions(bag, NO_X, tmp_path / "out"), segmenter=segmenter)
    (said,) = summary.notes
    assert said.startswith("The RGB images are 0 everywhere")


def test_a_clock_far_from_the_recorders(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = recorded(tmp_path / "bag", late_ns=86_400_000_000_000 * 3)
    notes = replayed(bag, segmenter).notes
    assert len(notes) == 2
    assert notes[0].startswith(f"Stamps on {RGB} are 3 days behind the recorder's clock; ")


def test_the_clock_in_the_words_of_inspect(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = recorded(tmp_path / "bag", late_ns=-40_000_000)
    notes = replayed(bag, segmenter).notes
    assert notes[0].startswith(f"Stamps on {RGB} are 0.040 s ahead of the recorder's clock; ")
    with BagReader(bag) as reader:
        assert set(notes) == {said.split(": ", 1)[1] for said in inspect(reader).problems}


@pytest.mark.parametrize("which", [0, 1], ids=["RGB", "X"])
def test_a_frozen_camera_in_the_words_of_every_mode(
    tmp_path: Path, segmenter: Segmenter, which: int
) -> None:
    """The second image and all after it are the same of one camera."""
    moving: list[Moving] = [lambda k: k, lambda k: k]
    moving[which] = lambda k: min(k, 1)
    bag = recorded(tmp_path / "bag", moving=(moving[0], moving[1]), images=8)
    (said,) = replayed(bag, segmenter).notes
    what = ("RGB", "thermal")[which]
    assert said.startswith(f"The {what} images repeat the one before to the last bit, as those of")
    assert said.endswith("(6 of 8 images looked at).")
    with BagReader(bag) as reader:
        (problem,) = inspect(reader).problems
    assert problem == f"{(RGB, X)[which]}: {said}"
    pipeline, words = Pipeline(segmenter, "thermal", RGB, X, look_every=30), []
    for k in range(8):
        head = header(START + k * 100_000_000, "camera")
        rgb = image_message(np.roll(COLOUR, moving[0](k), axis=1), "rgb8", head)
        x = image_message(np.roll(WARM, moving[1](k), axis=1), "mono16", head)
        pipeline.process(Pair(START + k, rgb, START + k, x))
        words.append(" ".join(pipeline.doubted_now()))
    assert words[:5] == [""] * 5
    assert [each.removesuffix(".") in said for each in words[5:]] == [True] * 3
    assert all(words[5:])


def test_an_unknown_encoding_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'bgr' is unknown; expected one of rgb8, bgr8"):
        ReplayOptions(tmp_path, "thermal", tmp_path / "o", rgb=RgbSettings("bgr"))
