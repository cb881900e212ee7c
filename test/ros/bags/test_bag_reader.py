# SPDX-License-Identifier: Apache-2.0
"""Reading recordings: complete, truncated anywhere, damaged, and other files."""

import sqlite3
import struct
import tracemalloc
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer

from segrgbx_core.errors import BagError
from segrgbx_ros.bags.mcap_records import MCAP_MAGIC
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.images import ImageMessage, image_message
from segrgbx_ros.messages.types import IMAGE, header, typestore

START = 1_700_000_000_000_000_000
TOPICS = ("/a", "/b")
COUNT = 24
SIDE = 256


def picture(number: int, side: int = SIDE) -> ImageMessage:
    array = np.full((side, side), number, np.uint8)
    return image_message(array, "mono8", header(START + number, "f"))


def write_bag(path: Path, storage: str = "mcap", count: int = COUNT, side: int = SIDE) -> Path:
    """Messages in turn on /a and /b; MCAP puts about 16 into a chunk. Returns the data file."""
    with BagWriter(path, storage) as bag:
        for topic in TOPICS:
            bag.add_topic(topic, IMAGE)
        for number in range(count):
            bag.write(TOPICS[number % 2], START + number, picture(number, side))
    return path / (f"{path.name}.mcap" if storage == "mcap" else f"{path.name}.db3")


def read_all(path: Path) -> tuple[list[BagMessage], str | None]:
    with BagReader(path) as bag:
        return list(bag.messages(TOPICS)), bag.loss


def cut(data: Path, share: float) -> int:
    """Truncates the file to that share of its size; returns the bytes left."""
    size = round(data.stat().st_size * share)
    with data.open("r+b") as file:
        file.truncate(size)
    return size


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("bare", [False, True])
def test_whole_recordings(tmp_path: Path, storage: str, bare: bool) -> None:
    data = write_bag(tmp_path / "bag", storage)
    path = data if bare else tmp_path / "bag"
    messages, loss = read_all(path)
    assert loss is None
    assert [m.log_time_ns - START for m in messages] == list(range(COUNT))
    assert {(m.topic, m.msgtype) for m in messages} == {("/a", IMAGE), ("/b", IMAGE)}
    with BagReader(path) as bag:
        assert [(t.name, t.count) for t in bag.topics] == [("/a", 12), ("/b", 12)]
        assert bag.duration_s == pytest.approx((COUNT - 1) / 1e9, abs=1e-12)
        assert len(list(bag.messages(["/b"]))) == 12
        first = bag.first("/b")
        assert first is not None
        assert first.log_time_ns == START + 1
        assert bag.first("/nope") is None


@pytest.mark.parametrize(
    ("storage", "share"),
    [
        *(("mcap", share) for share in (0.3, 0.62, 0.97)),
        *(("sqlite3", share) for share in (0.5, 0.62, 0.97)),
    ],
)
def test_a_cut_recording_is_read_up_to_the_cut(tmp_path: Path, storage: str, share: float) -> None:
    data = write_bag(tmp_path / "bag", storage)
    whole, _ = read_all(tmp_path / "bag")
    size = cut(data, share)
    messages, loss = read_all(tmp_path / "bag")
    assert messages == whole[: len(messages)]
    assert COUNT * share - 2 <= len(messages) < COUNT
    assert loss is not None
    assert f"{data.name} breaks off after {size} bytes" in loss
    assert f"{COUNT - len(messages)} of the {COUNT} messages" in loss


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_cut_file_without_metadata(tmp_path: Path, storage: str) -> None:
    data = write_bag(tmp_path / "bag", storage)
    size = cut(data, 0.5)
    messages, loss = read_all(data)
    assert len(messages) >= COUNT // 2 - 2
    assert loss is not None
    assert f"{data.name} breaks off after {size} bytes" in loss
    assert f"the {len(messages)} messages before" in loss


