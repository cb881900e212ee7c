# SPDX-License-Identifier: Apache-2.0
"""Event messages of every type and encoding to arrays, as objects and as serialised bytes."""

import array
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import Reader

from segrgbx_core.errors import BagError
from segrgbx_ros.events.packets import EventChunk, EventDecoder
from segrgbx_ros.inspection.topic import EventTotals
from segrgbx_ros.messages.types import (
    DVS_EVENTS,
    EVENT_PACKET,
    EVENT_TYPES,
    OLD_EVENT_PACKET,
    PROPHESEE_EVENTS,
    deserialized,
    header,
    message,
    typestore,
)

Row = tuple[int, int, bool, int]
STAMP = 1_700_000_000_123_456_789


def packet(events: bytes, encoding: str = "mono", **changes: Any) -> Any:
    """An EventPacket of rosbags."""
    fields: dict[str, Any] = {
        "header": header(STAMP, "event_camera"),
        "height": 480,
        "width": 640,
        "seq": 1,
        "time_base": 0,
        "encoding": encoding,
        "is_bigendian": False,
        "events": np.frombuffer(events, np.uint8),
    }
    return message(changes.pop("msgtype", EVENT_PACKET), **{**fields, **changes})


def event_array(rows: list[Row], msgtype: str, little: bool = True, frame: str = "dvs") -> bytes:
    """A serialised EventArray."""
    event = msgtype.replace("EventArray", "Event")
    events = [
        message(
            event,
            x=x,
            y=y,
            ts=message("builtin_interfaces/msg/Time", sec=t // 10**9, nanosec=t % 10**9),
            polarity=on,
        )
        for x, y, on, t in rows
    ]
    msg = message(msgtype, header=header(STAMP, frame), height=480, width=640, events=events)
    return bytes(typestore().serialize_cdr(msg, msgtype, little_endian=little))


def mono(rows: list[Row], order: str = "<") -> bytes:
    words = [on << 63 | y << 48 | x << 32 | t for x, y, on, t in rows]
    return np.array(words, f"{order}u8").tobytes()


def rows_of(chunk: EventChunk) -> list[Row]:
    return list(
        zip(
            chunk.x.tolist(),
            chunk.y.tolist(),
            chunk.polarity.tolist(),
            chunk.t_ns.tolist(),
            strict=True,
        )
    )


ROWS: list[Row] = [(639, 479, True, 4_294_967_295), (0, 1, False, 0), (2, 0, True, 5)]


def test_mono_by_hand() -> None:
    # Polarity 1, y 0x0102, x 0x0203, dt 0x04050607, little-endian.
    events = bytes([0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x02, 0x81])
    chunk = EventDecoder("/e").decode(packet(events, time_base=10, height=4096))
    assert rows_of(chunk) == [(0x0203, 0x0102, True, 0x04050607 + 10)]
    assert (chunk.stamp_ns, chunk.width, chunk.height, chunk.seq) == (STAMP, 640, 4096, 1)
    assert (chunk.first_ns, chunk.last_ns) == (0x04050607 + 10, 0x04050607 + 10)


@pytest.mark.parametrize("order", ["<", ">"])
def test_mono_in_either_byte_order(order: str) -> None:
    msg = packet(mono(ROWS, order), is_bigendian=order == ">")
    assert rows_of(EventDecoder("/e").decode(msg)) == ROWS


@pytest.mark.parametrize("msgtype", [EVENT_PACKET, OLD_EVENT_PACKET])
@pytest.mark.parametrize("little", [True, False])
def test_packet_as_object_and_as_bytes(msgtype: str, little: bool) -> None:
    msg = packet(mono(ROWS), msgtype=msgtype, seq=2**40, time_base=2**60)
    data = bytes(typestore().serialize_cdr(msg, msgtype, little_endian=little))
    from_object = EventDecoder("/e", msgtype).decode(msg)
    from_bytes = EventDecoder("/e", msgtype).decode(data)
    assert rows_of(from_bytes) == rows_of(from_object)
    assert (from_bytes.stamp_ns, from_bytes.seq) == (STAMP, 2**40)


def test_packet_with_the_array_that_rclpy_uses() -> None:
    fields = packet(mono(ROWS))
    msg = SimpleNamespace(
        **{
            name: getattr(fields, name)
            for name in ("header", "height", "width", "seq", "time_base", "encoding")
        },
        is_bigendian=False,
        events=array.array("B", mono(ROWS)),
    )
    assert rows_of(EventDecoder("/e").decode(msg)) == ROWS


def test_libcaer_by_hand() -> None:
    # Bit 0 valid, 1 polarity, 2 to 16 y, 17 to 31 x; then microseconds.
    events = np.array([[300 << 17 | 200 << 2 | 3, 7], [1 << 17 | 2 << 2 | 1, 9]], "<u4")
    chunk = EventDecoder("/e").decode(packet(events.tobytes(), "libcaer", time_base=1000))
    assert rows_of(chunk) == [(300, 200, True, 8000), (1, 2, False, 10000)]


def test_libcaer_wraps_within_a_packet() -> None:
    events = np.array([[1, 2**31 - 1], [1, 4], [1, 3], [1, 6]], "<u4")
    chunk = EventDecoder("/e").decode(packet(events.tobytes(), "libcaer"))
    us = [2**31 - 1, 2**31 + 4, 2**31 + 3, 2**31 + 6]
    assert chunk.t_ns.tolist() == [1000 * t for t in us]


def test_trigger_packets() -> None:
    edges = np.array([1 << 63 | 5, 8], "<u8").tobytes()
    chunk = EventDecoder("/e").decode(packet(edges, "trigger", time_base=10))
    assert len(chunk) == 0
    assert chunk.triggers.t_ns.tolist() == [15, 18]
    assert chunk.triggers.rising.tolist() == [True, False]


@pytest.mark.parametrize("msgtype", [DVS_EVENTS, PROPHESEE_EVENTS])
@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_event_array(msgtype: str, little: bool, count: int) -> None:
    rows = [(i, 2 * i + 1, i % 3 == 0, STAMP + 1001 * i) for i in range(count)]
    data = event_array(rows, msgtype, little)
    chunk = EventDecoder("/e", msgtype).decode(data)
    assert rows_of(chunk) == rows
    assert chunk.stamp_ns == STAMP
    padded = EventDecoder("/e", msgtype).decode(data + b"\0" * (-len(data) % 4))
    assert rows_of(padded) == rows


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 639),
            st.integers(0, 479),
            st.booleans(),
            st.integers(0, 2**31 * 10**9 - 1),
        ),
        max_size=20,
    ),
    frame=st.text("abc", max_size=9),
)
def test_event_array_wherever_its_bytes_begin(rows: list[Row], frame: str) -> None:
    """The length of the frame id shifts the bytes of the array."""
    data = event_array(rows, DVS_EVENTS, frame=frame)
    assert rows_of(EventDecoder("/e", DVS_EVENTS).decode(data)) == rows


