# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where a server may listen, and what becomes of damaged endpoints and of an engine's errors."""

import errno
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from limbeck_protocol.client import Client, Disconnected, Status
from limbeck_protocol.connection import Endpoint
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from limbeck_server.engine import Controls
from limbeck_server.exit_status import STATUSES, exit_status
from limbeck_server.run_order import failed, finish
from limbeck_server.settings import ServerSettings
from limbeck_server.transport import check_address
from limbeck_server.worker import load_engine
from server.harness import Place, connected, first, limbeck, pump_until, running_server, wait_until


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:*", "tcp://127.0.0.1:7711", "tcp://localhost:7711", "tcp://127.1.2.3:1"]
)
def test_loopback_addresses_are_accepted(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://0.0.0.0:7711",
        "tcp://*:7711",
        "tcp://[::]:7711",
        "tcp://10.0.0.1:7711",
        "tcp://eth0:7711",
        "tcp://a.org:7711",
    ],
)
def test_addresses_that_others_reach_are_refused(address: str) -> None:
    with pytest.raises(ProtocolError, match="E_INSECURE_BIND"):
        check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "127.0.0.1:7711", "udp://127.0.0.1:1", "tcp://", "inproc://x", "tcp://[::1"),
        *("ipc://", "ipc://@abstract", "ipc://*", "ipc:///tmp/*", "ipc://relative.sock"),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ProtocolError, match="E_ADDRESS"):
        check_address(address)


def test_a_socket_in_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(ProtocolError, match="E_INSECURE_FOLDER"):
        check_address(f"ipc://{tmp_path}/x.sock")


def test_a_server_takes_no_file_and_no_other_servers_socket(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    with pytest.raises(ProtocolError, match="E_ADDRESS"):
        check_address(f"ipc://{precious}")
    assert precious.read_text() == "mine"
    with running_server(tmp_path / "one") as server:
        second = limbeck(Place(tmp_path / "two"), "serve", "--bind", server.place.endpoint.address)
        assert (second.returncode, second.stderr.split(":")[0]) == (2, "error E_ADDRESS")
        with connected(server) as client:
            client.status()
            first(client, Status)


def test_a_long_runtime_folder_falls_back_to_tcp(tmp_path: Path) -> None:
    short, long = (ServerSettings(tmp_path, tmp_path, tmp_path / name) for name in ("s", "l" * 200))
    assert short.client_address.startswith("ipc://")
    assert (long.client_address, long.worker_address) == ("tcp://127.0.0.1:*",) * 2


@pytest.mark.parametrize(
    "endpoint",
    [Endpoint("nonsense"), Endpoint("tcp://127.0.0.1:1", "short", "k", "k"), Endpoint("tcp://127.0.0.1:1", "k" * 40)],
)
def test_a_damaged_endpoint_is_a_typed_error(endpoint: Endpoint) -> None:
    with pytest.raises(ProtocolError, match="E_CONNECTION_FILE"):
        Client(endpoint, app="test", client_id="test")


def test_a_server_of_another_version_is_a_refusal(tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind(f"ipc://{tmp_path}/x.sock")
        with closing(Client(Endpoint(f"ipc://{tmp_path}/x.sock"), app="test", client_id="test")) as client:
            peer, *_ = wait_until(lambda: client.pump() or (router.poll(10) and router.recv_multipart()))
            router.send_multipart([peer, b"LMB\x02", b"whatever that version says"])
            assert pump_until(client, lambda event: isinstance(event, Disconnected))
            assert (client.state, client.refusal.code) == ("refused", "E_VERSION")
            assert exit_status(client.refusal.code) == 3


def test_a_client_id_is_a_token() -> None:
    with pytest.raises(ValueError, match="client id"):
        Client(Endpoint("ipc:///x"), app="test", client_id="a b")


def test_every_code_has_one_exit_status() -> None:
    codes = [code for codes in STATUSES.values() for code in codes]
    assert len(codes) == len(set(codes))
    assert exit_status("E_PROMPT_EMPTY") == 2
    assert {exit_status(code) for code in ("E_NO_SERVER", "E_VERSION")} == {3}


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    ("error", "code", "is_leaving"),
    [
        (ProtocolError("E_X", "m", "r"), "E_X", False),
        (MemoryError(), "E_OUT_OF_MEMORY", True),
        (OutOfMemoryError("CUDA out of memory"), "E_GPU_OOM", True),
        (OSError(errno.ENOSPC, "No space left on device"), "E_DISK_FULL", False),
        (OSError(errno.EDQUOT, "Quota exceeded", "a.glb"), "E_DISK_FULL", False),
        (ZeroDivisionError("a\nb"), "E_INTERNAL", False),
    ],
)
def test_every_exception_of_an_engine_has_a_code(error: Exception, code: str, is_leaving: bool) -> None:
    failure = failed(error)
    assert (failure.code, failure.is_leaving) == (code, is_leaving)
    assert failure.message
    assert failure.remedy
    assert "\n" not in failure.message


def test_an_asset_outside_the_jobs_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "job" / "link").symlink_to(tmp_path / "secret")
    for name in ("../secret", "link"):
        with pytest.raises(ProtocolError, match="E_ENGINE"):
            finish(tmp_path / "job" / name, {}, tmp_path / "job")


@pytest.mark.parametrize("name", ["no_such_module:engine", "json:no_such_function", "nonsense"])
def test_an_engine_that_is_not_there_says_so_when_it_is_used(name: str, tmp_path: Path) -> None:
    engine = load_engine(name)
    with pytest.raises(ProtocolError, match="E_ENGINE"):
        next(engine(JobSpec("a"), tmp_path, Controls()))
