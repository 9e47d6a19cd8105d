# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server that was killed: its clients notice at once, and find the next one without waiting for a ping to fail."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from limbeck_protocol.client import Client, Connected, Disconnected
from limbeck_protocol.limits import PING_INTERVAL_S
from limbeck_server.key_files import new_key_pair
from server.harness import TRANSPORTS, connected, first, running_server, start_server

GONE = 2**22 + 1
"""No Linux process can have this id; elsewhere it is unlikely."""


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_killed_server_is_missed_at_once_and_found_again_soon(transport: str, tmp_path: Path) -> None:
    server = start_server(tmp_path, *TRANSPORTS[transport])  # over TCP the next one has another port and other keys
    try:
        with connected(server) as client:
            epoch = server.place.endpoint.epoch
            server.process.kill()
            killed_at = time.monotonic()
            assert first(client, Disconnected).reason == "the connection was cut off"
            assert time.monotonic() - killed_at < PING_INTERVAL_S
            server.process.communicate()
            server = start_server(tmp_path, *TRANSPORTS[transport])
            listened_at = time.monotonic()
            found = first(client, Connected).server.epoch
            assert time.monotonic() - listened_at < PING_INTERVAL_S
            assert found != epoch
    finally:
        server.process.kill()
        server.process.communicate()


def test_a_server_that_says_goodbye_is_heard_before_its_connection_is_missed(tmp_path: Path) -> None:
    server = start_server(tmp_path)
    with connected(server) as client:
        server.stop()
        time.sleep(0.2)  # both have come
        assert first(client, Disconnected).reason == "the server stopped"


def test_keys_of_a_server_that_is_gone_are_not_refused_for_good(tmp_path: Path) -> None:
    with running_server(tmp_path, *TRANSPORTS["tcp"]) as server:
        now, keys = server.place.endpoint, new_key_pair()
        before = replace(now, client_public=keys.public, client_secret=keys.secret, epoch="before", pid=GONE)
        found = [before]  # the next server listens where the last one did, and its connection file is yet to come
        with closing(Client(before, app="test", client_id="test", find_endpoint=lambda: found[0])) as client:
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                client.pump()
                time.sleep(0.01)
            assert client.state == "connecting"
            found[0] = now
            first(client, Connected)


def test_keys_that_the_running_server_does_not_know_are_refused_for_good(tmp_path: Path) -> None:
    with running_server(tmp_path, *TRANSPORTS["tcp"]) as server:
        keys = new_key_pair()
        wrong = replace(server.place.endpoint, client_public=keys.public, client_secret=keys.secret)
        with closing(Client(wrong, app="test", client_id="test", find_endpoint=lambda: wrong)) as client:
            first(client, Disconnected)
            assert client.state == "refused"
            assert client.refusal is not None
            assert client.refusal.code == "E_AUTH"
