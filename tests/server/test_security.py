# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A real server over TCP: who is let in, what they may do, what they may have, and that the log says so."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from limbeck_protocol.client import Client, Connected, Disconnected, JobChanged, RequestFailed, Submitted
from limbeck_protocol.connection import Endpoint
from limbeck_protocol.envelope import SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.job import JobSpec, Reference, blob_of, job_to_json
from limbeck_protocol.messages import Hello, JobSubmit, Welcome
from limbeck_server.key_files import Role, authorize, new_key_pair, revoke
from limbeck_server.transport import server_side
from server.harness import (
    Place,
    RunningServer,
    connected,
    first,
    limbeck,
    pump_until,
    running_server,
    submit,
    wait_until,
)

SLOW = JobSpec("a penguin", steps=10_000)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that lets in whom the tests authorise, with small quotas."""
    root: Path = tmp_path_factory.mktemp("g")
    (root / "config").mkdir()
    (root / "config" / "config.toml").write_text("[server]\nmax_client_jobs = 2\nmax_client_mb = 1\n")
    with running_server(root, "--bind", "tcp://127.0.0.1:*") as server:
        yield server


def let_in(server: RunningServer, name: str, role: Role) -> Endpoint:
    """Authorise a new key and return the endpoint that its owner would have."""
    pair = new_key_pair()
    authorize(server.place.root / "config", name, pair.public, role)
    return replace(server.place.endpoint, client_public=pair.public, client_secret=pair.secret, pid=0)


def client_of(endpoint: Endpoint, client_id: str = "test") -> Client:
    return Client(endpoint, app="test", client_id=client_id)


def welcomed(client: Client) -> Client:
    """Wait until the client is let in."""
    event = pump_until(client, lambda event: isinstance(event, Connected | Disconnected))[-1]
    assert isinstance(event, Connected), event
    return client


def answer(client: Client, request: str):
    return pump_until(
        client, lambda event: getattr(event, "request", None) == request or isinstance(event, JobChanged)
    )[-1]


def log_lines(server: RunningServer) -> list[dict]:
    path = server.place.root / "state" / "logs" / "server.log"
    return [json.loads(line) for line in path.read_text().splitlines()]


def is_logged(server: RunningServer, event: str, **fields: str) -> bool:
    return any(line["event"] == event and fields.items() <= line.items() for line in log_lines(server))


def test_roles_hold_over_the_wire(guarded: RunningServer) -> None:
    with closing(welcomed(client_of(let_in(guarded, "alice", "submit")))) as alice:
        assert alice.server is not None
        assert alice.server.role == "submit"
        hers = submit(alice, SLOW)
        with closing(welcomed(client_of(let_in(guarded, "bob", "submit"), "alice:test"))) as bob:
            refused = answer(bob, bob.cancel(hers))
            assert isinstance(refused, RequestFailed)
            assert refused.error.code == "E_FORBIDDEN"
        with closing(welcomed(client_of(let_in(guarded, "eve", "read")))) as eve:
            refused = answer(eve, eve.submit(SLOW))
            assert isinstance(refused, RequestFailed)
            assert (refused.error.code, "read" in refused.error.message) == ("E_FORBIDDEN", True)
            eve.watch(hers)
            assert first(eve, JobChanged).job == hers
        assert isinstance(answer(alice, alice.cancel(hers)), JobChanged)
    assert is_logged(guarded, "refused E_FORBIDDEN", client="eve:test")
    trace = refused.error.trace_id
    assert trace
    assert is_logged(guarded, "request refused", trace_id=trace, code="E_FORBIDDEN")


def test_a_revoked_keys_session_ends_while_it_runs(guarded: RunningServer) -> None:
    endpoint = let_in(guarded, "mallory", "admin")
    with closing(welcomed(client_of(endpoint))) as mallory:
        revoke(guarded.place.root / "config", "mallory")
        pump_until(mallory, lambda event: isinstance(event, Disconnected), 10.0)
        assert mallory.refusal is not None
        assert mallory.refusal.code == "E_AUTH"
    with closing(client_of(endpoint)) as again:
        pump_until(again, lambda event: isinstance(event, Disconnected), 10.0)
        assert again.state == "refused"
    assert is_logged(guarded, "revoked key dropped", client="mallory:test")
    assert wait_until(lambda: is_logged(guarded, "key refused", key=endpoint.client_public or ""))


def test_a_session_is_nobodys_but_the_keys_that_opened_it(guarded: RunningServer) -> None:
    submit_spec = {"spec": np.frombuffer(job_to_json(SLOW), np.uint8)}
    requests = {
        "frank": write_message(Hello("test", "test"), Header("", id="a")),
        "gina": write_message(JobSubmit("k"), Header("", id="b"), submit_spec),
    }
    answers = {}
    for (name, frames), role in zip(requests.items(), ("submit", "read"), strict=True):
        endpoint = let_in(guarded, name, role)
        with zmq.Context() as context, closing(context.socket(zmq.DEALER)) as socket:
            socket.linger, socket.routing_id = 0, b"chosen by both"
            socket.curve_serverkey = (endpoint.server_key or "").encode()
            socket.curve_publickey = (endpoint.client_public or "").encode()
            socket.curve_secretkey = (endpoint.client_secret or "").encode()
            socket.connect(endpoint.address)
            socket.send_multipart(frames)
            assert socket.poll(5000)
            answers[name] = read_message(decode_packet(socket.recv_multipart()), SERVER_MESSAGES)
    assert isinstance(answers["frank"], Welcome)
    assert (answers["gina"].code, len(answers)) == ("E_NO_SESSION", 2)


def test_strangers_are_heard_by_nobody_but_the_log(guarded: RunningServer) -> None:
    endpoint = guarded.place.endpoint
    strangers = {
        "plain": None,
        "wrong server key": replace(endpoint, server_key=new_key_pair().public),
    }
    frames = write_message(Hello("stranger", "test"), Header("", id="a"))
    for stranger in strangers.values():
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            if stranger is not None:
                pair = new_key_pair()
                socket.curve_serverkey = (stranger.server_key or "").encode()
                socket.curve_publickey, socket.curve_secretkey = pair.public.encode(), pair.secret.encode()
            socket.connect(endpoint.address)
            socket.send_multipart(frames)
            assert not socket.poll(500)
    wait_until(lambda: is_logged(guarded, "handshake failed"))
    with connected(guarded):
        assert not any(line.get("client") == "stranger" for line in log_lines(guarded))


def test_a_key_has_only_so_many_jobs_and_bytes(guarded: RunningServer) -> None:
    with closing(welcomed(client_of(let_in(guarded, "carol", "submit")))) as carol:
        jobs = [submit(carol, SLOW, "one"), submit(carol, SLOW, "two")]
        over = answer(carol, carol.submit(SLOW, "three"))
        assert isinstance(over, RequestFailed)
        assert (over.error.code, over.error.retryable) == ("E_QUOTA", True)
        assert isinstance(answer(carol, carol.submit(SLOW, "two")), Submitted)  # a repeated submission is not a new job
        for job in jobs:
            answer(carol, carol.cancel(job))
        image = blob_of(bytes(1_100_000), ".png")
        over = answer(carol, carol.submit(JobSpec("a penguin", references=(Reference(image),))))
        assert isinstance(over, RequestFailed)
        assert over.error.code == "E_QUOTA"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "*", "192.0.2.1", "example.org"])
def test_serve_refuses_other_addresses_without_keys(tmp_path: Path, host: str) -> None:
    done = limbeck(Place(tmp_path), "serve", "--bind", f"tcp://{host}:7711")
    assert done.returncode == 2
    assert done.stderr.startswith("error E_INSECURE_BIND: ")
    assert "limbeck keys new" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_key_the_server_listens_to_other_machines(tmp_path: Path) -> None:
    pair = new_key_pair()
    authorize(tmp_path / "config", "alice", pair.public, "submit")
    with running_server(tmp_path, "--bind", "tcp://0.0.0.0:*", "--json") as server:
        endpoint = server.place.endpoint
        assert endpoint.address.startswith("tcp://127.0.0.1:")
        with (
            connected(server),
            closing(client_of(replace(endpoint, client_public=pair.public, client_secret=pair.secret))) as alice,
        ):
            assert first(alice, Connected).server.role == "submit"
        server.process.send_signal(signal.SIGTERM)
        out, err = server.process.communicate(timeout=30)
        bound = endpoint.address.replace("127.0.0.1", "0.0.0.0")
        assert f"listens on {bound} (" in err
        assert "own name or address instead of 0.0.0.0" in err
        said = {"address": bound, "workers": None, "pid": endpoint.pid, "epoch": endpoint.epoch}
        assert json.loads(out) == said | {"version": endpoint.version}


@pytest.mark.parametrize(
    ("asked", "reached", "bound"),
    [
        ("tcp://0.0.0.0:1", "tcp://127.0.0.1:1", "tcp://0.0.0.0:1"),
        ("tcp://*:*", "tcp://127.0.0.1:5", "tcp://0.0.0.0:5"),
        ("tcp://[::]:1", "tcp://[::1]:1", "tcp://[::]:1"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:5", "tcp://127.0.0.1:5"),
        ("ipc:///a", "ipc:///a", "ipc:///a"),
        ("", "", ""),
    ],
)
def test_the_address_that_is_said_is_the_one_that_was_bound(asked: str, reached: str, bound: str) -> None:
    assert server_side(asked, reached) == bound


def test_a_server_that_may_not_listen_says_so_as_json(tmp_path: Path) -> None:
    done = limbeck(Place(tmp_path), "serve", "--bind", "tcp://0.0.0.0:7711", "--json")
    assert (json.loads(done.stdout)["error"]["code"], done.returncode, done.stderr) == ("E_INSECURE_BIND", 2, "")
    done = limbeck(Place(tmp_path), "worker", "--key", str(tmp_path / "none.json"), "--json")
    assert (json.loads(done.stdout)["error"]["code"], done.returncode, done.stderr) == ("E_CONNECTION_FILE", 3, "")


def test_the_command_line_shows_the_trace_id_that_is_in_the_log(guarded: RunningServer) -> None:
    missing = "01JD7Q0000ABCDEFGHJKMNPQRS"
    plain, as_json = (limbeck(guarded.place, "status", missing, *option) for option in ((), ("--json",)))
    trace = json.loads(as_json.stdout)["error"]["trace_id"]
    assert is_logged(guarded, "request refused", trace_id=trace, code="E_NOT_FOUND")
    assert re.search(r"\(trace [0-9A-Z]{26}\)$", plain.stderr.strip())


def test_a_connection_file_made_for_a_client_elsewhere_is_all_it_needs(
    guarded: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "dora.json"
    arguments = ("--authorize", "read", "--address", guarded.place.endpoint.address, "-o", str(made))
    assert limbeck(guarded.place, "keys", "new", "dora", *arguments).returncode == 0
    elsewhere = Place(tmp_path / "elsewhere")  # folders of a machine that has no server
    assert limbeck(elsewhere, "status").returncode == 3
    monkeypatch.setenv("LIMBECK_CONNECTION", str(made))
    assert limbeck(elsewhere, "status", "--json").returncode == 0
    found = {one["name"]: one["state"] for one in json.loads(limbeck(elsewhere, "doctor", "--json").stdout)["findings"]}
    assert (found["connection file"], found["server"]) == ("ok", "ok")
    refused = limbeck(elsewhere, "submit", "a penguin", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (3, "E_FORBIDDEN")
