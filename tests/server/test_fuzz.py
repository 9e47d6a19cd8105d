# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A short run of what benchmarks/fuzz_wire.py does 20,000 times, and the same against the client."""

import socket as sockets
from contextlib import ExitStack, closing, suppress

import pytest
import zmq
from hypothesis import HealthCheck, Phase, given, settings

from limbeck_protocol.client import Connected
from server.harness import RunningServer, connected, first
from server.play import Play
from server.test_serving_frames import raw_socket
from server.wire_fuzz import Frames, Prober, messages

GARBAGE = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(1000), b"\xff" * 64, b"\xff\0\0\0\0\0\0\0\x01\x7f\3\1CURVE"]


def test_whatever_is_sent_gets_a_typed_answer(server: RunningServer) -> None:
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        prober = Prober(socket)

        @settings(max_examples=300, phases=[Phase.generate], suppress_health_check=[*HealthCheck], database=None)
        @given(frames=messages)
        def probe(frames: Frames) -> None:
            prober.send(frames)

        probe()
    assert sum(prober.answers.values()) >= 300
    assert {"E_SCHEMA", "E_VERSION", "E_DECODE", "E_FRAMING"} <= prober.answers.keys()
    with closing(server.client("after")) as client:
        first(client, Connected)


@settings(max_examples=500, suppress_health_check=[*HealthCheck])
@given(frames=messages)
def test_whatever_a_server_sends_a_client_goes_on(frames: Frames) -> None:
    play = Play()
    play.watch()
    play.client.receive(frames)
    play.client.take_events()
    assert play.client.state in ("ready", "reconnecting", "refused")


@pytest.mark.parametrize("server", ["tcp"], indirect=True)
def test_garbage_and_half_open_connections_leave_the_others_alone(server: RunningServer) -> None:
    host, port = server.place.endpoint.address.removeprefix("tcp://").rsplit(":", 1)
    with ExitStack() as stack:
        for number in range(100):
            peer = stack.enter_context(sockets.create_connection((host, int(port)), timeout=5))
            with suppress(OSError):  # the server may hang up as soon as it has seen enough
                peer.sendall(GARBAGE[number % len(GARBAGE)][: None if number % 2 else 10])
        with connected(server, "bystander") as client:
            client.status()
