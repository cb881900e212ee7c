# SPDX-License-Identifier: Apache-2.0
"""Decompression within bounds, as far as the data is whole.

A few bytes can state, or unpack to, any size; the bound follows from the bytes there are.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped,unused-ignore]

from segrgbx_core.errors import BagError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor
else:
    from backports.zstd import ZstdDecompressor

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PIECE, STEP = 1 << 16, 1 << 20
SMALL, LARGE = 1 << 25, 1 << 28
GROWTH = 1000
DISK_LEFT = 1 << 28


class _Decompressor(Protocol):
    """What zstd's and lz4's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


_MAGIC = {"zstd": ZSTD_MAGIC, "lz4": b"\x04\x22\x4d\x18"}


@dataclass(frozen=True)
class Unpacked:
    """data: as far as it could be unpacked. fault: why not all of it, None if complete."""

    data: bytes | bytearray
    fault: str | None


def most_unpacked(packed: int) -> int:
    """The largest size that so many compressed bytes may unpack to in memory, 32 to 256 MiB.

    Between the two, 1000 times their size; real images stay below 100 times.
    """
    return max(SMALL, min(LARGE, GROWTH * packed))


def unpacked(packed: bytes, compression: str) -> Unpacked:
    """The content of a compressed block, up to its first fault or its bound.

    compression: "zstd", "lz4", or "" for none. What stands behind the end of a block is padding.
    """
    if compression == "":
        return Unpacked(packed, None)
    if compression not in _MAGIC:
        return Unpacked(b"", f"its compression '{compression[:40]}' is unknown")
    most, data = most_unpacked(len(packed)), bytearray()
    pieces = (packed[at : at + PIECE] for at in range(0, len(packed), PIECE))
    try:
        for part in _stream(pieces, compression):
            data += part
            if len(data) > most:
                return Unpacked(b"", f"{len(packed)} bytes unpack to more than {most >> 20} MiB")
    except Exception as err:  # noqa: BLE001
        return Unpacked(data, f"its {compression} data is damaged: {err}")
    return Unpacked(data, None)


def unpack_file(packed: Path, to: Path) -> str | None:
    """Writes the content of a .zstd file to `to`, as far as it is whole; the fault if it is not.

    Raises BagError where the disk lacks room, or the file unpacks to more than 1000 times its
    size.
    """
    size = packed.stat().st_size
    most = max(LARGE, GROWTH * size)
    try:
        with packed.open("rb") as source, to.open("wb") as sink:
            for part in _stream(_pieces(source), "zstd"):
                sink.write(part)
                if sink.tell() > most or shutil.disk_usage(to.parent).free < DISK_LEFT:
                    raise BagError(
                        f"{packed} ({size} bytes) unpacks to {sink.tell() >> 20} MiB or more, "
                        f"too much for {to.parent}; unpack it with 'zstd -d' where there is room, "
                        "and give that file."
                    )
    except OSError as err:
        raise BagError(f"{packed} cannot be unpacked to {to.parent}: {err.strerror}.") from err
    except BagError:
        raise
    except Exception as err:  # noqa: BLE001
        return str(err)
    return None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _new(compression: str) -> _Decompressor:
    made: _Decompressor = ZstdDecompressor() if compression == "zstd" else LZ4FrameDecompressor()
    return made


def _stream(pieces: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """Unpacks frame after frame in parts of at most 1 MiB; ends at padding behind a frame.

    Raises EOFError if the last frame is not whole, and the library's error for damaged data.
    """
    block: _Decompressor | None = None
    rest, frames = b"", 0
    for piece in pieces:
        rest += piece
        while rest:
            if block is None:
                if frames and rest[:4] != _MAGIC[compression][: len(rest)]:
                    return
                block = _new(compression)
            yield block.decompress(rest, max_length=STEP)
            while not block.eof and not block.needs_input:
                yield block.decompress(b"", max_length=STEP)
            rest = b""
            if block.eof:
                rest, block, frames = block.unused_data or b"", None, frames + 1
    if block is not None:
        raise EOFError("it breaks off")
