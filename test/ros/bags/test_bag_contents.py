# SPDX-License-Identifier: Apache-2.0
"""The files' content decides what is read: other metadata, layouts, journals and packings."""

import itertools
import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from segrgbx_core.errors import BagError
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.writer import LATCHED_QOS, BagWriter
from segrgbx_ros.messages.images import image_message
from segrgbx_ros.messages.types import IMAGE, header, typestore

sys.path.insert(0, str(Path(__file__).parent))
from mcap_bytes import (
    MCAP_MAGIC,
    TOPICS,
    Layout,
    Message,
    channel,
    message,
    record,
    schema,
    text,
    write_mcap,
)

START = 1_700_000_000_000_000_000
COUNT = 12
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


def image_bytes(number: int, side: int = 32) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (side, side), np.uint8)
    picture = image_message(noise, "mono8", header(START + number, "f"))
    return bytes(typestore().serialize_cdr(picture, IMAGE))


def write_bag(
    path: Path,
    storage: str = "mcap",
    compression: CompressionMode = CompressionMode.NONE,
    qos: bool = False,
    start: int = START,
    side: int = 32,
) -> Path:
    """12 messages in turn on /a and /b; returns the data file."""
    writer = Writer(path, version=8, storage_plugin=STORAGES[storage])
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        offered = [LATCHED_QOS] if qos else []
        topics = [
            writer.add_connection(t, IMAGE, typestore=typestore(), offered_qos_profiles=offered)
            for t in TOPICS
        ]
        for number in range(COUNT):
            writer.write(topics[number % 2], start + number, image_bytes(number, side))
    return next(p for p in path.iterdir() if p.name != "metadata.yaml")


def read_all(path: Path) -> tuple[list[BagMessage], str | None]:
    with BagReader(path) as bag:
        return list(bag.messages(TOPICS)), bag.loss


def times(path: Path) -> list[int]:
    messages, loss = read_all(path)
    assert loss is None
    return [message.log_time_ns - START for message in messages]


def edit(path: Path, pattern: str, by: str) -> None:
    listed = path / "metadata.yaml"
    changed, count = re.subn(pattern, by, listed.read_text(), flags=re.DOTALL)
    assert count
    listed.write_text(changed)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("in_file", [False, True])
def test_qos_of_metadata_and_file_differ(tmp_path: Path, storage: str, in_file: bool) -> None:
    write_bag(tmp_path / "bag", storage, qos=in_file)
    write_bag(tmp_path / "other", storage, qos=not in_file)
    other = (tmp_path / "other" / "metadata.yaml").read_text()
    (tmp_path / "bag" / "metadata.yaml").write_text(other.replace("other.", "bag."))
    assert times(tmp_path / "bag") == list(range(COUNT))


def test_type_hash_and_storage_name_differ(tmp_path: Path) -> None:
    for storage in STORAGES:
        bag = tmp_path / storage
        write_bag(bag, storage)
        edit(bag, "RIHS01_[0-9a-f]*", "RIHS01_00")
        edit(bag, "storage_identifier: [a-z0-9]*", "storage_identifier: ''")
        assert times(bag) == list(range(COUNT))