def test_cut_event_array_keeps_the_whole_events() -> None:
    rows = [(i, i, True, STAMP + i) for i in range(5)]
    decoder = EventDecoder("/e", PROPHESEE_EVENTS)
    chunk = decoder.decode(event_array(rows, PROPHESEE_EVENTS)[:-1])
    assert rows_of(chunk) == rows[:4]
    assert chunk.truncated
    assert decoder.counts.truncated_packets == 1


def test_cut_packets_keep_the_rest_and_are_counted() -> None:
    decoder = EventDecoder("/e")
    chunk = decoder.decode(packet(mono(ROWS)[:-3]))
    assert rows_of(chunk) == ROWS[:2]
    assert chunk.truncated
    data = bytes(typestore().serialize_cdr(packet(mono(ROWS), seq=2), EVENT_PACKET))
    assert rows_of(decoder.decode(data[:-8])) == ROWS[:2]
    assert decoder.counts.truncated_packets == 2
    assert decoder.counts.events == 4


def test_lost_packets_are_told_by_their_numbers() -> None:
    decoder = EventDecoder("/e")
    chunks = [decoder.decode(packet(mono(ROWS), seq=seq)) for seq in (7, 8, 11, 12, 3)]
    assert [chunk.after_loss for chunk in chunks] == [False, False, True, False, True]
    assert decoder.counts.lost_packets == 2
    same = EventDecoder("/e")
    assert not any(same.decode(packet(mono(ROWS), seq=0)).after_loss for _ in range(3))


