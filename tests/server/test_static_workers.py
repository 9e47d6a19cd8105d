# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers on another machine: another home, no shared folder, everything over the wire."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from limbeck_protocol.client import Client, Downloaded, JobChanged
from limbeck_protocol.connection import read_connection_file
from limbeck_protocol.events import Checkpoints, StepMesh
from limbeck_protocol.job import JobSpec, Reference, blob_of
from limbeck_server.key_files import new_key_pair
from limbeck_server.probe import ask_to_come_in
from server.elsewhere import STATIC, WORK, key_file, machine, wait_for_workers, worker_states
from server.following import begin, end_of, reach, until
from server.harness import RunningServer, connected, first, kinds, limbeck, run_job, running_server, wait_until
from server.synthetic_engine import trace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix; run on Linux or macOS")
QUICK = {"LIMBECK_CHECKPOINT_S": "0.2", "LIMBECK_REMOTE_SILENCE_S": "3", "SYNTHETIC_STEP_S": "0.03"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """Give a server for workers elsewhere, that checkpoints often and has little patience."""
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    with running_server(tmp_path / "server", *STATIC) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with connected(server) as opened:
        yield opened


def asset_of(client: Client, job: str, folder: Path) -> bytes:
    client.fetch(job, folder / f"{job}.glb")
    return first(client, Downloaded).path.read_bytes()


def files_of(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_a_job_runs_elsewhere_with_its_pictures_and_ends_here(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    picture = os.urandom(2_500_000)
    with machine(tmp_path / "away", key_file(server, "gpu")) as away:
        wait_for_workers(client)
        spec = JobSpec("large", steps=4, references=(Reference(blob_of(picture, ".png")),))
        job, events = run_job(client, spec)
        assert events[-1].state == "succeeded"
        content = asset_of(client, job, tmp_path)
        assert content.startswith(picture), "the worker had the picture"
        assert len(content) == 5_000_000
        client.checkpoints(job)
        step = first(client, Checkpoints).checkpoints[-1].step
        client.fetch_mesh(job, step)
        assert first(client, StepMesh).step == step, "milestones and their meshes are here as well"
        paused = begin(client, JobSpec("trace", steps=1000), step=3)
        client.pause(paused)
        assert until(client, paused, "paused").step >= 3
        wait_until(lambda: "idle" in worker_states(client))
        client.resume(paused)
        reach(client, paused, 6)
        client.finish(paused)
        done = end_of(client, paused).summary["done"]
        assert asset_of(client, paused, tmp_path) == trace(0, done)
        cancelled = begin(client, JobSpec("trace", steps=1000))
        client.cancel(cancelled)
        assert end_of(client, cancelled).state == "cancelled"
        said = away.stop()
        assert "stopped" in said
        assert "Traceback" not in said
    assert "limbeck.db" not in files_of(tmp_path / "away")


def test_a_worker_that_is_killed_goes_on_from_what_it_had_handed_over(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    with machine(tmp_path / "away", key_file(server, "gpu")) as away:
        wait_for_workers(client)
        job = begin(client, JobSpec("trace", steps=60, seed=3), step=12)
        away.worker.kill()
        lost = until(client, job, "interrupted")
        assert lost.error.code == "E_WORKER_LOST"
        assert "signal 9" in lost.error.message, "whoever started it has said how it ended"
        assert until(client, job, "running").step >= 4
        assert end_of(client, job).state == "succeeded"
        assert asset_of(client, job, tmp_path) == trace(3, 60)


def test_a_machine_that_falls_silent_loses_its_job_to_another(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    key = key_file(server, "gpu")
    with ExitStack() as stack:
        one = stack.enter_context(machine(tmp_path / "one", key))
        wait_for_workers(client)
        job = begin(client, JobSpec("trace", steps=100, seed=4), step=12)
        stack.enter_context(machine(tmp_path / "two", key))
        wait_for_workers(client, 2)
        one.vanish()
        silent_at = time.monotonic()
        assert "no sign of life" in until(client, job, "interrupted").error.message
        assert until(client, job, "running").step >= 4
        assert time.monotonic() - silent_at < 10
        for process in (one.process.pid, one.worker.pid):  # it comes back, and is not heard about that attempt any more
            os.kill(process, signal.SIGCONT)
        end = end_of(client, job)
        assert end.state == "succeeded"
        assert asset_of(client, job, tmp_path) == trace(4, 100)
        wait_for_workers(client, 2)


def test_a_stopped_machine_hands_its_job_back_and_the_next_goes_on_where_it_was(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    key = key_file(server, "gpu")
    with machine(tmp_path / "one", key) as one:
        wait_for_workers(client)
        job = begin(client, JobSpec("trace", steps=100, seed=6), step=10)
        one.stop(signal.SIGTERM)
        assert one.process.returncode == 0
    waiting = until(client, job, "queued")
    assert waiting.step >= 10, "not a step is lost"
    with machine(tmp_path / "two", key):
        assert until(client, job, "running").step == waiting.step
        assert end_of(client, job).state == "succeeded"
        assert asset_of(client, job, tmp_path) == trace(6, 100)


def test_workers_find_a_restarted_server_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    with running_server(tmp_path / "server", *STATIC) as one:
        ports = one.place.endpoint.workers, one.place.endpoint.address
        with machine(tmp_path / "away", key_file(one, "gpu")), connected(one) as client:
            wait_for_workers(client)
            job = begin(client, JobSpec("trace", steps=80, seed=8), step=12)
            one.process.kill()
            one.process.wait()
            same = ("--executor", "static", "--worker-bind", ports[0], "--bind", ports[1])
            with running_server(tmp_path / "server", *same) as two, connected(two) as again:
                again.watch(job, previews=False)
                assert end_of(again, job).state == "succeeded"
                assert asset_of(again, job, tmp_path) == trace(8, 80)


def test_workers_here_and_elsewhere_work_at_once(tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "server", *STATIC, "--workers", "1") as server,
        connected(server) as client,
        machine(tmp_path / "away", key_file(server, "gpu"), "--workers", "2"),
    ):
        wait_for_workers(client, 3)
        jobs = [begin(client, JobSpec(name, steps=1000)) for name in "abc"]
        assert worker_states(client) == ["busy"] * 3
        for job in jobs:
            client.cancel(job)
            end_of(client, job)


def test_a_job_that_kills_every_worker_fails_after_three(server: RunningServer, client: Client, tmp_path: Path) -> None:
    with machine(tmp_path / "away", key_file(server, "gpu")):
        wait_for_workers(client)
        _, events = run_job(client, JobSpec("crash", steps=2))
        assert [event.state for event in kinds(events, JobChanged)].count("interrupted") == 3
        assert (events[-1].state, events[-1].error.code) == ("failed", "E_WORKER_LOST")
        assert run_job(client, JobSpec("the next one", steps=1))[1][-1].state == "succeeded"


def test_a_worker_that_may_not_come_in_is_told_why(server: RunningServer, tmp_path: Path) -> None:
    other = "import limbeck_server.probe as p; p.PROTOCOL = 99; " + WORK
    refused = {
        "E_VERSION": (key_file(server, "gpu"), other),
        "E_AUTH": (key_file(server, "alice", "submit"), WORK),
    }
    for code, (key, program) in refused.items():
        with machine(tmp_path / code, key, code=program) as away:
            said = away.process.communicate(timeout=30)[1]
            assert said.startswith(f"error {code}: "), said
            assert "; " in said
            assert away.process.returncode == 3
    missing = limbeck(server.place, "worker", "--key", str(tmp_path / "none.json"))
    assert missing.stderr.startswith("error E_CONNECTION_FILE")
    nowhere = limbeck(server.place, "worker", "--key", str(key_file(server, "gpu2")), "--connect", "here:7712")
    assert nowhere.stderr.startswith("error E_ADDRESS")


def test_a_worker_at_the_wrong_door_is_told_so(server: RunningServer, tmp_path: Path) -> None:
    alice = key_file(server, "alice", "submit")
    lost = limbeck(server.place, "worker", "--key", str(alice), "--connect", server.place.endpoint.address)
    assert lost.returncode == 2
    assert lost.stderr.startswith("error E_ADDRESS: expected the server's port for workers")
    stranger = replace(read_connection_file(key_file(server, "gpu")), server_key=new_key_pair().public)
    said: list[str] = []
    ask_to_come_in(stranger, lambda: bool(said), said.append)
    assert "not with this server key" in said[0]


def test_a_revoked_worker_loses_its_job(server: RunningServer, client: Client, tmp_path: Path) -> None:
    with machine(tmp_path / "away", key_file(server, "gpu")) as away:
        wait_for_workers(client)
        job = begin(client, JobSpec("trace", steps=1000), step=5)
        assert limbeck(server.place, "keys", "revoke", "gpu").returncode == 0
        assert "revoked" in until(client, job, "interrupted").error.message
        assert until(client, job, "queued").step >= 4
        said = away.process.communicate(timeout=30)[1]
        assert "error E_AUTH: " in said
    client.cancel(job)


def test_a_worker_says_as_json_that_it_is_in(server: RunningServer, client: Client, tmp_path: Path) -> None:
    with machine(tmp_path / "away", key_file(server, "gpu"), "--workers", "1", "--json") as away:
        wait_for_workers(client)
        away.process.send_signal(signal.SIGTERM)
        said = json.loads(away.process.communicate(timeout=30)[0])
    assert said == {"address": server.place.endpoint.workers, "workers": 1, "pid": away.process.pid}


def test_serve_refuses_to_wait_for_workers_where_anybody_could_come(tmp_path: Path) -> None:
    from server.harness import Place

    done = limbeck(Place(tmp_path), "serve", "--executor", "static", "--worker-bind", "tcp://0.0.0.0:7712")
    assert done.returncode == 2
    assert done.stderr.startswith("error E_INSECURE_BIND: ")
    assert "--authorize worker" in done.stderr