LAYOUTS = [
    Layout(profile, chunked, index, statistics, repeated)
    for profile, chunked, index, statistics, repeated in itertools.product(
        ("ros2", ""), *[(False, True)] * 4
    )
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_optional_parts_of_mcap(tmp_path: Path, layout: Layout) -> None:
    """Out of order of time within a chunk and between chunks, with chunks that overlap."""
    logged = [[5, 1, 3], [2, 0, 4], [8, 6], [7, 9, 10, 11]]
    groups: list[list[Message]] = [
        [(1 + t % 2, START + t, image_bytes(t, 4)) for t in group] for group in logged
    ]
    path = write_mcap(tmp_path / "hand.mcap", groups, layout)
    assert times(path) == list(range(COUNT))
    with BagReader(path) as bag:
        assert [(t.name, t.msgtype, t.count) for t in bag.topics] == [
            ("/a", IMAGE, 6),
            ("/b", IMAGE, 6),
        ]
        assert bag.duration_s == pytest.approx(11e-9, abs=1e-15)
        first = bag.first("/b")
        assert first is not None
        assert (first.log_time_ns, first.data) == (START + 1, image_bytes(1, 4))


def test_ros1_in_mcap(tmp_path: Path) -> None:
    path = tmp_path / "ros1.mcap"
    names = schema(1, "sensor_msgs/Image", "ros1msg") + channel(1, "/a", 1, "ros1")
    path.write_bytes(MCAP_MAGIC + record(1, text("")) + names + message((1, START, b"old")))
    with pytest.raises(BagError, match=r"of ROS 1; .*'rosbags-convert'"):
        BagReader(path)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", ["night #2", "a?mode=rw", "100%25 done", "straße", "a'b\"c;"])
def test_odd_characters_in_paths(tmp_path: Path, storage: str, name: str) -> None:
    folder = tmp_path / name
    with BagWriter(folder, storage) as bag:
        bag.add_topic("/a", IMAGE)
        for number in range(COUNT):
            picture = image_message(np.zeros((2, 2), np.uint8), "mono8", header(START, "f"))
            bag.write("/a", START + number, picture)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert times(folder) == list(range(COUNT))
    data = folder / f"{name}.{'mcap' if storage == 'mcap' else 'db3'}"
    assert times(data) == list(range(COUNT))


def killed(data: Path, to: Path, journal: str, setup: str) -> Path:
    """A copy of the database as a recorder leaves it that is killed while it writes."""
    database = sqlite3.connect(data, isolation_level=None)
    to.mkdir()
    try:
        database.execute(setup)
        database.execute("PRAGMA cache_size=2")
        database.execute("BEGIN")
        rows = [(1, START + COUNT + n, image_bytes(n, 64)) for n in range(50)]
        insert = "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)"
        database.executemany(insert, rows)
        if journal == "-wal":
            database.execute("COMMIT")
        for name in (data.name, f"{data.name}{journal}"):
            shutil.copy(data.with_name(name), to / name)
    finally:
        database.close()
    return to / data.name


def test_a_write_ahead_log_is_read_and_left_alone(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag", "sqlite3")
    left = killed(data, tmp_path / "left", "-wal", "PRAGMA journal_mode=WAL")
    before = {p.name: p.read_bytes() for p in left.parent.iterdir()}
    assert len(before[f"{left.name}-wal"]) > 100_000
    for path in (left, left.parent):
        assert times(path) == list(range(COUNT + 50))
    assert {p.name: p.read_bytes() for p in left.parent.iterdir()} == before


def test_an_unfinished_write_is_taken_back_in_a_copy(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag", "sqlite3")
    left = killed(data, tmp_path / "left", "-journal", "PRAGMA journal_mode=DELETE")
    before = {p.name: p.read_bytes() for p in left.parent.iterdir()}
    assert len(before[left.name]) > data.stat().st_size / 2
    assert times(left) == list(range(COUNT))
    assert {p.name: p.read_bytes() for p in left.parent.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_write_ahead_log_in_a_read_only_folder(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag", "sqlite3")
    left = killed(data, tmp_path / "left", "-wal", "PRAGMA journal_mode=WAL")
    left.parent.chmod(0o555)
    assert times(left) == list(range(COUNT + 50))


@pytest.mark.parametrize("storage", STORAGES)
def test_file_compression(tmp_path: Path, storage: str) -> None:
    """Read packed, by itself and in its folder, and unpacked beside the same metadata."""
    whole, _ = read_all(write_bag(tmp_path / "plain", storage))
    data = write_bag(tmp_path / "bag", storage, CompressionMode.FILE)
    assert data.suffix == ".zstd"
    assert read_all(data) == read_all(tmp_path / "bag") == (whole, None)
    plain = next(p for p in (tmp_path / "plain").iterdir() if p.name != "metadata.yaml")
    shutil.copy(plain, data.with_suffix(""))
    data.unlink()
    assert read_all(tmp_path / "bag") == (whole, None)


@pytest.mark.parametrize(("storage", "share"), [("mcap", 0.75), ("sqlite3", 0.9)])
def test_a_packed_file_that_breaks_off(tmp_path: Path, storage: str, share: float) -> None:
    whole, _ = read_all(write_bag(tmp_path / "plain", storage, side=256))
    data = write_bag(tmp_path / "bag", storage, CompressionMode.FILE, side=256)
    size = round(data.stat().st_size * share)
    os.truncate(data, size)
    messages, loss = read_all(tmp_path / "bag")
    assert 4 <= len(messages) < COUNT
    assert messages == whole[: len(messages)]
    assert loss is not None
    assert f"{data.name} breaks off after {size} bytes" in loss
    assert f"{COUNT - len(messages)} of the {COUNT} messages" in loss


@pytest.mark.parametrize("listed", [False, True])
def test_one_of_the_compressed_messages_is_broken(tmp_path: Path, listed: bool) -> None:
    whole, _ = read_all(write_bag(tmp_path / "plain", "sqlite3"))
    data = write_bag(tmp_path / "bag", "sqlite3", CompressionMode.MESSAGE)
    with sqlite3.connect(data) as database:
        database.execute("UPDATE messages SET data = substr(data, 1, 300) WHERE id = 5")
    messages, loss = read_all(tmp_path / "bag" if listed else data)
    assert messages == whole[:4] + whole[5:]
    assert loss is not None
    assert "a message on /a: its zstd data is damaged: it breaks off" in loss
    assert f"1 of the {COUNT} messages" in loss


def split(folder: Path) -> None:
    """A recording of two files."""
    first = write_bag(folder)
    write_bag(folder / "later", start=START + COUNT)
    shutil.move(folder / "later" / "later.mcap", folder / "bag_1.mcap")
    shutil.rmtree(folder / "later")
    first.rename(folder / "bag_0.mcap")
    edit(folder, r"- bag\.mcap", "- bag_0.mcap\n  - bag_1.mcap")
    edit(folder, r"message_count: 6", "message_count: 12")


def test_a_split_recording(tmp_path: Path) -> None:
    split(tmp_path / "bag")
    assert times(tmp_path / "bag") == list(range(2 * COUNT))
    (tmp_path / "bag" / "bag_0.mcap").unlink()
    messages, loss = read_all(tmp_path / "bag")
    assert len(messages) == COUNT
    assert loss is not None
    assert "names bag_0.mcap, not in the folder; 12 of the 24 messages" in loss


def test_one_file_of_a_split_recording_is_empty(tmp_path: Path) -> None:
    """As a recorder leaves the next file that is killed while it opens it."""
    split(tmp_path / "bag")
    for content in (b"", b"not a recording at all"):
        (tmp_path / "bag" / "bag_1.mcap").write_bytes(content)
        messages, loss = read_all(tmp_path / "bag")
        assert [m.log_time_ns - START for m in messages] == list(range(COUNT))
        assert loss is not None
        assert "bag_1.mcap" in loss
        assert "12 of the 24 messages" in loss
    (tmp_path / "bag" / "bag_0.mcap").write_bytes(b"")
    with pytest.raises(BagError, match=r"bag_0.mcap is empty, 0 bytes"):
        BagReader(tmp_path / "bag")


def test_a_compression_that_nobody_has(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", "mcap", CompressionMode.FILE)
    edit(tmp_path / "bag", "compression_format: zstd", "compression_format: lz5")
    with pytest.raises(BagError, match=r"compressed with 'lz5'; expected zstd.*ros2 bag convert"):
        BagReader(tmp_path / "bag")


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(BagError, match=r"Git LFS pointer.*git lfs pull"):
        BagReader(path)


def test_a_metadata_file_that_is_a_pointer(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag").parent
    (bag / "metadata.yaml").write_text("version https://git-lfs.github.com/spec/v1\noid a\n")
    with pytest.raises(BagError, match=r"metadata.yaml is a Git LFS pointer.*git lfs pull"):
        BagReader(bag)


def test_a_file_that_was_renamed_is_named_as_the_way_out(tmp_path: Path) -> None:
    data = write_bag(tmp_path / "bag", "sqlite3")
    bag = data.parent
    data.rename(bag / "drive.db3")
    with pytest.raises(BagError, match=rf"names {data.name}, .* there \(drive.db3\) itself, or"):
        BagReader(bag)
    (bag / "drive.db3").unlink()
    with pytest.raises(BagError, match="copy the recording again, with all its files"):
        BagReader(bag)
