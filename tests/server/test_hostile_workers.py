# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody with a worker's key: can spoil the job that it is given, and nothing else."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limbeck_protocol.client import Client, Connected, Disconnected, JobChanged, JobProgress
from limbeck_protocol.connection import read_connection_file
from limbeck_protocol.frames import Header
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, Reference, blob_of
from limbeck_protocol.limits import MAX_HEADER_BYTES
from limbeck_server.remote_messages import (
    EndWorker,
    FetchPart,
    Part,
    PartRefused,
    PartStored,
    PutPart,
    Refused,
    Unknown,
    Welcomed,
    WorkerJoin,
)
from limbeck_server.worker_messages import Advanced, Beat, Checkpointed, Failed, Finished, Meshed, Started
from server.elsewhere import STATIC, impostor, key_file
from server.following import until
from server.harness import RunningServer, connected, pump_until, running_server, submit

CONTENT = b"x" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()
MB = 1 << 20
NAMES = (
    "../asset.glb",
    "../../../limbeck.db",
    "/etc/passwd",
    "a/asset.glb",
    "a\\asset.glb",
    "..",
    ".",
    "",
    "asset.glb\n",
    "asset.glb\0",
    "CON",
    "asset.py",
    "asset.glb.part",
    "summary.json.exe",
    "\u202egbl.tessa",
    "x" * 300 + ".glb",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server for workers elsewhere that takes one megabyte an attempt from each."""
    root: Path = tmp_path_factory.mktemp("h")
    (root / "config").mkdir()
    (root / "config" / "config.toml").write_text("[server]\nmax_worker_mb = 1\ndrain_s = 0.5\n")
    with running_server(root, *STATIC) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with connected(server) as opened:
        yield opened


@pytest.fixture
def key(server: RunningServer) -> Path:
    return key_file(server, f"gpu-{new_ulid().lower()}")


def give_up(client: Client, *jobs: str) -> None:
    """Cancel jobs, and wait until the server has heard it."""
    for job in jobs:
        client.cancel(job)
        pump_until(client, lambda event, job=job: isinstance(event, JobChanged) and event.job == job)


def part(file: str, content: bytes = CONTENT, **changes) -> PutPart:
    return replace(PutPart(file, len(content), hashlib.sha256(content).hexdigest(), 0), **changes)


def data(content: bytes = CONTENT) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


def everything(server: RunningServer) -> set[str]:
    root = server.place.root
    return {str(path.relative_to(root)) for path in root.rglob("*") if "limbeck.db" not in path.name}


def test_files_land_in_the_attempts_folder_or_nowhere(server: RunningServer, client: Client, key: Path) -> None:
    job = submit(client, JobSpec("a"))
    with impostor(server, key) as worker:
        about = worker.take_job()
        before = everything(server)
        for name in NAMES:
            worker.say(part(name), about, data=data())
            assert worker.hear(PartRefused, PartStored).code == "E_SCHEMA", name
        for request, code in {
            part("asset.glb", sha256="0" * 64): "E_CHECKSUM",
            part("asset.glb", sha256="../" * 20): "E_SCHEMA",
            part("asset.glb", size=MB + 1): "E_QUOTA",
            part("asset.glb", size=0): "E_QUOTA",
            part("asset.glb", size=-1): "E_QUOTA",
            part("asset.glb", size=10): "E_SCHEMA",
            part("asset.glb", offset=500): "E_SCHEMA",
            part("asset.json", b"x" * 100_000): "E_QUOTA",
        }.items():
            worker.say(request, about, data=data(b"x" * 100_000 if request.size == 100_000 else CONTENT))
            assert worker.hear(PartRefused, PartStored).code == code, request
        assert everything(server) == before
        worker.say(part("asset.glb"), about, data=data())
        assert worker.hear(PartRefused, PartStored).is_complete
        assert everything(server) - before == {f"data/jobs/{job}/attempt-1/asset.glb"}
        worker.say(part("other.glb", b"y" * (MB - 10), size=MB - 10), about, data=data(b"y" * (MB - 10)))
        assert worker.hear(PartRefused, PartStored).code == "E_QUOTA", "together with the first it is too much"
    give_up(client, job)


def test_only_the_files_of_its_own_job_are_shown(server: RunningServer, client: Client, key: Path) -> None:
    mine, theirs = blob_of(b"mine" * 100, ".png"), blob_of(b"theirs" * 100, ".png")
    first_job = submit(client, JobSpec("a", references=(Reference(mine),)))
    other = submit(client, JobSpec("b", references=(Reference(theirs),)))
    with impostor(server, key) as worker:
        about = worker.take_job()
        assert about.job == first_job
        worker.say(FetchPart(mine.sha256, 0), about)
        assert worker.hear(Part, PartRefused).size == 400
        for request in (FetchPart(theirs.sha256, 0), FetchPart("../../../config/keys/server.json", 0)):
            worker.say(request, about)
            assert worker.hear(Part, PartRefused).code == "E_NOT_FOUND"
        for offset in (-1, 401, 1 << 62):
            worker.say(FetchPart(mine.sha256, offset), about)
            assert worker.hear(Part, PartRefused).code == "E_SCHEMA"
        for header in (replace(about, job=other), replace(about, att=2), replace(about, job=None)):
            worker.say(FetchPart(mine.sha256, 0), header)
            assert worker.hear(Part, PartRefused).code == "E_BAD_STATE"
            worker.say(part("asset.glb"), header, data=data())
            assert worker.hear(PartStored, PartRefused).code == "E_BAD_STATE"
    give_up(client, first_job, other)


def test_nonsense_about_an_attempt_costs_that_attempt_alone(server: RunningServer, client: Client, key: Path) -> None:
    job, other = submit(client, JobSpec("a")), submit(client, JobSpec("b"))
    client.watch(job)
    with impostor(server, key) as worker:
        about = worker.take_job()
        worker.say(Finished("asset.glb", 1, HASH, {}), replace(about, job=other))
        worker.say(Started(), about)
        assert until(client, job, "running")
        worker.say(Meshed(1, 100, 100, True, 0), about, **{"vertices 0": data(), "faces 0": data()})
        worker.say(Meshed(1, -1, 2, True, 0), about, **{"vertices 0": data()})
        worker.say(Advanced("x" * 60_000, 10**18, -1), about)
        worker.say(Beat(0, 0, 0))
        worker.say(Checkpointed("../../limbeck.db", 1, 1, HASH), about)
        assert worker.hear(EndWorker)
        assert "cannot have brought" in until(client, job, "interrupted").error.message
        worker.say(Beat(0, 0, 0))
        assert worker.hear(Unknown)
    give_up(client, job, other)


@pytest.mark.parametrize("over", [300, 600])
def test_no_length_of_text_ends_the_server(server: RunningServer, client: Client, key: Path, over: int) -> None:
    long = "x" * (MAX_HEADER_BYTES - 1000 + over)  # fits into a worker's message, and not into what clients are told
    job = submit(client, JobSpec("a"))
    client.watch(job)
    with impostor(server, key) as worker:
        about = worker.take_job()
        worker.say(Started(0), about)
        until(client, job, "running")
        worker.say(Advanced("optimising", 1, 10, long), about)
        pump_until(client, lambda event: isinstance(event, JobProgress))
        worker.say(Advanced(long, 2, 10), about)
        worker.say(Failed("E_X", long, "none"), about)
        end = until(client, job, "failed")
    assert end.error.code == "E_X"


def test_checkpoints_without_end_end_the_worker(server: RunningServer, client: Client, key: Path) -> None:
    job = submit(client, JobSpec("a"))
    client.watch(job, previews=False)
    with impostor(server, key) as worker:
        about = worker.take_job()
        for step in range(60):
            worker.say(Checkpointed("checkpoint-1.safetensors", step, 1, HASH), about)
        assert worker.hear(EndWorker)
        assert "checkpoints a second" in until(client, job, "interrupted").error.message
    give_up(client, job)


@pytest.mark.parametrize("seat", ["seat", "another"])
def test_a_worker_that_joins_twice_gives_its_job_back(
    server: RunningServer, client: Client, key: Path, seat: str
) -> None:
    job = submit(client, JobSpec("a"))
    client.watch(job, previews=False)
    with impostor(server, key) as worker:
        worker.take_job()
        worker.join(seat)
        assert worker.hear(EndWorker)
        assert until(client, job, "interrupted").error.code == "E_WORKER_LOST"
        assert until(client, job, "queued")
    give_up(client, job)


def test_a_seat_is_taken_by_its_own_key_alone(server: RunningServer, client: Client, key: Path) -> None:
    with impostor(server, key) as one, impostor(server, key_file(server, "rival")) as rival:
        one.join("seat")
        one.hear(Welcomed)
        rival.join("seat")
        rival.hear(Welcomed)
        one.say(Beat(0, 0, 0))
        assert not isinstance(one.hear(object), EndWorker | Unknown)
        with impostor(server, key) as again:
            again.join("seat")
            again.hear(Welcomed)
            assert one.hear(EndWorker)


def test_other_versions_and_bad_names_are_refused_with_a_remedy(server: RunningServer, key: Path) -> None:
    with impostor(server, key) as worker:
        worker.join(protocol=2)
        refused = worker.hear(Refused)
        assert (refused.code, "same release" in refused.remedy) == ("E_VERSION", True)
        worker.socket.send_multipart([b"LMB\x02", b"{}"])
        assert worker.hear(Refused).code == "E_VERSION"
        worker.say(WorkerJoin(1, "9", "a/b", "c"))
        assert worker.hear(Refused).code == "E_SCHEMA"
        for frames in (
            [b"x"],
            [b"LMB\x01"],
            [b"LMB\x01", b"{"],
            [b"LMB\x01", b'{"t":"worker.put","body":{}}'],
            [b""] * 50,
        ):
            worker.socket.send_multipart(frames)
        worker.join()
        assert worker.hear(Welcomed) == Welcomed(server.place.endpoint.epoch)


def test_a_workers_key_gives_nothing_that_a_client_may_have(server: RunningServer, key: Path) -> None:
    endpoint = replace(read_connection_file(key), address=server.place.endpoint.address)
    with closing(Client(endpoint, app="test", client_id="test")) as client:
        event = pump_until(client, lambda event: isinstance(event, Connected | Disconnected))[-1]
        assert isinstance(event, Disconnected)
        assert client.refusal is not None
        assert client.refusal.code == "E_AUTH"
    with impostor(server, key) as worker:
        worker.socket.send_multipart([b"LMB\x01", b'{"t":"status","id":"a","body":{}}'])
        worker.say(Beat(0, 0, 0), Header(""))
        assert worker.hear(Unknown)
