# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server as a process: how it starts, ends, is killed, and what survives it."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import zmq

from limbeck_protocol.client import (
    Client,
    Connected,
    Disconnected,
    Downloaded,
    JobChanged,
    JobProgress,
    PreviewMesh,
    RequestFailed,
    Status,
)
from limbeck_protocol.envelope import write_message
from limbeck_protocol.frames import Header
from limbeck_protocol.job import JobSpec
from limbeck_protocol.messages import BlobRead, Hello
from server.harness import (
    PATIENCE_S,
    Place,
    connected,
    first,
    has_ended,
    kill,
    kinds,
    limbeck,
    pump_until,
    run_job,
    running_server,
    start_server,
    submit,
    wait_until,
)
from server.in_process import service
from server.synthetic_engine import asset_content, trace


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(tmp_path: Path, number: int) -> None:
    with running_server(tmp_path) as server:
        worker = server.worker
        with connected(server) as client:
            job_id = submit(client, JobSpec("a penguin", steps=1000))
            client.watch(job_id)
            first(client, JobProgress)
            said = server.stop(number)
            events = pump_until(client, lambda event: isinstance(event, Disconnected), 5.0)
    assert server.process.returncode == 0
    assert said.splitlines()[-1] == "stopped"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["server.lock"]
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    changes = kinds(events, JobChanged)[-2:]
    assert [event.state for event in changes] == ["interrupted", "queued"]
    assert (changes[0].error.code, changes[1].error) == ("E_SERVER_STOPPED", None)
    assert changes[1].step > 0, "it goes on from the checkpoint that it wrote"


def test_a_killed_server_takes_its_worker_along_and_leaves_its_jobs(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        done, _ = run_job(client, JobSpec("a penguin", seed=5, steps=1))
        running = submit(client, JobSpec("trace", steps=150))
        waiting = submit(client, JobSpec("the next penguin", steps=1))
        client.watch(running)
        client.watch(waiting)
        pump_until(client, lambda e: isinstance(e, JobProgress) and e.step > 3)
        worker, epoch = server.worker, client.server.epoch
        server.stop(signal.SIGKILL)
        wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 5.0)

        with running_server(tmp_path):  # despite the connection file and the sockets that the first one left
            events = pump_until(client, lambda event: has_ended(event, waiting))
            assert client.server.epoch != epoch
            changes = [e for e in kinds(events, JobChanged) if e.job == running]
            states = [change.state for change in changes]
            assert states == ["interrupted", "queued", "starting", "running", "finalizing", "succeeded"]
            assert changes[0].error.code == "E_SERVER_STOPPED"
            assert kinds(events, PreviewMesh), "a server that counts previews anew is still heard"
            assert events[-1].state == "succeeded"
            client.fetch(done, tmp_path / "a.glb")
            first(client, Downloaded)
            assert (tmp_path / "a.glb").read_bytes() == asset_content(JobSpec("a penguin", seed=5))
            client.status()
            assert [line.job for line in first(client, Status).jobs] == [waiting, running, done]


