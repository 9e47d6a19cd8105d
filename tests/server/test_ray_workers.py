# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers that Ray places: its own test cluster, one for all of this file, of which a node is killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from limbeck_protocol.client import Busyness, Client, Downloaded, JobChanged, JobProgress
from limbeck_protocol.job import JobSpec
from server.elsewhere import wait_for_workers
from server.following import begin, end_of, until
from server.harness import (
    Place,
    RunningServer,
    connected,
    first,
    has_ended,
    limbeck,
    pump_until,
    running_server,
    submit,
)
from server.ray_cluster import cluster, node_of
from server.synthetic_engine import trace

ray_is_missing = subprocess.run([sys.executable, "-c", "import ray"], capture_output=True, check=False).returncode != 0
needs_ray = pytest.mark.skipif(
    sys.platform != "linux" or ray_is_missing, reason='needs Linux and pip install "limbeck[ray]"'
)
STEPS, JOBS = 40, 4
GOAL_S, GOAL_RATIO = 30.0, 1.8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server whose workers run on a cluster of two nodes, with a checkpoint every half second."""
    root = tmp_path_factory.mktemp("r")
    with pytest.MonkeyPatch.context() as patch, cluster(root, nodes=2) as address:
        patch.setenv("LIMBECK_CHECKPOINT_S", "0.5")
        with running_server(root / "server", "--executor", "ray", "--address", address) as running:
            yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with connected(server) as opened:
        yield opened


def seconds_for(client: Client, jobs: int) -> float:
    """Return how long so many jobs take that wait for a device most of the time."""
    began = time.monotonic()
    waiting = {submit(client, JobSpec("trace", steps=STEPS, seed=seed)) for seed in range(jobs)}
    for job in waiting:
        client.watch(job, previews=False)
    while waiting:
        ended = pump_until(client, lambda event: any(has_ended(event, job) for job in waiting))[-1]
        assert isinstance(ended, JobChanged)
        assert ended.state == "succeeded"
        waiting.discard(ended.job)
    return time.monotonic() - began


@needs_ray
def test_two_nodes_do_twice_as_much_and_one_goes_on_when_the_other_is_killed(
    server: RunningServer, client: Client, tmp_path: Path
) -> None:
    wait_for_workers(client, 2)
    with_two = seconds_for(client, JOBS)
    job = begin(client, JobSpec("trace", steps=300, seed=9), step=40)
    client.top()
    worker = next(worker for worker in first(client, Busyness).workers if worker.job == job)
    for process in node_of(worker.pid):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    killed = time.monotonic()
    lost = until(client, job, "interrupted")
    assert lost.error.code == "E_WORKER_LOST"
    resumed = until(client, job, "running").step
    assert resumed >= 20, "it goes on from a checkpoint that had been handed over"
    pump_until(client, lambda event: isinstance(event, JobProgress) and event.job == job and event.step > resumed)
    resumed_s = time.monotonic() - killed
    client.finish(job)
    done = end_of(client, job).summary["done"]
    client.fetch(job, tmp_path / "asset.glb")
    assert first(client, Downloaded).path.read_bytes() == trace(9, done)
    ratio = seconds_for(client, JOBS) / with_two
    print(f"resumed {resumed_s:.1f} s after the kill ({lost.error.message}); two nodes {ratio:.2f} times one")
    assert resumed_s < GOAL_S
    assert ratio >= GOAL_RATIO


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("192.0.2.1:6379", "E_RAY_INSECURE", "RAY_AUTH_MODE=token"),
        ("127.0.0.1:1", "E_RAY", "ray start --head"),
        (None, "E_CONFIG", "address"),
    ],
)
@needs_ray
def test_clusters_that_are_open_or_not_there_are_refused(
    tmp_path: Path, address: str | None, code: str, words: str
) -> None:
    arguments = ("--address", address) if address else ()
    done = limbeck(Place(tmp_path), "serve", "--executor", "ray", *arguments)
    assert done.returncode == (3 if code == "E_RAY" else 2)
    assert done.stderr.startswith(f"error {code}: ")
    assert words in done.stderr


def test_without_the_package_the_remedy_is_how_to_install_it(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['ray'] = None; from limbeck_server.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "serve", "--executor", "ray", "--address", "127.0.0.1:6379"],
        env=os.environ | Place(tmp_path).environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error E_RAY_MISSING: ")
    assert 'pip install "limbeck[ray]"' in done.stderr