def test_evt3_waits_for_time_and_row_after_a_loss() -> None:
    decoder = EventDecoder("/e")
    first = np.array([0x8001, 0x6002, 0x0005, 0x2007], "<u2").tobytes()
    second = np.array([0x2008, 0x8001, 0x6003, 0x0006, 0x2009], "<u2").tobytes()
    decoder.decode(packet(first, "evt3", seq=1))
    chunk = decoder.decode(packet(second, "evt3", seq=3))
    assert rows_of(chunk) == [(9, 6, False, 4_099_000)]
    assert decoder.counts.unplaced_events == 1


def test_events_outside_the_sensor_are_counted_and_left_out() -> None:
    decoder = EventDecoder("/e")
    rows: list[Row] = [(640, 0, True, 1), (0, 480, True, 2), (5, 5, True, 3)]
    assert rows_of(decoder.decode(packet(mono(rows)))) == [(5, 5, True, 3)]
    assert decoder.counts.outside_events == 2


def test_unknown_encoding_is_refused_by_name() -> None:
    decoder = EventDecoder("/cam/events")
    with pytest.raises(BagError, match=r"/cam/events .*encoding 'evt21'.*evt3, mono"):
        decoder.decode(packet(b"", "evt21"))
    assert rows_of(decoder.decode(packet(mono(ROWS)))) == ROWS


def test_an_event_array_is_no_encoding_of_a_packet() -> None:
    for name in ("", "event_array", "None"):
        with pytest.raises(BagError, match=r"unknown; expected .*evt3, .*libcaer_cmp"):
            EventDecoder("/e").decode(packet(b"", name))


@pytest.mark.parametrize(("width", "words"), [(0, "0x480"), (4_000_000_000, "4000000000x480")])
def test_sensor_of_an_impossible_size_is_refused(width: int, words: str) -> None:
    with pytest.raises(BagError, match=f"sensor of {words}"):
        EventDecoder("/e").decode(packet(b"", width=width))


def test_event_array_as_an_object_is_refused() -> None:
    msg = deserialized(event_array([], DVS_EVENTS), DVS_EVENTS)
    with pytest.raises(BagError, match="raw=True"):
        EventDecoder("/e", DVS_EVENTS).decode(msg)


def test_event_array_of_another_layout_is_refused() -> None:
    rows = [(i, i, True, STAMP) for i in range(4)]
    data = event_array(rows, DVS_EVENTS) + bytes(16)
    with pytest.raises(BagError, match=r"77 bytes for 4 events.*has 61"):
        EventDecoder("/e", DVS_EVENTS).decode(data)


@pytest.mark.parametrize("msgtype", EVENT_TYPES)
def test_bytes_that_are_no_message_are_refused(msgtype: str) -> None:
    for data in (b"", b"\0\1\0\0", b"\0\1\0\0" + bytes(9), b"no cdr at all"):
        with pytest.raises(BagError, match=f"within its header or .*{msgtype}"):
            EventDecoder("/e", msgtype).decode(data)


