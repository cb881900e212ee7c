# SPDX-License-Identifier: Apache-2.0
"""Bytes that nobody should write: sizes are bounded first, one fault leaves what is beside it."""

import sqlite3
import struct
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import lz4.frame
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from mcap_bytes import MCAP_MAGIC, NAMES, TOPICS, Layout, chunk, message, record, text, write_mcap

from segrgbx_core.errors import BagError, SegRgbxError
from segrgbx_ros.bags.metadata import BagMessage
from segrgbx_ros.bags.order import Part, in_time_order
from segrgbx_ros.bags.reader import BagReader
from segrgbx_ros.bags.unpack import unpack_file, unpacked
from segrgbx_ros.bags.writer import BagWriter
from segrgbx_ros.messages.types import LABEL_INFO, header
from segrgbx_ros.messages.types import message as ros_message

if sys.version_info >= (3, 14):
    from compression.zstd import compress
else:
    from backports.zstd import compress

MIB = 1 << 20
HEAD = MCAP_MAGIC + record(1, text("ros2") + text(""))
GOOD = [(1, 1, b"one"), (2, 2, b"two")]


def read_all(path: Path) -> tuple[list[bytes], str]:
    with BagReader(path) as bag:
        return [m.data for m in bag.messages(TOPICS)], bag.loss or ""


