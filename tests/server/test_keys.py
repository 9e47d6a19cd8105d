# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on disk: who may enter, with which role, and that nothing damaged lets anybody in."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol import messages as m
from limbeck_protocol.connection import read_connection_file
from limbeck_protocol.errors import ProtocolError
from limbeck_server.access import LOCAL_USER, Access, Principal, has_remote_keys, require_allowed, require_modest
from limbeck_server.budget import Budget
from limbeck_server.commands.keys import keys
from limbeck_server.key_files import (
    NAME,
    authorize,
    authorized_folder,
    authorized_keys,
    new_key_pair,
    revoke,
    server_key_pair,
)
from limbeck_server.security_log import LINES_A_WINDOW, WINDOW_S, SecurityLog
from limbeck_server.transport import check_address


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMBECK_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config"


def test_the_server_key_stays_the_same_and_private(config: Path) -> None:
    assert server_key_pair(config) == server_key_pair(config)
    if sys.platform != "win32":
        assert (config / "keys" / "server.json").stat().st_mode & 0o077 == 0
        (config / "keys" / "server.json").chmod(0o644)
        with pytest.raises(ProtocolError, match="E_KEY_FILE"):
            server_key_pair(config)


def test_a_key_enters_by_its_role_until_it_is_revoked(config: Path) -> None:
    own, pair, worker = (new_key_pair().public for _ in range(3))
    access = Access(config, own, "")
    assert access.client(own) == LOCAL_USER
    authorize(config, "alice", pair, "submit")
    authorize(config, "gpu-1", worker, "worker")
    assert access.refresh(10.0)
    assert access.client(pair) == Principal("alice", "submit")
    assert (access.client(worker), access.worker(pair)) == (None, None)
    assert access.worker(worker) == Principal("gpu-1", "worker")
    revoke(config, "alice")
    assert not access.refresh(10.5)  # files are looked at once a second
    assert access.refresh(11.5)
    assert not access.refresh(12.6)
    assert access.client(pair) is None
    authorize(config, "alice", pair, "read")
    assert access.client(pair) == Principal("alice", "read")  # at once, not only after a second
    assert access.refresh(13.7)


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"name":"alice","public":"short","role":"admin"}', b"\xff" * 5000])
def test_a_damaged_key_file_lets_nobody_in_from_elsewhere(config: Path, damage: bytes) -> None:
    own, pair = new_key_pair().public, new_key_pair().public
    authorize(config, "bob", pair, "admin")
    path = authorized_folder(config) / "alice.json"
    path.write_bytes(damage)
    path.chmod(0o600)
    access = Access(config, own, "")
    assert access.client(pair) is None
    assert access.client(own) == LOCAL_USER
    with pytest.raises(ProtocolError, match="E_KEY_FILE"):
        has_remote_keys(config)


@pytest.mark.skipif(sys.platform == "win32", reason="makes a link that leads nowhere; run on Linux or macOS")
def test_a_key_that_vanishes_while_it_is_looked_for_shuts_out_nobody_else(config: Path) -> None:
    authorize(config, "alice", new_key_pair().public, "submit")
    (authorized_folder(config) / "gone.json").symlink_to(config / "nowhere")
    assert [key.name for key in authorized_keys(config)] == ["alice"]