def test_losing_only_the_end_of_the_file_is_told(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag")
    cut(data, 1 - 8 / data.stat().st_size)
    messages, loss = read_all(tmp_path / "bag")
    assert len(messages) == COUNT
    assert loss is not None
    assert f"the {COUNT} messages before" in loss


def test_a_cut_within_zstd_chunks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "bag"
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/a", IMAGE, typestore=typestore())
        for number in range(COUNT):
            noise = rng.integers(0, 256, (SIDE, SIDE), np.uint8)
            msg = image_message(noise, "mono8", header(START, "f"))
            data = typestore().serialize_cdr(msg, IMAGE)
            writer.write(connection, START + number, data)
    whole, _ = read_all(path)
    cut(path / "bag.mcap", 0.5)
    messages, _ = read_all(path)
    assert messages == whole[: len(messages)]
    assert len(messages) >= COUNT // 2 - 4


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def test_a_cut_file_of_lz4_chunks_and_plain_messages(tmp_path: Path) -> None:
    """Written from the format's description, because rosbags writes neither."""
    schema = record(3, struct.pack("<H", 1) + text(IMAGE) + text("ros2msg") + text(""))
    channel = record(4, struct.pack("<HH", 7, 1) + text("/a") + text("cdr") + text(""))
    late = record(5, struct.pack("<HIQQ", 7, 0, START + 2, START) + b"late")
    early = record(5, struct.pack("<HIQQ", 7, 0, START + 1, START) + b"early")
    inside = schema + channel + late + early
    packed = lz4.frame.compress(inside)
    chunk = struct.pack("<QQQI", START, START, len(inside), 0) + text("lz4")
    chunk += struct.pack("<Q", len(packed)) + packed
    plain = record(5, struct.pack("<HIQQ", 7, 0, START + 3, START) + b"plain")
    path = tmp_path / "hand.mcap"
    head = MCAP_MAGIC + record(1, text("ros2") + text("hand"))
    path.write_bytes(head + record(6, chunk) + plain + plain[:-1])
    with BagReader(path) as bag:
        assert [m.data for m in bag.messages(["/a"])] == [b"early", b"late", b"plain"]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_rosbags_reads_the_same(tmp_path: Path, storage: str) -> None:
    data = write_bag(tmp_path / "bag", storage)
    whole, _ = read_all(tmp_path / "bag")
    with Reader(data) as reader:
        theirs = [
            BagMessage(c.topic, c.msgtype, log_ns, bytes(content))
            for c, log_ns, content in reader.messages()
        ]
    assert theirs == whole


def test_message_compression_survives_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "bag"
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    rng = np.random.default_rng(0)
    with writer:
        connection = writer.add_connection("/a", IMAGE, typestore=typestore())
        for number in range(COUNT):
            noise = rng.integers(0, 256, (SIDE, SIDE), np.uint8)
            msg = image_message(noise, "mono8", header(START, "f"))
            data = typestore().serialize_cdr(msg, IMAGE)
            writer.write(connection, START + number, data)
    whole, _ = read_all(path)
    cut(path / "bag.db3", 0.6)
    messages, _ = read_all(path)
    assert len(messages) > COUNT // 3
    assert messages == whole[: len(messages)]


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag")
    content = bytearray(data.read_bytes())
    middle = len(content) * 3 // 4
    content[middle : middle + 200_000] = b"\xff" * 200_000
    data.write_bytes(content)
    messages, loss = read_all(tmp_path / "bag")
    assert 0 < len(messages) < COUNT
    assert loss is not None
    assert "damaged (" in loss
    assert f"{COUNT - len(messages)} of the {COUNT} messages" in loss


def test_fewer_messages_than_metadata_lists(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag", "sqlite3")
    with sqlite3.connect(data) as database:
        database.execute("DELETE FROM messages WHERE id > 20")
    messages, loss = read_all(tmp_path / "bag")
    assert len(messages) == 20
    assert loss is not None
    assert "4 of the 24 messages" in loss
    assert "metadata.yaml" in loss


def test_stopping_early_is_no_loss(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        next(iter(bag.messages(TOPICS)))
        assert bag.loss is None


@pytest.mark.parametrize("share", [1.0, 0.9])
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, share: float) -> None:
    data = write_bag(tmp_path / "bag", count=40, side=1024)
    cut(data, share)
    assert data.stat().st_size > 35e6
    tracemalloc.start()
    try:
        with BagReader(tmp_path / "bag") as bag:
            assert sum(1 for _ in bag.messages(TOPICS)) >= 34
        assert tracemalloc.get_traced_memory()[1] < 12e6
    finally:
        tracemalloc.stop()


def refused(path: Path) -> str:
    with pytest.raises(BagError) as caught, BagReader(path) as bag:
        list(bag.messages(TOPICS))
    return str(caught.value)


def test_missing_path(tmp_path: Path) -> None:
    assert f"{tmp_path / 'bag'} does not exist" in refused(tmp_path / "bag")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"text", "expected a folder with metadata.yaml"),
        ("old.bag", b"#ROSBAG V2.0", "rosbags-convert"),
        ("a.mcap", b"some text, long enough to have a head", "neither MCAP nor sqlite3"),
        ("a.db3", b"some text", "neither MCAP nor sqlite3"),
        ("a.mcap", b"", "empty, 0 bytes"),
        ("a.mcap", MCAP_MAGIC, "breaks off after 8 bytes"),
        (
            "a.db3",
            b"SQLite format 3\x00" + bytes(30),
            "SQLite's '.recover'",
        ),
        (
            "a.mcap",
            MCAP_MAGIC + bytes(60) + MCAP_MAGIC,
            "(at byte 8 stands no whole record)",
        ),
    ],
)
def test_not_a_recording(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    sentence = refused(path)
    assert str(path) in sentence
    assert words in sentence


def test_a_database_of_something_else(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db3") as database:
        database.execute("CREATE TABLE birds (name TEXT)")
    sentence = refused(tmp_path / "other.db3")
    assert "other.db3" in sentence
    assert "lacks the tables of a recording" in sentence


def test_a_folder_without_metadata(tmp_path: Path) -> None:
    """As a killed recorder leaves it: one file, or files that differ in their number alone."""
    assert "no metadata.yaml" in refused(tmp_path)
    data = write_bag(tmp_path / "bag")
    whole, _ = read_all(tmp_path / "bag")
    (tmp_path / "bag" / "metadata.yaml").unlink()
    assert read_all(tmp_path / "bag") == (whole, None)
    later = write_bag(tmp_path / "later")
    later.rename(data.with_name("drive_10.mcap"))
    data.rename(data.with_name("drive_9.mcap"))
    messages, _ = read_all(tmp_path / "bag")
    assert len(messages) == 2 * len(whole)
    (tmp_path / "bag" / "drive_10.mcap").rename(tmp_path / "bag" / "other.mcap")
    sentence = refused(tmp_path / "bag")
    assert "(drive_9.mcap, other.mcap)" in sentence
    assert "'ros2 bag reindex'" in sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not readable YAML"),
        ("[]", "missing or invalid"),
        ("rosbag2_bagfile_information: {}", "missing or invalid: 'relative_file_paths'"),
        (
            "rosbag2_bagfile_information: "
            "{relative_file_paths: [], topics_with_message_count: []}",
            "no data file",
        ),
    ],
)
def test_broken_metadata(tmp_path: Path, content: str, words: str) -> None:
    write_bag(tmp_path / "bag")
    (tmp_path / "bag" / "metadata.yaml").write_text(content)
    sentence = refused(tmp_path / "bag")
    assert "metadata.yaml" in sentence
    assert words in sentence
    assert "'ros2 bag reindex'" in sentence


def test_metadata_that_names_a_missing_file(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag").rename(tmp_path / "elsewhere.mcap")
    sentence = refused(tmp_path / "bag")
    assert "metadata.yaml" in sentence
    assert "bag.mcap" in sentence
    assert "not in the folder" in sentence
