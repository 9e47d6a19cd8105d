# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a client knows of an address where no Limbeck server answers."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import zmq

from limbeck_protocol.client import Client
from limbeck_protocol.connection import Endpoint

HTTP_REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def reach_of(address: str, expected: str, **keys: str) -> str:
    client = Client(Endpoint(address, **keys), app="test", client_id="test")
    deadline = time.monotonic() + 5
    try:
        while client.reach != expected and time.monotonic() < deadline:
            client.pump()
            time.sleep(0.01)
        assert client.state == "connecting"
        return client.reach
    finally:
        client.close()


def address_of(listening: socket.socket) -> str:
    return f"tcp://127.0.0.1:{listening.getsockname()[1]}"


def test_nobody_listens_on_a_closed_port(listener: socket.socket) -> None:
    address = address_of(listener)
    listener.close()
    assert reach_of(address, "unreachable") == "unreachable"


def test_program_that_accepts_and_says_nothing_is_connected(listener: socket.socket) -> None:
    assert reach_of(address_of(listener), "connected") == "connected"


def test_web_server_is_a_stranger(listener: socket.socket) -> None:
    def refuse() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(HTTP_REFUSAL)

    thread = threading.Thread(target=refuse, daemon=True)
    thread.start()
    assert reach_of(address_of(listener), "stranger") == "stranger"
    thread.join(timeout=5)


def test_other_program_on_zeromq_is_silent() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        port = router.bind_to_random_port("tcp://127.0.0.1")
        assert reach_of(f"tcp://127.0.0.1:{port}", "silent") == "silent"


def test_server_that_wants_no_keys_is_a_stranger_to_a_client_with_keys() -> None:
    server_key, _ = (key.decode() for key in zmq.curve_keypair())
    public, secret = (key.decode() for key in zmq.curve_keypair())
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        port = router.bind_to_random_port("tcp://127.0.0.1")
        keys = {"server_key": server_key, "client_public": public, "client_secret": secret}
        assert reach_of(f"tcp://127.0.0.1:{port}", "stranger", **keys) == "stranger"
