# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Milestones as clients see them: listed, forked from, damaged, and kept through a killed server or worker."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limbeck_protocol.client import (
    Busyness,
    Checkpoints,
    Client,
    Connected,
    Downloaded,
    JobWarning,
    RequestFailed,
    StepMesh,
    Submitted,
)
from limbeck_protocol.envelope import write_message
from limbeck_protocol.job import JobSpec
from limbeck_protocol.lines import CheckpointLine, JobLine, ServerState
from limbeck_protocol.messages import StatusReply
from limbeck_server.job_inquiries import fitting
from server.following import begin, end_of, until
from server.harness import connected, first, kinds, pump_until, run_job, running_server
from server.in_process import service
from server.synthetic_engine import grid, trace

SPEC = JobSpec("a penguin")


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with (
        service(tmp_path, monkeypatch, milestones=4) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as opened,
    ):
        yield opened


def answer(client: Client, request: str) -> Any:
    return pump_until(client, lambda event: getattr(event, "request", None) == request)[-1]


def listed(client: Client, job: str) -> tuple[CheckpointLine, ...]:
    found = answer(client, client.checkpoints(job))
    assert isinstance(found, Checkpoints), found
    return found.checkpoints


def reported(client: Client, job: str, count: int) -> tuple[CheckpointLine, ...]:
    """Wait until so many checkpoints are there."""
    while len(found := listed(client, job)) < count:
        pass
    return found


def test_a_jobs_milestones_are_listed_with_meshes_and_forked_from(client: Client, tmp_path: Path) -> None:
    job, events = run_job(client, JobSpec("trace", steps=12, seed=3))
    assert events[-1].state == "succeeded"
    lines = listed(client, job)
    assert [line.step for line in lines] == [3, 6, 9, 12]
    assert all(line.has_mesh and line.is_milestone and line.attempt == 1 for line in lines)
    seconds = [line.seconds for line in lines]
    assert seconds == sorted(seconds)
    for line in lines:
        found = answer(client, client.fetch_mesh(job, line.step))
        assert isinstance(found, StepMesh), found
        vertices, faces, colors = grid(4 + line.step % 5, height=line.step / 12)
        assert (len(vertices), len(faces)) == (line.vertices, line.faces)
        np.testing.assert_array_equal(found.mesh.vertices, vertices)
        np.testing.assert_array_equal(found.mesh.faces, faces)
        np.testing.assert_array_equal(found.mesh.colors, colors)
        assert found.mesh.edges is not None
    fork = answer(client, client.fork(job, {"steps": 15}, step=6))
    assert isinstance(fork, Submitted), fork
    client.watch(fork.job, previews=False)
    assert until(client, fork.job, "running").step == 6
    assert end_of(client, fork.job).state == "succeeded"
    client.fetch(fork.job, tmp_path / "fork.glb")
    assert first(client, Downloaded).path.read_bytes() == trace(3, 15)
    steps = [line.step for line in listed(client, fork.job)]
    assert steps == [6, 8, 12, 15], "it begins with what it was forked from"
    for step in (5, 7):
        assert answer(client, client.fetch_mesh(job, step)).error.code == "E_NOT_FOUND"


def test_milestones_change_nothing_in_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = []
    for count in (0, 8):
        root = tmp_path / str(count)
        with (
            service(root, monkeypatch, milestones=count) as endpoint,
            closing(Client(endpoint, app="test", client_id="test")) as client,
        ):
            job, _ = run_job(client, JobSpec("trace", steps=9))
            client.fetch(job, tmp_path / f"{count}.glb")
            assets.append(first(client, Downloaded).path.read_bytes())
            assert bool(listed(client, job)) == (count > 0)
    assert assets[0] == assets[1] == trace(0, 9)


def test_a_damaged_mesh_is_refused_and_a_missing_one_said(client: Client, tmp_path: Path) -> None:
    job, _ = run_job(client, JobSpec("trace", steps=4))
    folder = tmp_path / "data" / "jobs" / job
    path = folder / "mesh-1-2.mesh"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    assert answer(client, client.fetch_mesh(job, 2)).error.code == "E_CHECKSUM"
    path.unlink()
    found = answer(client, client.fetch_mesh(job, 2))
    assert isinstance(found, RequestFailed)
    assert found.error.code == "E_FILE"
    assert isinstance(answer(client, client.fetch_mesh(job, 3)), StepMesh)


