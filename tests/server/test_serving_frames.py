# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a real server answers to frames that no client of ours would send."""

from contextlib import closing
from dataclasses import replace

import pytest
import zmq

from limbeck_protocol.client import (
    Client,
    Connected,
    Disconnected,
)
from limbeck_protocol.connection import Endpoint
from limbeck_protocol.envelope import SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.job_messages import JobEstimate
from limbeck_protocol.messages import BlobRead, Failure, Hello, JobCancel, Ping, Welcome
from server.harness import RunningServer, connected, first, pump_until, run_job, submit


def raw_socket(server: RunningServer, context: zmq.Context) -> zmq.Socket:
    """Return a plain socket that the server lets in."""
    return socket_to(server.place.endpoint, context)


def socket_to(endpoint: Endpoint, context: zmq.Context) -> zmq.Socket:
    """Return a plain socket with the keys of an endpoint."""
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    if endpoint.server_key:
        socket.curve_serverkey = endpoint.server_key.encode()
        socket.curve_publickey, socket.curve_secretkey = (
            (endpoint.client_public or "").encode(),
            (endpoint.client_secret or "").encode(),
        )
    socket.connect(endpoint.address)
    return socket


def ask(socket: zmq.Socket, frames: list[bytes]):
    """Send frames and return the typed answer."""
    socket.send_multipart(frames)
    assert socket.poll(5000), "no answer"
    return read_message(decode_packet(socket.recv_multipart()), SERVER_MESSAGES)


GARBAGE = {
    "another version": ([b"LMB\x02", b"{}"], "E_VERSION"),
    "another protocol": ([b"GET / HTTP/1.1\r\n"], "E_VERSION"),
    "nothing": ([b""], "E_VERSION"),
    "no header": ([b"LMB\x01"], "E_FRAMING"),
    "no JSON": ([b"LMB\x01", b"\xff\xfe"], "E_DECODE"),
    "NaN": ([b"LMB\x01", b'{"t":"ping","id":"a","ts":NaN}'], "E_DECODE"),
    "deep nesting": ([b"LMB\x01", b'{"t":' + b"[" * 50_000], "E_DECODE"),
    "a large header": ([b"LMB\x01", b'{"t":"' + b"a" * 70_000 + b'"}'], "E_HEADER_TOO_LARGE"),
    "wrong types": ([b"LMB\x01", b'{"t":7}'], "E_SCHEMA"),
    "no type": ([b"LMB\x01", b"{}"], "E_SCHEMA"),
    "an unknown type": ([b"LMB\x01", b'{"t":"job.fly","id":"a"}'], "E_UNKNOWN_TYPE"),
    "too many frames": ([b"LMB\x01", b'{"t":"ping","id":"a"}', *[b""] * 500], "E_TOO_MANY_FRAMES"),
    "frames that nobody described": ([b"LMB\x01", b'{"t":"ping","id":"a"}', b"abc"], "E_FRAMING"),
    "a short buffer": (
        [b"LMB\x01", b'{"t":"ping","id":"a","bufs":[{"n":"x","d":"<f4","s":[2]}]}', b"abc"],
        "E_FRAME_SIZE",
    ),
    "no hello": (write_message(Ping(), Header("", id="a")), "E_NO_SESSION"),
    "a bad client id": (write_message(Hello("../x", "test"), Header("", id="a")), "E_SCHEMA"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_gets_a_typed_answer_and_the_server_stays_up(server: RunningServer, name: str) -> None:
    frames, code = GARBAGE[name]
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        answer = ask(socket, frames)
        assert isinstance(answer, Failure)
        assert (answer.code, answer.supported) == (code, (1, 1) if code == "E_VERSION" else None)
        assert isinstance(ask(socket, write_message(Hello("test", "test"), Header("", id="b"))), Welcome)


def test_a_repeated_request_gets_the_same_answer(server: RunningServer) -> None:
    with connected(server) as client:
        job_id = submit(client, JobSpec("a penguin", steps=1000))
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        ask(socket, write_message(Hello("test", "test"), Header("", id=new_ulid())))
        frames = write_message(JobCancel(job_id), Header("", id=new_ulid()))
        answers = [ask(socket, frames), ask(socket, frames)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(("offset", "length"), [(-1, 10), (0, 0), (0, 2**20 + 1), (10**9, 10), (2**62, 1), (19_999, 2)])
def test_ranges_outside_a_file_are_refused(server: RunningServer, offset: int, length: int) -> None:
    with connected(server) as client:
        job_id, _ = run_job(client, JobSpec("a penguin", steps=1))
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        ask(socket, write_message(Hello("test", "test"), Header("", id=new_ulid())))
        answer = ask(socket, write_message(BlobRead(job_id, "asset", offset, length), Header("", id="a")))
    assert answer.code == "E_SCHEMA"


@pytest.mark.parametrize("steps", [0, -5, -(2**62)])
def test_no_job_is_estimated_to_take_less_than_a_step(server: RunningServer, steps: int) -> None:
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        ask(socket, write_message(Hello("test", "test"), Header("", id=new_ulid())))
        answer = ask(socket, write_message(JobEstimate("limbeck", steps=steps), Header("", id="a")))
    assert (answer.code, answer.field) == ("E_SCHEMA", "steps")


@pytest.mark.parametrize("server", ["tcp"], indirect=True)
def test_tcp_lets_in_only_the_keys_of_the_connection_file(server: RunningServer) -> None:
    endpoint = server.place.endpoint
    public, secret = (key.decode() for key in zmq.curve_keypair())
    stranger = replace(endpoint, client_public=public, client_secret=secret)
    with closing(Client(stranger, app="test", client_id="stranger")) as client:
        pump_until(client, lambda event: isinstance(event, Disconnected), 10.0)
        assert client.state == "refused"
        assert client.refusal.code == "E_AUTH"
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.linger = 0
        plain.connect(endpoint.address)
        plain.send_multipart(write_message(Hello("plain", "test"), Header("", id="a")))
        assert not plain.poll(300)
    with closing(server.client()) as client:
        first(client, Connected)
