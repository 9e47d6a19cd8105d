# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a client is told about somebody else's server that it does not reach: the likely cause, and whom to ask."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from limbeck_protocol import aio, blocking
from limbeck_protocol.connection import Endpoint, endpoint_to_json, read_connection_file
from limbeck_protocol.errors import ProtocolError
from limbeck_server.files import write_atomically
from limbeck_server.key_files import new_key_pair
from server.elsewhere import STATIC, key_file
from server.harness import RunningServer, running_server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file modes as on Unix; run on Linux or macOS")
TIMEOUT_S = 1.5
Use = Callable[[Endpoint], Path]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("server"), *STATIC) as running:
        yield running


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Give a function that makes a connection file the one in use."""

    def use_file(endpoint: Endpoint) -> Path:
        path = tmp_path / "alice.json"
        write_atomically(path, endpoint_to_json(endpoint), mode=0o600)
        monkeypatch.setenv("LIMBECK_CONNECTION", str(path))
        return path

    return use_file


def refusal() -> ProtocolError:
    """Return why a client does not come in; a client for asyncio is told the same."""

    async def enter() -> None:
        async with aio.connect(timeout_s=TIMEOUT_S):
            pass

    with pytest.raises(ProtocolError) as caught:
        blocking.connect("test", "test", TIMEOUT_S)
    with pytest.raises(ProtocolError) as later:
        asyncio.run(enter())
    assert later.value.to_dict() == caught.value.to_dict()
    return caught.value


def test_a_file_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CONNECTION", str(tmp_path / "nofile.json"))
    error = refusal()
    assert (error.code, "nofile.json, which LIMBECK_CONNECTION names, does not exist" in error.message) == (
        "E_CONNECTION_FILE",
        True,
    )


def test_an_address_where_nobody_listens_is_told_from_a_wrong_key(server: RunningServer, use: Use) -> None:
    alice = replace(read_connection_file(key_file(server, "alice", "submit")), address=server.place.endpoint.address)
    with socket.create_server(("127.0.0.1", 0)) as held:
        free_port = held.getsockname()[1]
    cases = {
        "nobody listens": replace(alice, address=f"tcp://127.0.0.1:{free_port}"),
        "not with this server key": replace(alice, server_key=new_key_pair().public),
    }
    for cause, endpoint in cases.items():
        use(endpoint)
        error = refusal()
        assert (error.code, cause in error.message) == ("E_NO_SERVER", True), error.message
        assert "ask whoever runs the server" in error.remedy
        assert "limbeck serve" not in error.remedy, "it is not this machine's to start"


def test_a_workers_key_is_no_clients(server: RunningServer, use: Use) -> None:
    at_workers_port = read_connection_file(key_file(server, "gpu"))
    use(at_workers_port)
    error = refusal()
    assert (error.code, "a client's key" in error.remedy) == ("E_NO_SERVER", True), error
    use(replace(at_workers_port, address=server.place.endpoint.address))
    error = refusal()
    assert error.code == "E_AUTH"
    assert f"limbeck keys authorize NAME {at_workers_port.client_public}" in error.remedy


def test_this_machines_own_server_is_this_users_to_restart(use: Use, server: RunningServer) -> None:
    use(replace(server.place.endpoint, address="tcp://127.0.0.1:1"))
    assert "limbeck serve" in refusal().remedy
