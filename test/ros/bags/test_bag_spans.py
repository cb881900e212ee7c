# SPDX-License-Identifier: Apache-2.0
"""Slices of a recording: each message of the cut topic in one, the others around it too."""

from pathlib import Path

import numpy as np
import pytest

from segrgbx_core.errors import BagError, InputError
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.span import LogSpan, spans_of
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import header

START = 1_700_000_000_000_000_000
S = 1_000_000_000


def write_bag(path: Path, storage: str) -> Path:
    """/cut at 0, 1, 2 ... 9 s and /other half a second later, each of 200 KB."""
    pixels = np.random.default_rng(0).integers(0, 256, (200, 1000), np.uint8)
    with BagWriter(path, storage) as bag:
        for topic in ("/cut", "/other"):
            bag.add_topic(topic, "sensor_msgs/msg/Image")
        for k in range(10):
            for topic, late in (("/cut", 0), ("/other", S // 2)):
                at = START + k * S + late
                bag.write(topic, at, image_message(pixels, "mono8", header(at, "camera")))
    return path


def read(bag: Path, span: LogSpan | None) -> list[tuple[str, float]]:
    with BagReader(bag, span) as reader:
        return [
            (m.topic, (m.log_time_ns - START) / S) for m in reader.messages(["/cut", "/other"])
        ]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_slice_holds_the_cut_topic_within_and_the_others_around(
    tmp_path: Path, storage: str
) -> None:
    bag = write_bag(tmp_path / "bag", storage)
    span = LogSpan(START + 3 * S, START + 5 * S, "/cut", S)
    got = read(bag, span)
    assert [at for topic, at in got if topic == "/cut"] == [3.0, 4.0]
    assert [at for topic, at in got if topic == "/other"] == [2.5, 3.5, 4.5, 5.5]
    with BagReader(bag, span) as reader:
        list(reader.messages(["/cut"]))
        assert reader.loss is None
        assert reader.duration_s == 2.0


def test_earlier_messages_that_still_hold_come_first(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", "mcap")
    with BagReader(bag) as reader:
        first = next(reader.messages(["/other"]))
    span = LogSpan(START + 3 * S, START + 4 * S, "/cut", 0, (first,))
    assert read(bag, span) == [("/other", 0.5), ("/cut", 3.0), ("/other", 3.5)]
    with BagReader(bag, span) as reader:
        assert [m.topic for m in reader.messages(["/cut"])] == ["/cut"]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_slices_hold_each_message_once(tmp_path: Path, storage: str) -> None:
    bag = write_bag(tmp_path / "bag", storage)
    with BagReader(bag) as reader:
        ends = reader.log_times
    assert ends == (START, START + 9 * S + S // 2)
    spans = spans_of(*ends, 4.0, "/cut", 0.0)
    assert [(s.end_ns - s.start_ns) / S for s in spans] == [4.0, 4.0, 1.5 + 1e-9]
    assert [m for span in spans for m in read(bag, span)] == read(bag, None)


def test_the_last_message_is_in_a_slice() -> None:
    assert [s.holds("/cut", 8) for s in spans_of(0, 8, 4e-9, "/cut", 0.0)] == [False, False, True]


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan")])
def test_a_slice_needs_a_length(length: float) -> None:
    with pytest.raises(InputError, match="expected more than 0"):
        spans_of(0, 8, length, "/cut", 0.0)


def test_a_clock_that_jumped_does_not_make_a_million_slices() -> None:
    with pytest.raises(BagError, match=r"31536000 s .* at most 10000: give a longer --slice"):
        spans_of(0, 365 * 86400 * S, 1.0, "/cut", 0.0)
