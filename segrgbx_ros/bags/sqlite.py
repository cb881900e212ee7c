# SPDX-License-Identifier: Apache-2.0
"""Reads sqlite3 recordings: complete, cut, damaged, or with the journal of a killed recorder.

SQLite refuses a file that is shorter than its header states, unless `writable_schema` is on. The
table is then read row by row; where a page is missing, reading goes on at the next row that is
there. SQLite moves the start of a table as it grows, so a file cut in its first third may yield
nothing.

Nothing is written: neither into the recording's folder, nor into its journal.
"""

import shutil
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import apsw
import numpy as np

from segrgbx_core.errors import BagError
from segrgbx_core.files.disk import starts_with
from segrgbx_ros.bags.metadata import BagMessage, BagTopic
from segrgbx_ros.bags.order import Damage
from segrgbx_ros.bags.unpack import DISK_LEFT, LARGE

SQLITE_MAGIC = b"SQLite format 3\x00"
JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
HEADER_BYTES = 100
TABLES = "SELECT count(*) FROM sqlite_master WHERE type='table' AND name IN ('messages','topics')"
TOPICS = (
    "SELECT id, CAST(name AS BLOB), CAST(type AS BLOB), CAST(serialization_format AS BLOB) "
    "FROM topics WHERE typeof(id) = 'integer'"
)
HEADS = (
    "SELECT rowid, topic_id, timestamp, typeof(topic_id) = 'integer' AND "
    "typeof(timestamp) = 'integer' AND typeof(data) = 'blob' FROM messages WHERE rowid "
)
MOST_ROWS_LOST = 10_000
"""As many rows are tried behind the last one that could be read."""
DATA = "SELECT data FROM messages WHERE rowid = ?"


def is_sqlite(path: Path) -> bool:
    """Whether the file starts with the magic bytes of SQLite."""
    return starts_with(path, SQLITE_MAGIC)


def write_ahead_log(path: Path) -> bool:
    """Whether a killed recorder left messages in a write-ahead log beside the database."""
    log = path.with_name(f"{path.name}-wal")
    return log.is_file() and log.stat().st_size > 0