@given(name=st.text(max_size=80).filter(lambda text: NAME.match(text) is None))
def test_only_a_plain_name_becomes_a_file(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "names"
    for change in (lambda: authorize(folder, name, new_key_pair().public, "read"), lambda: revoke(folder, name)):
        with pytest.raises(ProtocolError, match="E_KEY"):
            change()
    assert not folder.exists()


def test_names_and_keys_are_used_once(config: Path) -> None:
    pair = new_key_pair().public
    authorize(config, "alice", pair, "read")
    for name, public in (("alice", new_key_pair().public), ("bob", pair), ("bob", "short"), ("bob", "é" * 40)):
        with pytest.raises(ProtocolError, match="E_KEY"):
            authorize(config, name, public, "read")
    with pytest.raises(ProtocolError, match="E_KEY"):
        revoke(config, "bob")
    assert [key.name for key in authorized_keys(config)] == ["alice"]


def run(*arguments: str) -> dict:
    result = CliRunner().invoke(keys, [*arguments, "--json"], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_the_commands_make_list_and_revoke_keys(config: Path) -> None:
    made = run("new", "alice", "--authorize", "submit", "--address", "tcp://server:7711")
    endpoint = read_connection_file(Path("alice.json"))
    listed = run("list")
    assert (endpoint.address, endpoint.client_public) == ("tcp://server:7711", made["public"])
    assert endpoint.server_key == listed["server_key"]
    assert listed["keys"] == [{"name": "alice", "public": made["public"], "role": "submit"}]
    assert json.dumps(endpoint.client_secret) not in json.dumps(listed)
    run("revoke", "alice")
    assert run("list")["keys"] == []
    other = run("new", "bob", "-o", "keys/bob.json", "--server-key", listed["server_key"])
    run("authorize", "bob", other["public"], "--role", "read")
    assert run("list")["keys"][0]["role"] == "read"


@pytest.mark.parametrize("start", ["-h", "-", "--x", "--json"])
def test_a_key_that_begins_with_a_hyphen_is_a_key(config: Path, start: str) -> None:
    key = start + new_key_pair().public[len(start) :]
    assert run("authorize", "alice", key, "--role", "read")["public"] == key
    run("revoke", "alice")
    assert run("authorize", "--role", "read", "alice", key)["public"] == key


def test_a_key_that_cannot_be_authorised_leaves_no_file(config: Path, tmp_path: Path) -> None:
    run("new", "alice", "--authorize", "read")
    for arguments in (("new", "alice"), ("new", "alice", "-o", "other.json", "--authorize", "read")):
        with pytest.raises(ProtocolError, match="E_KEY"):
            run(*arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.json", "config"]


SUBMIT, CANCEL, WATCH, PUT = m.JobSubmit("k"), m.JobCancel("j"), m.JobWatch("j"), m.BlobPut("0" * 64, 1, 0)


@pytest.mark.parametrize(
    ("role", "message", "owner", "is_allowed"),
    [
        ("admin", CANCEL, "bob:x", True),
        ("read", WATCH, "bob:x", True),
        ("read", SUBMIT, None, False),
        ("read", PUT, None, False),
        ("read", CANCEL, "alice:x", False),
        ("submit", SUBMIT, None, True),
        ("submit", PUT, None, True),
        ("submit", CANCEL, "alice:x", True),
        ("submit", CANCEL, "bob:x", False),
        ("submit", CANCEL, "alice-2:x", False),
        ("submit", CANCEL, "limbeck-cli", False),
        ("submit", WATCH, "bob:x", True),
        ("worker", WATCH, None, True),
        ("worker", SUBMIT, None, False),
    ],
)
def test_roles(role, message: object, owner: str | None, is_allowed: bool) -> None:
    principal = Principal("alice", role)
    if is_allowed:
        require_allowed(principal, message, owner)
    else:
        with pytest.raises(ProtocolError, match="E_FORBIDDEN"):
            require_allowed(principal, message, owner)


@pytest.mark.parametrize("asked", [{"priority": 1}, {"goes_first": True}, {"prior": "/models/mine"}])
def test_only_admins_touch_others_turns_and_the_servers_folders(asked: dict) -> None:
    require_modest(Principal("alice", "admin"), **asked)
    require_modest(Principal("alice", "submit"), priority=-1, prior="sd-2.1-base")
    with pytest.raises(ProtocolError, match="E_FORBIDDEN"):
        require_modest(Principal("alice", "submit"), **asked)


@given(name=st.from_regex(NAME), other=st.from_regex(NAME), client=st.text(max_size=20))
def test_no_client_id_reaches_into_another_keys_jobs(name: str, other: str, client: str) -> None:
    theirs = Principal(other, "submit").scoped(client)
    assert Principal(name, "submit").owns(theirs) == (name == other)


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "[::]", "10.0.0.1", "eth0", "a.org"])
def test_other_addresses_are_bound_only_with_keys(host: str) -> None:
    check_address(f"tcp://{host}:7711", has_keys=True)
    with pytest.raises(ProtocolError, match="limbeck keys new"):
        check_address(f"tcp://{host}:7711")


def test_a_flood_of_security_events_is_counted_not_written(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    security = SecurityLog(lambda: now[0])
    for _ in range(1000):
        security.note("key refused", address="10.0.0.9")
    assert len(caplog.records) == LINES_A_WINDOW
    now[0] = WINDOW_S + 1
    security.note("key refused", address="10.0.0.9")
    assert vars(caplog.records[-1])["held_back"] == 1000 - LINES_A_WINDOW
    assert security.counts["key refused"] == 1001


def test_a_budget_fills_up_again() -> None:
    now = [0.0]
    budget = Budget(5.0, lambda: now[0])
    assert [budget.take() for _ in range(7)] == [True] * 5 + [False] * 2
    now[0] = 0.4
    assert [budget.take() for _ in range(3)] == [True, True, False]
