# SPDX-License-Identifier: Apache-2.0
"""`segrgbx inspect` as a user sees it: tables within 100 columns, JSON, exit statuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.cli import main
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import EVENT_PACKET, IMAGE, header, message

Captured = pytest.CaptureFixture[str]
LONG = "/vehicle/front/camera/aligned_depth_to_color/image_rect_raw"


def made(path: Path, zero_stamps: bool = False) -> Path:
    with BagWriter(path) as bag:
        for topic, kind in (("/rgb/image_raw", IMAGE), (LONG, IMAGE), ("/events", EVENT_PACKET)):
            bag.add_topic(topic, kind)
        for k in range(5):
            stamp = 10_000_000_000 + k * 100_000_000
            head = header(0 if zero_stamps else stamp, "c")
            values = np.arange(4 * 6 * 3, dtype=np.uint16).reshape(12, 6) * 3 + k
            colour = image_message(values.reshape(4, 6, 3).astype(np.uint8), "rgb8", head)
            depth = image_message(values[:4] + 900, "16UC1", head)
            packet = message(
                EVENT_PACKET,
                header=head,
                height=4,
                width=6,
                seq=k,
                time_base=k,
                encoding="mono",
                is_bigendian=False,
                events=np.array([1 << 63 | 2 << 48 | 3 << 32 | 7], "<u8").view(np.uint8),
            )
            for topic, msg in (("/rgb/image_raw", colour), (LONG, depth), ("/events", packet)):
                bag.write(topic, stamp, msg)
    return path


def test_the_tables(tmp_path: Path, capsys: Captured) -> None:
    bag = made(tmp_path / "bag")
    assert main(["inspect", str(bag)]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert max(len(line) for line in lines[1:]) <= 100
    assert lines[0] == f"{bag}: 0.4 s, 3 topics, 15 messages"
    (row,) = (line for line in lines if line.startswith("/rgb/image_raw ") and "rgb8" in line)
    assert row.split()[1:] == ["5", "10.0", "0.00", "0.00", "rgb8", "RGB"]
    assert "5 of 5" in said
    for words in ("sum of times", "triggers rising, falling", "first sensor time", "depth"):
        assert words in said
    assert "Nothing wrong" in said


def test_json_says_the_same(tmp_path: Path, capsys: Captured) -> None:
    assert main(["inspect", str(made(tmp_path / "bag")), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    topics = {topic["name"]: topic for topic in content["topics"]}
    assert topics["/rgb/image_raw"]["timing"]["rate_hz"] == 10.0
    assert topics[LONG]["roles"]["likely"] == "depth"
    totals = topics["/events"]["events"]["totals"]
    assert totals["on"] == totals["sum_polarity"] == 5
    assert (totals["sum_x"], totals["sum_y"], totals["off"]) == (15, 10, 0)
    assert totals["sum_t_ns"] == 5 * 7 + 0 + 1 + 2 + 3 + 4
    assert content["complete"] is True
    assert content["problems"] == []


def test_problems_are_listed_by_topic(tmp_path: Path, capsys: Captured) -> None:
    assert main(["inspect", str(made(tmp_path / "bag", zero_stamps=True))]) == 0
    said = capsys.readouterr().out
    assert "things to look at" in said
    assert "- /rgb/image_raw: All stamps are zero" in said
    assert "no stamp" in said
    assert "--stamps log" in said
    assert "clocks" not in said


def test_zero_stamps_in_json_and_by_log_times(tmp_path: Path, capsys: Captured) -> None:
    bag = str(made(tmp_path / "bag", zero_stamps=True))
    assert main(["inspect", bag, "--json"]) == 0
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    assert {(pair["with_x"], pair["skew_ms"]) for pair in pairs} == {(0, None)}
    assert main(["inspect", bag, "--json", "--stamps", "log"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {(pair["with_x"], pair["skew_ms"]) for pair in content["pairs"]} == {(5, 0.0)}
    assert content["problems"] == []


def test_a_recording_that_breaks_off(tmp_path: Path, capsys: Captured) -> None:
    bag = made(tmp_path / "bag")
    file = bag / "bag.mcap"
    file.write_bytes(file.read_bytes()[:-400])
    assert main(["inspect", str(bag)]) == 1
    assert "breaks off after" in capsys.readouterr().out


def test_what_is_no_recording(tmp_path: Path, capsys: Captured) -> None:
    assert main(["inspect", str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err
