# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A real job on the CPU whose server is killed in the middle: it ends in the bytes of a run that nobody disturbed."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from limbeck_protocol.client import (
    Checkpoints,
    Client,
    Connected,
    Downloaded,
    Estimate,
    JobChanged,
    JobProgress,
    StepMesh,
    Submitted,
)
from limbeck_protocol.job import JobSpec
from limbeck_server.core_engine import core_engine
from limbeck_server.engine import Controls
from server.harness import Place, first, has_ended, kinds, pump_until, submit, wait_until

JOB = JobSpec(
    "a red mug",
    overrides={"references.sampler.steps": 2, "gaussians.count": 300},
    steps=40,
    faces=1000,
    texture_size=0,
    device="cpu",
)
SERVE = """
import sys
from pathlib import Path
from limbeck_server.service import serve
from limbeck_server.settings import ServerSettings
root = Path(sys.argv[1])
serve(ServerSettings(root / "data", root / "state", root / "run", checkpoint_s=0.5), lambda: False, lambda _: None)
"""


def start(place: Place) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(place.root)], env=os.environ | place.environment)
    wait_until(lambda: place.connection_file.exists() and place.endpoint.pid == process.pid, 60.0)
    return process


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_job_whose_server_is_killed_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole = list(core_engine(JOB, tmp_path, Controls()))[-1].file.read_bytes()
    place = Place(tmp_path / "place")
    server = start(place)
    try:
        with closing(Client(place.endpoint, app="test", client_id="test", find_endpoint=place.find_endpoint)) as client:
            first(client, Connected)
            job = submit(client, JOB)
            client.watch(job, previews=False)
            pump_until(client, lambda e: isinstance(e, JobProgress) and e.stage == "optimising" and e.step >= 15, 240.0)
            server.kill()
            server.wait()
            server = start(place)
            events = pump_until(client, lambda e: has_ended(e, job), 240.0)
            assert next(e.step for e in kinds(events, JobChanged) if e.state == "running") > 0, "from a checkpoint"
            assert events[-1].state == "succeeded"
            client.fetch(job, tmp_path / "resumed.glb")
            assert first(client, Downloaded).path.read_bytes() == whole, "milestones and kills change no byte"
            client.checkpoints(job)
            lines = first(client, Checkpoints).checkpoints
            assert [line.step for line in lines if line.is_milestone] == [5, 10, 15, 20, 25, 30, 35, 40]
            meshes = [line.step for line in lines if line.has_mesh]
            assert meshes, "there was something to see"
            client.fetch_mesh(job, meshes[-1])
            found = first(client, StepMesh)
            assert len(found.mesh.faces) == next(line.faces for line in lines if line.step == meshes[-1]) > 0
            client.estimate("limbeck", steps=40)
            assert first(client, Estimate).from_jobs == 0, "it did not run in one piece"
            client.fork(job, {"seed": 1, "steps": 32}, step=30)
            fork = first(client, Submitted).job
            client.watch(fork, previews=False)
            assert pump_until(client, lambda e: has_ended(e, fork), 240.0)[-1].state == "succeeded"
    finally:
        server.terminate()
        server.wait()
