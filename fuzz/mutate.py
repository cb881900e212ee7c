# SPDX-License-Identifier: Apache-2.0
"""Changes to valid input: bytes, parts of archives, and the trees of YAML and JSON files."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import yaml

Mutator = Callable[[Random, Sequence[bytes]], bytes]

NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 1023, 32767, 32768, 65535, 65536, 100_000)
NUMBERS += tuple(2**k + d for k in (24, 26, 30, 31, 32, 48, 61, 62, 63, 64) for d in (-1, 0))
_SIZES = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
_FLOATS = (float("nan"), float("inf"), -float("inf"), -0.0, 1e308, 1e-320, -1.0)
_TEXTS = (
    "", "~", "\0", "\x1b[31m", "[/red]", "../../etc/passwd", "é" * 40, "x" * 5000, "nan", "1e5",
    "2024-01-01", "yes", "{}", "%s%n", "\u202e", "none", "-1",
)  # fmt: skip
VALUES: tuple[Any, ...] = (None, True, False, *NUMBERS, *_FLOATS, *_TEXTS)
VALUES += ([], {}, [[]], {"": ""}, [None], -1, -(2**63), 10**40, 2**20000, 0.5, "thermal")
TOKENS = (
    "&a ", "*a", "<<: ", "!!binary ", "!!timestamp ", "!!int ", "!!float ", "!!set ", "!!omap ",
    "!!python/object:os.system ", "!x ", "? ", "- ", ": ", "{", "}", "[", "]", "|\n", ">\n",
    "---\n", "%YAML 1.1\n", "2024-13-45", "1:2:3", "0x1f", "0b1", ".inf", "-.inf", ".nan", "~",
    "null",     "#", "\t", "\ufeff", "\x85", "'", '"', "\\x", "[" * 70, "{a: " * 70, "- " * 70,
)  # fmt: skip


def bytes_changed(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """One to four changes anywhere: bits, numbers, cuts, repeats, parts of another seed."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(_CHANGES)(rng, data, seeds)
    return bytes(data)


def _flip(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _number(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    size, code = rng.choice(_SIZES)
    at = rng.randrange(len(data) + 1)
    at -= at % size if rng.random() < 0.7 else 0
    number = rng.choice(NUMBERS) if rng.random() < 0.8 else rng.getrandbits(64)
    code = f"{rng.choice('<>')}{code}"
    if at + size <= len(data):
        struct.pack_into(code, data, at, number % (1 << 8 * size))


def _float(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    size, code = rng.choice(((4, "f"), (8, "d")))
    at = rng.randrange(len(data) + 1) // 4 * 4
    if at + size <= len(data):
        value = rng.choice((*_FLOATS[:4], 1e30, -1.0, 1e-30))
        struct.pack_into(f"<{code}", data, at, value)


def _cut(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _drop(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 4, 8, 64))]


def _repeat(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = bytes(data[at : at + rng.choice((1, 4, 16, 200))]) * rng.choice((1, 2, 30))


def _noise(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.choice((0, 4, 16))] = rng.randbytes(rng.choice((1, 4, 16)))


def _fill(rng: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((4, 16, 256)))
    data[at:end] = bytes([rng.choice((0, 255))]) * (end - at)


def _splice(rng: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]


_CHANGES = (
    *(_flip, _flip, _number, _number, _number, _float, _cut, _drop, _repeat, _noise, _fill),
    _splice,
)


def image_changed(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Like `bytes_changed`; half of the PNGs get their checksums right again, as attackers do."""
    data = bytes_changed(rng, seeds)
    return _with_checksums(data) if data.startswith(b"\x89PNG") and rng.random() < 0.5 else data


def _with_checksums(png: bytes) -> bytes:
    data, at = bytearray(png), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(data)


def archive_changed(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Half of the time a change within one file of a ZIP archive, whose checksum is then right."""
    if rng.random() < 0.5:
        return bytes_changed(rng, seeds)
    with zipfile.ZipFile(io.BytesIO(rng.choice(seeds))) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    chosen = rng.randrange(len(parts))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i, (name, content) in enumerate(parts):
            kept = bytes_changed(rng, [content]) if i == chosen else content
            archive.writestr(zipfile.ZipInfo(name), kept)
    return file.getvalue()


def yaml_changed(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """A value, a key or a token changed, or some bytes."""
    way = rng.random()
    if way < 0.15:
        return bytes_changed(rng, seeds)
    text = rng.choice(seeds).decode()
    if way < 0.4:
        at = rng.randrange(len(text) + 1)
        return (text[:at] + rng.choice(TOKENS) + text[at + rng.choice((0, 1, 5)) :]).encode()
    tree = tree_changed(rng, yaml.safe_load(text))
    try:
        dumped = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    except ValueError:  # thousands of digits cannot be written out
        return bytes_changed(rng, seeds)
    return str(dumped).encode("utf-8", "replace")


def json_changed(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """A value or a key changed, or some bytes."""
    if rng.random() < 0.2:
        return bytes_changed(rng, seeds)
    tree = tree_changed(rng, json.loads(rng.choice(seeds)))
    try:
        return json.dumps(tree).encode()
    except ValueError:  # thousands of digits cannot be written out
        return bytes_changed(rng, seeds)


def tree_changed(rng: Random, tree: Any) -> Any:
    """The tree with one to three of its places changed."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        tree = _changed_below(rng, tree)
    return tree


def _changed_below(rng: Random, tree: Any) -> Any:
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        key = rng.choice(list(tree))
        way = rng.random()
        if way < 0.06:
            return {k: v for k, v in tree.items() if k != key}
        if way < 0.12:
            return {**tree, rng.choice(("", "further", 3, None, True)): tree[key]}
        return {**tree, key: _changed_below(rng, tree[key])}
    if isinstance(tree, list) and tree and rng.random() < 0.7:
        at = rng.randrange(len(tree))
        way = rng.random()
        if way < 0.2:
            return [*tree[:at], *tree[at + 1 :]]
        if way < 0.4:
            return [*tree, *tree[at : at + 1]] * rng.choice((1, 2))
        return [*tree[:at], _changed_below(rng, tree[at]), *tree[at + 1 :]]
    return _other_value(rng, tree)


def _other_value(rng: Random, value: Any) -> Any:
    way = rng.random()
    if way < 0.15:
        return [value]
    if way < 0.25 and isinstance(value, int | float) and abs(value) < 1e300:
        return rng.choice((-value, value + 1, value * 1e6, float(value), str(value)))
    if way < 0.3:
        return {"name": value}
    return rng.choice(VALUES)