def test_a_server_that_stops_goes_on_where_it_was(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        job_id = submit(client, JobSpec("trace", steps=20, seed=2))
        client.watch(job_id)
        pump_until(client, lambda e: isinstance(e, JobProgress) and e.step > 3)
        server.stop()
        with running_server(tmp_path):
            events = pump_until(client, lambda event: has_ended(event, job_id))
            assert next(e.step for e in kinds(events, JobChanged) if e.state == "running") > 3
            client.fetch(job_id, tmp_path / "a.glb")
            first(client, Downloaded)
    assert (tmp_path / "a.glb").read_bytes() == trace(2, 20)


def test_a_server_that_stops_takes_no_more_jobs_and_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        job_id = submit(client, JobSpec("a stubborn penguin"))
        client.watch(job_id)
        pump_until(client, lambda e: isinstance(e, JobChanged) and e.state == "running")
        server.process.send_signal(signal.SIGTERM)

        def state() -> str:
            client.status()
            return first(client, Status).server.state

        wait_until(lambda: state() == "draining")
        client.submit(JobSpec("another"))
        assert first(client, RequestFailed).error.code == "E_DRAINING"
        server.stop(signal.SIGTERM)
        assert server.process.returncode == -signal.SIGTERM
    with running_server(tmp_path) as server, connected(server) as client:
        client.watch(job_id)
        [*_, event] = pump_until(client, lambda e: isinstance(e, JobChanged) and e.state == "interrupted")
        assert event.error.code == "E_SERVER_STOPPED"


def test_a_second_server_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        second = limbeck(server.place, "serve")
        assert second.returncode == 2
        assert second.stderr.startswith("error E_SERVER_RUNNING: ")
        assert len(second.stderr.splitlines()) == 1
        with connected(server) as client:
            assert run_job(client, JobSpec("a penguin", steps=1))[1][-1].state == "succeeded"


def test_the_server_process_never_imports_torch(tmp_path: Path) -> None:
    place = Place(tmp_path)
    code = """
import sys
from limbeck_server.cli import main
try:
    main(["serve", "--engine", "synthetic_engine:engine"])
finally:
    print("torch" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=os.environ | place.environment, text=True, stdout=subprocess.PIPE)
    try:
        wait_until(place.connection_file.exists)
        with closing(Client(place.endpoint, app="test", client_id="test")) as client:
            first(client, Connected)
            assert run_job(client, JobSpec("a penguin", steps=1))[1][-1].state == "succeeded"
        process.terminate()
        assert process.communicate(timeout=PATIENCE_S)[0] == "False\n"
    finally:
        kill(process)


def test_a_client_that_asks_and_never_reads_costs_little(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        job_id, _ = run_job(client, JobSpec("a large penguin", steps=1))
        before = psutil.Process(server.process.pid).memory_info().rss
        with zmq.Context() as context, context.socket(zmq.DEALER) as greedy:
            greedy.linger = 0
            greedy.rcvhwm = 1
            greedy.connect(server.place.endpoint.address)
            greedy.send_multipart(write_message(Hello("greedy", "test"), Header("", id="a")))
            for number in range(400):
                greedy.send_multipart(write_message(BlobRead(job_id, "asset", 0, 1 << 20), Header("", id=str(number))))
            client.status()
            first(client, Status, 5.0)
            grown = psutil.Process(server.process.pid).memory_info().rss - before
        # 16 messages in libzmq's queue and MAX_OUTBOX_BYTES in ours, of 1 MiB each, instead of 400
        assert grown < 60e6


def test_a_worker_that_does_not_stop_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        service(tmp_path, monkeypatch, cancel_grace_s=0.2, terminate_grace_s=0.2) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        job_id = submit(client, JobSpec("a stubborn penguin"))
        client.watch(job_id)
        pump_until(client, lambda e: isinstance(e, JobChanged) and e.state == "running")
        client.cancel(job_id)
        assert pump_until(client, lambda event: has_ended(event, job_id), 5.0)[-1].state == "cancelled"
        assert run_job(client, JobSpec("the next one", steps=1))[1][-1].state == "succeeded"


def test_a_result_that_does_not_fit_on_the_disk_fails_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "summary.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with service(tmp_path, monkeypatch) as endpoint, closing(Client(endpoint, app="test", client_id="test")) as client:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            job_id, events = run_job(client, JobSpec("a penguin", steps=1))
        assert [e.state for e in kinds(events, JobChanged)].count("interrupted") == 3, "space might have come back"
        assert (events[-1].state, events[-1].error.code) == ("failed", "E_DISK_FULL")
        kept = {path.name for path in (tmp_path / "data" / "jobs" / job_id).iterdir()}
        assert kept - {"checkpoint-1-1.safetensors", "checkpoint-1-1.json", "mesh-1-1.mesh"} == {"log.txt"}, "no asset"
        assert run_job(client, JobSpec("the next one", steps=1))[1][-1].state == "succeeded"


def test_an_engine_that_cannot_be_imported_fails_its_jobs(tmp_path: Path) -> None:
    with running_server(tmp_path, "--engine", "no_such_module:engine") as server, connected(server) as client:
        _, events = run_job(client, JobSpec("a penguin"))
        assert (events[-1].state, events[-1].error.code) == ("failed", "E_ENGINE")


def test_a_worker_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        assert run_job(client, JobSpec("a penguin", steps=1))[1][-1].state == "succeeded"
        old = server.worker
        old.kill()
        wait_until(lambda: server.worker.pid != old.pid)
        assert run_job(client, JobSpec("a penguin", steps=1))[1][-1].state == "succeeded"


def test_a_damaged_job_folder_does_not_keep_the_server_from_starting(tmp_path: Path) -> None:
    for name, content in {"0" * 26: b"\xff", "not-a-job": b"{}", "1" * 26: b'{"id":"../x"}'}.items():
        (tmp_path / "data" / "jobs" / name).mkdir(parents=True)
        (tmp_path / "data" / "jobs" / name / "job.json").write_bytes(content)
    server = start_server(tmp_path)
    try:
        with connected(server) as client:
            client.status()
            assert first(client, Status).jobs == ()
    finally:
        server.stop()