EVT3_KINDS = [0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8, 0x8, 0xA, 0xB]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    faults=st.lists(st.sampled_from(["loss", "encoding", "endian", "bytes"]), max_size=3),
)
def test_many_packets_together_are_as_one_by_one(
    seed: int, cuts: list[int], faults: list[str]
) -> None:
    """Words of every kind in any order, cut anywhere, even within a word, with faults between."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(EVT3_KINDS, 200).astype(np.uint16)
    data = (kinds << 12 | rng.integers(0, 700, 200).astype(np.uint16)).astype("<u2").tobytes()
    edges = [0, *sorted(cuts), 400]
    messages = [packet(data[a:b], "evt3", seq=k) for k, (a, b) in enumerate(pairwise(edges))]
    for fault in faults:
        at = int(rng.integers(len(messages)))
        if fault == "loss":
            del messages[at : at + 1 if len(messages) > 1 else at]
        elif fault == "encoding":
            messages.insert(at, packet(b"12345678", "evt9"))
        elif fault == "endian":
            messages.insert(at, packet(b"\x80\x05", "evt3", is_bigendian=True))
        else:
            messages.insert(at, packet(mono(ROWS), "mono"))
    together, alone = EventDecoder("/e"), EventDecoder("/e")
    chunks = together.decode_all(messages)
    assert len(chunks) == len(messages)
    for got, message_ in zip(chunks, messages, strict=True):
        if isinstance(got, BagError):
            with pytest.raises(BagError, match="evt9"):
                alone.decode(message_)
            continue
        expected = alone.decode(message_)
        assert rows_of(got) == rows_of(expected)
        assert got.triggers.t_ns.tolist() == expected.triggers.t_ns.tolist()
        assert got.triggers.rising.tolist() == expected.triggers.rising.tolist()
        for name in ("first_ns", "last_ns", "after_loss", "truncated", "seq", "host_clock"):
            assert getattr(got, name) == getattr(expected, name)
    assert together.counts == alone.counts


def totals_of(folder: Path) -> tuple[EventTotals, EventDecoder]:
    """Totals of a whole recording, from its serialised messages."""
    totals = EventTotals()
    with Reader(folder) as bag:
        decoder = EventDecoder(bag.connections[0].topic, bag.connections[0].msgtype)
        for _, _, data in bag.messages():
            totals.add(decoder.decode(bytes(data)))
    return totals, decoder


@pytest.mark.shared_data
def test_real_evt3(shared_data: Path) -> None:
    totals, decoder = totals_of(shared_data / "events" / "evt3_640x480")
    assert (totals.on, totals.off) == (125_183, 218_291)
    assert totals.first_ns == 7_139_845_000
    assert totals.sum_t_ns + totals.sum_trigger_t_ns == 2_885_601_049_874_000
    # Of its 4,157 trigger words 2,079 have the edge bit set; one less would contradict the sum of
    # all times in the test of the reference decoder.
    assert (totals.rising, totals.falling) == (2_079, 2_078)
    assert (decoder.counts.packets, decoder.counts.events) == (517, 343_474)
    assert decoder.counts.unplaced_events == decoder.counts.unknown_words == 0
    assert decoder.counts.lost_packets == decoder.counts.truncated_packets == 0


@pytest.mark.shared_data
def test_real_mono_under_the_older_name(shared_data: Path) -> None:
    totals, decoder = totals_of(shared_data / "events" / "mono")
    assert decoder.msgtype == OLD_EVENT_PACKET
    assert (decoder.counts.packets, totals.sum_t_ns) == (2, 4_950_000)
    assert (totals.sum_x, totals.sum_y, totals.sum_polarity) == (34_450, 26_450, 50)


@pytest.mark.shared_data
def test_real_libcaer_with_a_rollover(shared_data: Path) -> None:
    totals, decoder = totals_of(shared_data / "events" / "libcaer_rollover")
    assert decoder.counts.packets == 201
    assert (totals.sum_x, totals.sum_y) == (111_651_612, 82_801_007)
    assert totals.sum_polarity == 181_908
    assert totals.sum_t_ns % 2**64 == 15_762_826_572_202_229_126


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["evt3_640x480", "mono", "libcaer_rollover"])
def test_real_messages_as_objects_equal_their_bytes(shared_data: Path, name: str) -> None:
    with Reader(shared_data / "events" / name) as bag:
        msgtype = bag.connections[0].msgtype
        raw = [bytes(data) for _, _, data in bag.messages()][:40]
    of_bytes, of_objects = EventDecoder("/e", msgtype), EventDecoder("/e", msgtype)
    for data in raw:
        msg: Any = deserialized(data, msgtype)
        assert rows_of(of_bytes.decode(data)) == rows_of(of_objects.decode(msg))
