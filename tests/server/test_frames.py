# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Frames and typed messages: what goes in comes out, and nothing but ProtocolError escapes from bytes of strangers."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.errors import ProtocolError, error_from_dict
from limbeck_protocol.frames import PREFIX, Header, decode_packet, encode_packet, request_id_of
from limbeck_protocol.ids import is_ulid, new_ulid
from limbeck_protocol.strict_json import dump_json, is_deeper_than, load_json_object
from limbeck_server.worker_messages import FROM_WORKER, NAMES, TO_WORKER
from server.strategies import buffers, headers, objects, of_type

MESSAGES = CLIENT_MESSAGES | SERVER_MESSAGES


@given(headers, buffers)
def test_decode_inverts_encode(header: Header, arrays: dict) -> None:
    packet = decode_packet(encode_packet(header, arrays))
    assert replace(packet.header, bufs=()) == header
    assert list(packet.arrays) == list(arrays)
    for name, array in arrays.items():
        assert packet.arrays[name].dtype == array.dtype
        assert packet.arrays[name].shape == array.shape
        assert packet.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
def test_reading_inverts_writing_for_every_message(name: str, data: st.DataObject) -> None:
    message = data.draw(of_type(MESSAGES[name]))
    packet = decode_packet(write_message(message, Header("", id="a")))
    assert packet.header.t == name
    assert read_message(packet, MESSAGES) == message


@pytest.mark.parametrize("name", FROM_WORKER | TO_WORKER)
@given(data=st.data())
def test_reading_inverts_writing_for_workers(name: str, data: st.DataObject) -> None:
    table = FROM_WORKER | TO_WORKER
    message = data.draw(of_type(table[name]))
    assert read_message(decode_packet(write_message(message, names=NAMES)), table) == message


frame_lists = st.lists(st.binary(max_size=200), max_size=6)
json_headers = objects.map(dump_json) | st.fixed_dictionaries(
    {"t": st.sampled_from(list(MESSAGES)), "body": objects}
).map(dump_json)


def read_anything(frames: list[bytes]) -> None:
    """Decode as far as it goes."""
    request_id_of(frames)
    read_message(decode_packet(frames), MESSAGES)


@given(frame_lists | st.tuples(st.just(PREFIX), st.binary() | json_headers, st.binary()).map(list))
def test_arbitrary_bytes_raise_only_protocol_errors(frames: list[bytes]) -> None:
    with suppress(ProtocolError):
        read_anything(frames)


@given(headers, buffers, st.data())
def test_a_damaged_message_raises_only_protocol_errors(header: Header, arrays: dict, data: st.DataObject) -> None:
    frames = [bytearray(frame) for frame in encode_packet(header, arrays)]
    frame = data.draw(st.sampled_from(frames))
    if frame:
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        frames.pop(data.draw(st.integers(0, len(frames) - 1)))
    with suppress(ProtocolError):
        read_anything([bytes(frame) for frame in frames])


@pytest.mark.parametrize(
    "array", [np.zeros(3, ">f4"), np.zeros(3, "<f8"), np.zeros(3, object), np.zeros(2**20 + 1, np.uint8)]
)
def test_buffers_outside_the_list_are_not_sent(array: np.ndarray) -> None:
    with pytest.raises(ProtocolError):
        encode_packet(Header("ping"), {"x": array})


def test_a_header_beyond_the_limit_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="E_HEADER_TOO_LARGE"):
        encode_packet(Header("ping", body={"x": "a" * 70_000}))


@pytest.mark.parametrize(
    "encoded", [b"NaN", b"[Infinity]", b'{"a":1e999}', b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_json_that_is_not_finite_or_bounded_is_refused(encoded: bytes) -> None:
    with pytest.raises(ProtocolError, match="E_DECODE"):
        load_json_object(encoded, 2**20, 16)


@pytest.mark.parametrize(("value", "depth"), [(1, 0), ({}, 0), ([1], 1), ({"a": [1]}, 2), ([[[]]], 2)])
def test_depth_counts_levels(value: object, depth: int) -> None:
    assert not is_deeper_than(value, depth)
    assert depth == 0 or is_deeper_than(value, depth - 1)


def test_ulids_are_well_formed_and_sort_by_time() -> None:
    ids = [new_ulid() for _ in range(100)]
    assert all(map(is_ulid, ids))
    assert len(set(ids)) == 100
    assert [i[:10] for i in ids] == sorted(i[:10] for i in ids)
    assert not any(map(is_ulid, ["", ids[0] + "\n", ids[0].lower(), "../" + ids[0][3:], ids[0][:-1]]))


def test_every_message_type_is_one_class() -> None:
    assert {*CLIENT_MESSAGES} & {*SERVER_MESSAGES} == {"bye"}


@given(objects)
def test_an_error_from_a_stranger_is_read_whatever_it_holds(body: dict) -> None:
    error = error_from_dict(body | {"code": 7})
    assert (error.code, type(error.message)) == ("E_UNKNOWN", str)


def test_reading_an_error_inverts_writing_it() -> None:
    error = ProtocolError("E_X", "m", "r", field="f", retryable=True, retry_after_ms=250, trace_id="t")
    assert vars(error_from_dict(error.to_dict())) == vars(error)


@pytest.mark.parametrize("delay", [True, -1, 1.5, "1", None])
def test_a_delay_that_is_none_is_left_out(delay: object) -> None:
    assert error_from_dict({"retry_after_ms": delay}).retry_after_ms is None


@pytest.mark.parametrize("header", [b'{"t":"\\ud800","id":"q"}', b'{"t":"hello","id":"\\udfff","body":{}}'])
def test_an_unpaired_surrogate_is_refused_before_anyone_quotes_it(header: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        load_json_object(header, 1000, 8)
    assert refused.value.code == "E_DECODE"


def test_a_paired_surrogate_is_a_character() -> None:
    assert load_json_object(b'{"t":"\\ud83d\\udc27"}', 1000, 8) == {"t": "\U0001f427"}