def _is_cut(path: Path) -> bool:
    """Whether the file is shorter than its header states."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return True
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return path.stat().st_size < pages * (65536 if page == 1 else page)


class SqliteFile:
    """One sqlite3 file; path: as named in errors. It is open until the stack closes.

    Raises BagError for a database of something else.
    topics, first_ns, last_ns, cut: as of an McapFile.
    """

    def __init__(self, place: Path, path: Path, stack: ExitStack) -> None:
        logged = write_ahead_log(place)
        self.cut = not logged and _is_cut(place)
        self._database = _opened(place, logged, stack)
        self._faults = Damage()
        self._ids, self._topic_ids, self._times = array("q"), array("q"), array("q")
        self._names: dict[int, tuple[str, str]] = {}
        self._read_all(path)
        counts = Counter(self._topic_ids)
        orphans = sum(n for number, n in counts.items() if number not in self._names)
        if orphans:
            self._faults.add("messages are of no topic that is listed", orphans)
        self.topics = tuple(
            BagTopic(topic, msgtype, counts[number])
            for number, (topic, msgtype) in sorted(self._names.items())
        )
        times = [t for t, n in zip(self._times, self._topic_ids, strict=True) if n in self._names]
        self.first_ns = min(times, default=None)
        self.last_ns = max(times, default=None)

    def messages(
        self, topics: Collection[str], damage: Damage, between: tuple[int, int] | None = None
    ) -> Iterator[BagMessage]:
        """See DataFile."""
        if self._faults.places:
            damage.add(self._faults.first, self._faults.places)
        wanted = [number for number, (topic, _) in self._names.items() if topic in topics]
        numbers = np.array(self._topic_ids, np.int64)
        chosen = np.flatnonzero(np.isin(numbers, wanted))
        times = np.array(self._times, np.int64)[chosen]
        if between is not None:
            inside = (times >= between[0]) & (times < between[1])
            chosen, times = chosen[inside], times[inside]
        for i in chosen[np.argsort(times, kind="stable")].tolist():
            data = self._data(self._ids[i], damage)
            if data is not None:
                topic, msgtype = self._names[self._topic_ids[i]]
                yield BagMessage(topic, msgtype, self._times[i], data)

    def _data(self, row: int, damage: Damage) -> bytes | None:
        try:
            for (data,) in self._database.execute(DATA, (row,)):
                return bytes(data)
        except (apsw.Error, MemoryError) as err:
            if not self.cut:
                damage.add(f"message {row}: {err}")
        return None

    def _read_all(self, path: Path) -> None:
        """Reads the topics, and where each message is."""
        try:
            if next(iter(self._database.execute(TABLES)), (0,))[0] != 2:
                raise BagError(
                    f"{path} is a database of something else: it lacks the tables of a "
                    "recording, messages and topics."
                )
            for number, *names in self._database.execute(TOPICS):
                self._names[number] = _named(*(bytes(name or b"") for name in names))
        except apsw.Error as err:
            if self.cut:
                return
            raise BagError(
                f"{path} cannot be read as a recording ({err}); try SQLite's '.recover', or copy "
                "or record it again."
            ) from err
        after: int | None = 0
        while after is not None:
            after = self._read_heads(after)

    def _read_heads(self, after: int) -> int | None:
        """Reads heads from behind that row to the first damage; the next row, None if done."""
        try:
            for head in self._database.execute(f"{HEADS} > ?", (after,)):
                if head[0] <= after:
                    raise apsw.CorruptError(f"row {head[0]} stands behind row {after}")
                self._note(*head)
                after = head[0]
        except (apsw.Error, MemoryError) as err:
            if not self.cut:
                self._faults.add(f"behind message {after}: {err}")
            return self._next_there(after)
        return None

    def _note(self, row: Any, topic: Any, log_ns: Any, good: Any) -> None:
        """Takes one head; a table may hold values of any type."""
        if good:
            self._ids.append(row)
            self._topic_ids.append(topic)
            self._times.append(log_ns)
        else:
            self._faults.add(f"message {row} is no row of numbers and bytes")

    def _next_there(self, row: int) -> int | None:
        """Takes the next row that can be found by its number; None if there is none."""
        for number in range(row + 1, row + MOST_ROWS_LOST):
            try:
                for head in self._database.execute(f"{HEADS} = ?", (number,)).fetchall():
                    self._note(*head)
                    return number
            except (apsw.Error, MemoryError):
                continue
        return None


def _named(topic: bytes, msgtype: bytes, serialization: bytes) -> tuple[str, str]:
    """Name and type; with the serialization in brackets where it is not CDR."""
    name, kind, how = (part.decode("utf-8", "replace") for part in (topic, msgtype, serialization))
    return name, kind if how in ("cdr", "") else f"{kind} ({how})"


def _opened(path: Path, logged: bool, stack: ExitStack) -> apsw.Connection:
    """A connection that only reads. The log is read without locks, and left as it is."""
    place = _rolled_back(path, stack)
    how = "mode=ro" if logged else "mode=ro&immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    uri = f"file:{quote(str(place.resolve()))}?{how}"
    try:
        database = apsw.Connection(uri, flags=flags, vfs="unix-none" if logged else None)
        stack.callback(database.close)
        database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        database.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        database.limit(apsw.SQLITE_LIMIT_LENGTH, LARGE)
        database.pragma("locking_mode", "EXCLUSIVE")
        database.execute("PRAGMA writable_schema=ON")
    except apsw.Error as err:
        raise BagError(f"{path} cannot be opened ({err}); copy or record it again.") from err
    return database


def _rolled_back(path: Path, stack: ExitStack) -> Path:
    """The database without the transaction that a killed recorder left half written.

    That is a copy in a temporary folder, since a journal is played back into its database.
    """
    journal = path.with_name(f"{path.name}-journal")
    if not journal.is_file() or not starts_with(journal, JOURNAL_MAGIC):
        return path
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="segrgbx-")))
    size = path.stat().st_size + journal.stat().st_size
    if shutil.disk_usage(folder).free < size + DISK_LEFT:
        raise BagError(
            f"{path} has a journal of an unfinished write, which is taken back in a copy, but "
            f"{folder.parent} lacks the {size >> 20} MiB for it; name a larger place in TMPDIR."
        )
    copy = folder / "copy.db3"
    shutil.copyfile(path, copy)
    shutil.copyfile(journal, copy.with_name("copy.db3-journal"))
    database = apsw.Connection(str(copy))
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchall()
    finally:
        database.close()
    return copy
