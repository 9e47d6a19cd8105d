# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server that was killed: its clients notice at once, and find the next one without waiting for a ping to fail."""

import time
from pathlib import Path

import pytest

from limbeck_protocol.client import Connected, Disconnected
from limbeck_protocol.limits import PING_INTERVAL_S
from server.harness import TRANSPORTS, connected, first, start_server


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
