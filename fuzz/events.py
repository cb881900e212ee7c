# SPDX-License-Identifier: Apache-2.0
"""Surfaces of event messages: decoders of every encoding, and the windows they go to."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from fuzz.messages import check_planes
from fuzz.surface import Surface, need
from segrgbx_core.encoding import encode
from segrgbx_core.errors import SegRgbxError
from segrgbx_core.readings import Events
from segrgbx_ros.events.packets import EventDecoder
from segrgbx_ros.messages.types import (
    DVS_EVENTS,
    EVENT_PACKET,
    header,
    message,
    typestore,
)
from segrgbx_ros.pairing.windows import EventWindows, EventWindowSettings

_STAMP = 1_700_000_000_000_000_000
_MS = 1_000_000
ENCODINGS = ("evt3", "mono", "trigger", "libcaer", "libcaer_cmp")
_RNG = np.random.default_rng(5)


def _payload(encoding: str) -> bytes:
    if encoding == "evt3":
        words = [0x8000, 0x6010, 0x0003, 0x2005, 0x2806, 0x3002, 0x4FFF, 0x50AA, 0xA101, 0x6020]
        return np.array([*words, 0x2001], "<u2").tobytes()
    if encoding == "libcaer_cmp":
        words = [0x0000, 0x1010, 0x2003, 0x3005, 0x3806, 0x4002, 0x6FFF, 0x50AA, 0x1020, 0x3001]
        return np.array(words, "<u2").tobytes()
    events = np.zeros((6, 2), "<u4")
    events[:, 0] = np.arange(6) * 1000
    events[:, 1] = 3 << 16 | 5
    if encoding == "libcaer":
        events = np.stack([np.arange(6) << 17 | 3 << 2 | 3, np.arange(6) * 10], 1).astype("<u4")
    return events.tobytes()


def _packets(encoding: str) -> Sequence[bytes]:
    made = []
    for seq in range(2):
        msg = message(
            EVENT_PACKET, header=header(_STAMP + seq * _MS, "events"), height=16, width=16,
            seq=seq, time_base=_STAMP, encoding=encoding, is_bigendian=False,
            events=np.frombuffer(_payload(encoding), np.uint8),
        )  # fmt: skip
        made.append(bytes(typestore().serialize_cdr(msg, EVENT_PACKET)))
    return made


def _arrays() -> Sequence[bytes]:
    events = [
        message(
            "dvs_msgs/msg/Event", x=i, y=i, polarity=bool(i % 2),
            ts=message("builtin_interfaces/msg/Time", sec=1_700_000_000, nanosec=i * 1000),
        )
        for i in range(8)
    ]  # fmt: skip
    msg = message(DVS_EVENTS, header=header(_STAMP, "dvs"), height=16, width=16, events=events)
    return [bytes(typestore().serialize_cdr(msg, DVS_EVENTS))]


def _read(msgtype: str, whole: Sequence[bytes], data: bytes) -> None:
    """The damaged message between whole ones, which must not suffer."""
    decoder = EventDecoder("/events", msgtype)
    got = decoder.decode_all([whole[0], data, whole[0]])
    need(len(got) == 3, "as many results as messages")
    need(not isinstance(got[0], SegRgbxError), "the message before is lost")
    need(not isinstance(got[2], SegRgbxError), "the message behind is lost")
    windows: EventWindows[int] = EventWindows(EventWindowSettings(max_events=100_000))
    pairs = []
    for i, chunk in enumerate(got):
        if isinstance(chunk, SegRgbxError):
            continue
        need(len({len(chunk.x), len(chunk.y), len(chunk.t_ns), len(chunk.polarity)}) == 1, "sizes")
        if len(chunk):
            need(chunk.x.max() < chunk.width and chunk.y.max() < chunk.height, "outside")
        pairs += windows.add_rgb(_STAMP + i * _MS, i)
        pairs += windows.add_packet(chunk)
    for pair in [*pairs, *windows.flush()]:
        if isinstance(pair.x, Events) and pair.x.width * pair.x.height <= 1 << 12:
            check_planes(encode("event", pair.x))
    for chunk in got[1:2]:
        if isinstance(chunk, SegRgbxError):
            raise chunk


def surfaces() -> Sequence[Surface]:
    """One for each encoding, and one for arrays of events."""
    packets = tuple(
        Surface(
            f"events-{encoding.replace('_', '-')}",
            partial(_packets, encoding),
            partial(_read, EVENT_PACKET, _packets(encoding)),
        )
        for encoding in ENCODINGS
    )
    return (*packets, Surface("events-array", _arrays, partial(_read, DVS_EVENTS, _arrays())))