def refused(path: Path) -> str:
    with pytest.raises(BagError) as caught:
        BagReader(path)
    sentence = str(caught.value)
    assert len(sentence) < 800
    return sentence


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """Fails where Python takes more than that many bytes at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def mcap(path: Path, *parts: bytes, end: bytes = MCAP_MAGIC) -> Path:
    path.write_bytes(HEAD + b"".join(parts) + end)
    return path


def good_chunk() -> bytes:
    return chunk(NAMES + b"".join(message(each) for each in GOOD), [1, 2])


def packed_chunk(inside: bytes, packed: bytes, compression: str = "zstd") -> bytes:
    return chunk(inside, [3, 4], compression, packed)


def test_a_chunk_that_unpacks_to_more_than_memory(tmp_path: Path) -> None:
    """Its size is stated truly, or as a small one."""
    bomb = compress(bytes(300 * MIB))
    for stated in (bytes(300 * MIB), bytes(10)):
        path = mcap(tmp_path / "a.mcap", good_chunk(), packed_chunk(stated, bomb))
        with little_memory(100 * MIB):
            data, loss = read_all(path)
        assert data == [b"one", b"two"]
        assert f"{len(bomb)} bytes unpack to more than 32 MiB" in loss


def test_an_lz4_block_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """lz4 packs 255 bytes into one at most, so the bound of all blocks is the one that counts."""
    bomb = lz4.frame.compress(bytes(100 * MIB))
    monkeypatch.setattr("segrgbx_ros.bags.unpack.LARGE", 40 * MIB)
    with little_memory(90 * MIB):
        content = unpacked(bomb, "lz4")
    assert content.data == b""
    assert "unpack to more than" in str(content.fault)


def test_frames_in_a_row_and_padding() -> None:
    """Writers of some languages do both."""
    content = unpacked(compress(b"ab") + compress(b"cd") + b"padding", "zstd")
    assert (content.data, content.fault) == (b"abcd", None)
    assert "'zip' is unknown" in str(unpacked(b"a", "zip").fault)


def test_a_packed_file_larger_than_the_disk(tmp_path: Path) -> None:
    packed = tmp_path / "a.mcap.zstd"
    packed.write_bytes(compress(bytes(300 * MIB)))
    with pytest.raises(BagError, match=r"unpacks to 25[67] MiB or more, .*'zstd -d'"):
        unpack_file(packed, tmp_path / "a.mcap")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (packed_chunk(b"x" * 99, compress(b"x" * 99)[:12]), "zstd data is damaged: it breaks off"),
        (packed_chunk(b"x" * 99, b"nothing of zstd"), "zstd data is damaged"),
        (packed_chunk(b"x" * 99, b"x" * 50, ""), "has 50 bytes, not 99 as stated"),
        (good_chunk().replace(b"one", b"uno"), "its checksum does not fit"),
        (record(6, b"short"), "a record ends after 5 bytes"),
        (record(3, b"\x01"), "a record ends after 1 bytes"),
        (record(4, struct.pack("<HHI", 9, 1, 1 << 31)), "a record ends after 8 bytes"),
        (record(5, b"\x01\x00"), "message of 2 bytes has no head"),
        (struct.pack("<BQ", 5, 1 << 63), "no whole record"),
        (struct.pack("<BQ", 6, (1 << 64) - 1), "a record ends after"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_what_stands_beside_a_broken_record_is_read(
    tmp_path: Path, part: bytes, words: str, inside: bool
) -> None:
    if inside:
        endless = part[1:9] in (struct.pack("<Q", 1 << 63), b"\xff" * 8)
        words = "is not whole" if endless else "chunk within" if part[0] == 6 else words
        part = chunk(NAMES + message((1, 0, b"in")) + part, [0])
    path = mcap(tmp_path / "a.mcap", good_chunk(), part)
    with little_memory(50 * MIB):
        data, loss = read_all(path)
    assert {b"one", b"two"} <= set(data)
    assert "damaged (" in loss
    assert words in loss


@pytest.mark.parametrize("last", [struct.pack("<BQ", 6, 1 << 63), record(3, b"\x01"), b"\x05"])
def test_a_cut_file_ends_in_anything(tmp_path: Path, last: bytes) -> None:
    path = mcap(tmp_path / "a.mcap", good_chunk(), last, end=b"")
    data, loss = read_all(path)
    assert data == [b"one", b"two"]
    assert f"breaks off after {path.stat().st_size} bytes; the 2 messages before" in loss


def test_a_broken_chunk_between_indexed_ones(tmp_path: Path) -> None:
    groups = [[(1, 10 * k + n, b"%02d" % (10 * k + n)) for n in range(5)] for k in range(3)]
    path = write_mcap(tmp_path / "a.mcap", groups, Layout())
    content = path.read_bytes()
    at = content.index(b"\x06", content.index(b"04"))
    path.write_bytes(content[:at] + bytes(40) + content[at + 40 :])
    data, loss = read_all(path)
    assert data == [b"%02d" % t for t in (0, 1, 2, 3, 4, 20, 21, 22, 23, 24)]
    assert "5 of the 15 messages" in loss


def test_overlapping_parts_wait_for_memory() -> None:
    def part(first: int) -> Part:
        sent = [BagMessage("/a", "t", first + 10 * n, b"") for n in range(3)]
        opened.append(first)
        return Part(first, lambda: iter(sent), 100)

    opened: list[int] = []
    parts = [part(first) for first in (2, 0, 1)]
    assert [m.log_time_ns for m in in_time_order(parts)] == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    bounded = [m.log_time_ns for m in in_time_order(parts, most_held=200)]
    assert bounded == [0, 1, 10, 11, 20, 2, 12, 21, 22]


def good_database(folder: Path) -> Path:
    names = [ros_message("vision_msgs/msg/VisionClass", class_id=1, class_name="road")]
    info = ros_message(LABEL_INFO, header=header(1, "f"), class_map=names, threshold=0.0)
    with BagWriter(folder, "sqlite3") as bag:
        for topic in TOPICS:
            bag.add_topic(topic, LABEL_INFO)
        for number in range(6):
            bag.write(TOPICS[number % 2], number, info)
    return folder / f"{folder.name}.db3"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data = 'text'", "message 3 is no row of numbers and bytes"),
        ("data = NULL", "message 3 is no row of numbers and bytes"),
        ("timestamp = 'noon'", "message 3 is no row of numbers and bytes"),
        ("timestamp = 1.5", "message 3 is no row of numbers and bytes"),
        ("topic_id = X'00'", "message 3 is no row of numbers and bytes"),
        ("topic_id = 77", "no topic that is listed"),
    ],
)
def test_rows_of_another_type(tmp_path: Path, change: str, words: str) -> None:
    data = good_database(tmp_path / "bag")
    with sqlite3.connect(data) as database:
        database.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, topic_id, timestamp, data)")
        database.execute("INSERT INTO m SELECT * FROM messages")
        database.execute("DROP TABLE messages")
        database.execute("ALTER TABLE m RENAME TO messages")
        database.execute(f"UPDATE messages SET {change} WHERE id = 3")
    database.close()
    messages, loss = read_all(tmp_path / "bag")
    assert len(messages) == 5
    assert words in loss
    assert "1 of the 6 messages" in loss


def test_topics_of_another_type(tmp_path: Path) -> None:
    data = good_database(tmp_path / "bag")
    with sqlite3.connect(data) as database:
        database.execute("UPDATE topics SET name = X'ff2f61', type = X'' WHERE id = 1")
    database.close()
    with BagReader(data) as bag:
        assert {t.name: t.count for t in bag.topics} == {"\ufffd/a": 3, "/b": 3}


def test_a_view_is_no_table(tmp_path: Path) -> None:
    """It could have rows without end."""
    data = good_database(tmp_path / "bag")
    with sqlite3.connect(data) as database:
        database.execute("DROP TABLE messages")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"
        database.execute(f"CREATE VIEW messages AS {endless}")
    database.close()
    assert "lacks the tables of a recording" in refused(data)


LISTED = "rosbag2_bagfile_information:\n  topics_with_message_count: []\n  relative_file_paths: "
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "not readable YAML"),
        ("a: " * 2000, "not readable YAML"),
        ("{a: 1, a: [}", "not readable YAML"),
        ("\x00", "not readable YAML"),
        ("2020-13-45", "missing or invalid"),
        ("!!python/object/apply:os.system [ls]", "missing or invalid"),
        (f"{LISTED}[!!timestamp 2020-13-45]", "names 2020-13-45, which is not in the folder"),
        (f"{LISTED}[2020-01-01, {'x' * 300}]", "not in the folder"),
        (f"{LISTED}[[a]]", "a list or mapping where a word is expected"),
        (f"{LISTED}[]", "names no data file"),
        (f"{LISTED}3", "a word or mapping where a list"),
        (f"{LISTED}['..', '']", "not in the folder"),
        (f"{ALIASES}{LISTED}[*i]", "not readable YAML"),
        (f"{LISTED}[bag.db3]\n  compression_mode: {{a: b}}", ""),
        (
            f"{LISTED.replace('[]', '[{message_count: 9e9, topic_metadata: {}}]')}[bag.db3]",
            "missing or invalid",
        ),
        (
            f"{LISTED.replace('[]', '[{message_count: -1, topic_metadata: {}}]')}[bag.db3]",
            "a message count of -1",
        ),
    ],
)
def test_odd_metadata(tmp_path: Path, content: str, words: str) -> None:
    good_database(tmp_path / "bag")
    (tmp_path / "bag" / "metadata.yaml").write_text(content)
    with little_memory(50 * MIB):
        if words:
            assert words in refused(tmp_path / "bag")
        else:
            assert len(read_all(tmp_path / "bag")[0]) == 6


def test_metadata_of_many_megabytes(tmp_path: Path) -> None:
    good_database(tmp_path / "bag")
    (tmp_path / "bag" / "metadata.yaml").write_bytes(b"#" * (5 * MIB))
    assert "more than 4 MiB" in refused(tmp_path / "bag")


@cache
def small_bags() -> tuple[dict[str, bytes], ...]:
    """Files by name of small recordings in both storages, packed, and without optional parts."""
    bags = []
    with tempfile.TemporaryDirectory() as place:
        database = good_database(Path(place) / "bag")
        files = {path.name: path.read_bytes() for path in database.parent.iterdir()}
        bags += [files, {"bag.db3.zstd": compress(files["bag.db3"])}]
        for number, layout in enumerate(
            (Layout(), Layout("", False, False), Layout("", statistics=False))
        ):
            path = write_mcap(Path(place) / f"{number}.mcap", [GOOD, [(1, 0, b"zero")]], layout)
            bags.append({path.name: path.read_bytes()})
    inside = NAMES + b"".join(message(each) for each in GOOD)
    packed = HEAD + packed_chunk(inside, compress(inside)) + MCAP_MAGIC
    return (*bags, {"a.mcap": packed})


@st.composite
def changed(draw: st.DrawFn) -> dict[str, bytes]:
    """A small recording with a few bytes flipped, overwritten, removed, repeated or cut off."""
    files = dict(draw(st.sampled_from(small_bags())))
    name = draw(st.sampled_from(sorted(files)))
    data = bytearray(files[name])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["flip", "write", "cut", "drop", "repeat"]))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "write":
            value = draw(st.sampled_from([0, 1, 1 << 31, (1 << 31) - 1, 1 << 63, (1 << 64) - 1]))
            data[at : at + 8] = struct.pack("<Q", value)
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 200))]
        else:
            data[at:at] = data[at // 2 : at // 2 + 64]
    return {**files, name: bytes(data)}


@seed(20)
@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(files=changed(), whole_folder=st.booleans())
def test_any_change_is_read_or_refused(files: dict[str, bytes], whole_folder: bool) -> None:
    """Nothing is raised but our error, in one sentence; what is read is what was written."""
    sentence = ""
    with tempfile.TemporaryDirectory() as place, little_memory(64 * MIB):
        for name, data in files.items():
            Path(place, name).write_bytes(data)
        data_file = next(name for name in files if name != "metadata.yaml")
        try:
            with BagReader(Path(place) if whole_folder else Path(place, data_file)) as bag:
                read = list(bag.messages([topic.name for topic in bag.topics]))
                assert bag.loss is None or "\n" not in bag.loss
                assert bag.duration_s >= 0
                assert all(isinstance(each.data, bytes) for each in read)
        except SegRgbxError as err:
            sentence = str(err)
        assert "\n" not in sentence
        assert len(sentence) < 1000


def test_the_changes_start_from_good_bags() -> None:
    for files in small_bags():
        with tempfile.TemporaryDirectory() as place:
            for name, data in files.items():
                Path(place, name).write_bytes(data)
            with BagReader(Path(place)) as bag:
                assert len(list(bag.messages(TOPICS))) in (2, 3, 6)
                assert bag.loss is None
