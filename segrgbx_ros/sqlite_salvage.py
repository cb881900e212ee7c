# SPDX-License-Identifier: Apache-2.0
"""Reads a sqlite3 recording that breaks off, as far as SQLite lets it.

SQLite refuses a file that is shorter than its header says. With `writable_schema` on it opens it
all the same; the table is then read in the order of recording until a page is missing. SQLite
moves the start of a table as it grows, so a file cut in its first third may give nothing.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from segrgbx_ros.bag_metadata import BagMessage

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
QUERY = (
    "SELECT topics.name, topics.type, messages.timestamp, messages.data FROM messages "
    "CROSS JOIN topics ON topics.id = messages.topic_id ORDER BY messages.id"
)


def is_sqlite(path: Path) -> bool:
    """Whether the file begins as SQLite files do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def is_cut(path: Path) -> bool:
    """Whether an SQLite file is shorter than its header says."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        return True
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return path.stat().st_size < pages * (65536 if page == 1 else page)


class SqliteSalvage:
    """The messages of one sqlite3 recording, whole or cut, in the order of recording."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def messages(self) -> Iterator[BagMessage]:
        """All messages up to the first page that is missing."""
        uri = f"file:{quote(str(self._path.resolve()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            try:
                database.execute("PRAGMA writable_schema=ON")
                for topic, msgtype, log_time, data in database.execute(QUERY):
                    yield BagMessage(topic, msgtype, log_time, data)
            except sqlite3.DatabaseError:
                return
