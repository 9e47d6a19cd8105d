# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The connection file: found, trusted only when private, and not believed when its server is gone."""

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol.connection import (
    Endpoint,
    connection_file,
    discover,
    endpoint_to_json,
    is_alive,
    read_connection_file,
    runtime_folder,
)
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.processes import is_running, process_start
from limbeck_server.files import make_private_folder, write_atomically

HERE = Endpoint("ipc:///x", pid=os.getpid(), process_start=process_start(os.getpid()), epoch="e", version="1")
SECRETIVE = b'{"schema":1,"address":"ipc:///x","client_secret":7}'
GONE = 2**22 + 1
"""No Linux process can have this id; elsewhere it is unlikely."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMBECK_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_running_servers_endpoint_is_found(folder: Path) -> None:
    assert discover() is None
    endpoint = replace(HERE, server_key="k" * 40, client_public="p" * 40, client_secret="s" * 40)
    write_atomically(connection_file(), endpoint_to_json(endpoint), mode=0o600)
    assert discover() == endpoint
    assert "s" * 40 not in repr(endpoint)


def test_a_server_that_is_gone_is_not_found(folder: Path) -> None:
    for endpoint in (
        replace(HERE, pid=GONE),
        replace(HERE, process_start=HERE.process_start + 1),
        replace(HERE, pid=0),
    ):
        write_atomically(connection_file(), endpoint_to_json(endpoint), mode=0o600)
        # where the platform does not tell when a process started, its id has to do
        assert discover() is None or not process_start(os.getpid())


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows keeps the user's folders private by other means; run on Unix"
)
def test_a_file_that_others_could_read_is_not_trusted(folder: Path) -> None:
    write_atomically(connection_file(), endpoint_to_json(HERE), mode=0o644)
    with pytest.raises(ProtocolError, match="E_CONNECTION_FILE") as caught:
        discover()
    assert "0644" in caught.value.message
    command = shlex.split(caught.value.remedy.partition(": ")[2])
    subprocess.run(command, check=True)  # the remedy, as it stands
    assert discover() == HERE


@pytest.mark.skipif(sys.platform == "win32", reason="owners are Unix's; run there")
def test_a_file_of_somebody_else_is_not_mended_but_distrusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(connection_file(), endpoint_to_json(HERE), mode=0o600)
    somebody_else = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody_else)
    with pytest.raises(ProtocolError, match="somebody else") as caught:
        read_connection_file(connection_file())
    assert "chmod" not in caught.value.remedy


def test_nobody_is_told_to_delete_the_only_copy_of_a_secret(folder: Path) -> None:
    for path, is_made_by_server in ((connection_file(), True), (folder / "alice.json", False)):
        write_atomically(path, b"{", mode=0o600)
        with pytest.raises(ProtocolError, match="E_CONNECTION_FILE") as caught:
            read_connection_file(path)
        assert ("delete" in caught.value.remedy) == is_made_by_server
        assert ("limbeck keys new" in caught.value.remedy) != is_made_by_server


@pytest.fixture(scope="module")
def private_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_private_folder(tmp_path_factory.mktemp("damaged") / "run")


@given(content=st.binary(max_size=100) | st.sampled_from([b"[]", b"{}", b'{"schema":1}', b"[" * 9999, SECRETIVE]))
def test_a_damaged_file_is_a_typed_error(private_folder: Path, content: bytes) -> None:
    path = private_folder / "connection.json"
    write_atomically(path, content, mode=0o600)
    with pytest.raises(ProtocolError, match="E_CONNECTION_FILE"):
        read_connection_file(path)


@pytest.mark.skipif(sys.platform != "linux", reason="XDG folders are Linux's; run there")
def test_the_runtime_folder_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIMBECK_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "limbeck"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert runtime_folder().name == f"limbeck-{os.getuid()}"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are Unix's; run there")
def test_a_runtime_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir(mode=0o755)
    with pytest.raises(ProtocolError, match="E_INSECURE_FOLDER"):
        make_private_folder(open_folder)
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "private")
    with pytest.raises(ProtocolError, match="E_INSECURE_FOLDER"):
        make_private_folder(tmp_path / "link")


def test_processes_are_told_apart() -> None:
    assert is_running(os.getpid())
    assert is_alive(HERE)
    assert not is_running(GONE)
    assert not is_running(0)
    assert not is_running(-1)