def test_a_worker_that_is_killed_loses_no_milestone_that_was_listed(client: Client) -> None:
    job = begin(client, JobSpec("trace", steps=40), step=21)
    before = reported(client, job, 2)
    client.top()
    os.kill(first(client, Busyness).workers[0].pid, signal.SIGKILL)
    until(client, job, "interrupted")
    assert until(client, job, "running").step >= before[-1].step
    assert end_of(client, job).state == "succeeded"
    after = listed(client, job)
    assert set(before) <= set(after)
    assert [line.step for line in after] == [10, 20, 30, 40]
    seconds = [line.seconds or 0.0 for line in after]
    assert seconds == sorted(seconds), "the time before the loss counts on"


def test_a_server_that_is_killed_loses_no_milestone_that_was_listed(tmp_path: Path) -> None:
    with running_server(tmp_path, "--milestones", "4") as server, connected(server) as client:
        job = begin(client, JobSpec("trace", steps=40), step=21)
        before = reported(client, job, 2)
        meshes = {line.step: answer(client, client.fetch_mesh(job, line.step)).mesh for line in before}
        server.stop(signal.SIGKILL)
        stray = tmp_path / "data" / "jobs" / job / "mesh-1-33.mesh"
        stray.write_bytes(b"nobody has heard of it")
        with running_server(tmp_path, "--milestones", "4") as again, closing(again.client("other")) as other:
            first(other, Connected)
            assert not stray.exists()
            other.watch(job, previews=False)
            assert end_of(other, job).state == "succeeded"
            after = listed(other, job)
            assert set(before) <= set(after)
            assert [line.step for line in after] == [10, 20, 30, 40]
            for step, mesh in meshes.items():
                found = answer(other, other.fetch_mesh(job, step)).mesh
                np.testing.assert_array_equal(found.vertices, mesh.vertices)
            folder = tmp_path / "data" / "jobs" / job
            assert len(list(folder.glob("mesh-*"))) == len(list(folder.glob("checkpoint-*.safetensors"))) == 4


def test_a_list_of_jobs_says_who_when_and_why(client: Client) -> None:
    failed, _ = run_job(client, JobSpec("please fail"))
    waiting = begin(client, JobSpec("trace", steps=400))
    line = answer(client, client.status(failed)).jobs[0]
    assert line.error == {"code": "E_DIVERGED", "message": "the engine was asked to fail"}
    assert (line.mine, line.parent) == (True, None)
    assert line.created is not None
    assert line.ended is not None
    assert 0 < line.ended - line.created < 100
    with closing(Client(client._endpoint, app="test", client_id="other")) as other:
        lines = {line.job: line for line in answer(other, other.status()).jobs}
    assert (lines[failed].mine, lines[waiting].ended, lines[waiting].error) == (False, None, None)
    client.cancel(waiting)


def test_lines_that_no_header_has_room_for_are_left_for_the_next_page() -> None:
    error = {"code": "E_DIVERGED", "message": "\x01" * 120}
    long = JobLine("0" * 26, "failed", 1, 2, "\x01" * 120, "x" * 64, error=error)
    lines = fitting([long] * 50)
    assert 20 < len(lines) < 50
    write_message(StatusReply(ServerState("idle", "e", "1"), lines))
    assert len(fitting([replace(long, prompt="a", error=None)] * 50)) == 50


def test_a_jobs_milestones_stay_within_their_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHETIC_CHECKPOINT_KB", "400")
    with (
        service(tmp_path, monkeypatch, milestones=8, max_job_milestone_mb=2, max_milestone_mb=3) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        job, events = run_job(client, JobSpec("trace", steps=16))
        assert kinds(events, JobWarning) == []
        assert [line.step for line in listed(client, job) if line.is_milestone] == [4, 8, 12, 16]
        folder = tmp_path / "data" / "jobs" / job
        assert sum(path.stat().st_size for path in folder.glob("checkpoint-*")) < 2_500_000
        other, _ = run_job(client, JobSpec("another", steps=16))
        assert [line.step for line in listed(client, other) if line.is_milestone] == [4, 8, 12, 16]
        left = listed(client, job)
        assert [(line.step, line.is_milestone, line.has_mesh) for line in left] == [
            (14, False, False),
            (16, False, False),
        ]
        assert list(folder.glob("mesh-*")) == []
