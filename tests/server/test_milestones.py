# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that stay, with their meshes: which steps, for how long, and what survives a killed server or worker."""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.lines import CheckpointLine, JobLine, ServerState
from limbeck_protocol.messages import StatusReply
from limbeck_server.checkpoints import CheckpointWriter, Pace, Saved
from limbeck_server.engine import EngineCheckpoint, EnginePreview
from limbeck_server.job_inquiries import fitting
from limbeck_server.jobs import Job, with_checkpoint
from limbeck_server.kept_files import SavedCheckpoint, SavedMesh, thinned
from limbeck_server.milestones import Milestones, write_mesh
from limbeck_server.retention import robbed
from server.following import begin, end_of, until
from server.harness import connected, first, kinds, pump_until, run_job, running_server
from server.in_process import service
from server.synthetic_engine import grid, trace

SPEC = JobSpec("a penguin")


def milestone(number: int, size: int = 10, step: int = 0) -> SavedCheckpoint:
    mesh = SavedMesh(f"mesh-1-{step or number}.mesh", 2, "b" * 64, 3, 1)
    name = f"checkpoint-1-{step or number}.safetensors"
    return SavedCheckpoint(name, size - 2, "a" * 64, step or number, 1, 1.5, number, mesh)


def ordinary(step: int) -> SavedCheckpoint:
    return replace(milestone(1, step=step), milestone=0, mesh=None)


@given(st.integers(1, 64), st.integers(1, 300), st.integers(0, 299))
def test_milestones_are_evenly_spread_from_wherever_a_run_goes_on(count: int, steps: int, done: int) -> None:
    milestones = Milestones(count)
    found = [step for step in range(done + 1, steps + 1) if milestones.at(step, steps, can_write=True)]
    whole = sorted({-(-number * steps // count) for number in range(1, count + 1)})
    assert found == [step for step in whole if step > done]


def test_a_milestone_that_cannot_be_written_is_put_off_and_never_asked_for_twice() -> None:
    milestones = Milestones(4)
    assert [milestones.at(step, 8, can_write=False) for step in (1, 2)] == [0, 0]
    assert milestones.at(2, 8, can_write=True) == 0, "what was said of a step holds"
    assert [milestones.at(3, 8, can_write=True), milestones.of(3), milestones.of(2)] == [1, 1, 0]
    assert [milestones.at(4, 8, can_write=True), milestones.at(5, 8, can_write=True)] == [2, 0]
    assert [Milestones(0).at(step, 8, can_write=True) for step in range(1, 9)] == [0] * 8


def test_milestones_stay_and_other_checkpoints_make_room() -> None:
    job = Job(new_ulid(), "me", "key", "0", SPEC, 0.0)
    for step in range(1, 9):
        new = (
            milestone(step // 4, step=step)
            if step % 4 == 0
            else replace(milestone(1, step=step), milestone=0, mesh=None)
        )
        job = with_checkpoint(job, new)
    assert [c.step for c in job.checkpoints] == [8, 7, 4]
    again = with_checkpoint(
        job, replace(milestone(1, step=4), file="checkpoint-2-4.safetensors", milestone=0, mesh=None)
    )
    newest = again.checkpoints[0]
    assert (newest.step, newest.file, newest.milestone) == (4, "checkpoint-2-4.safetensors", 1)
    assert [c.step for c in again.checkpoints] == [4, 8], "a step is kept once, and 7 makes room"
    assert newest.mesh is not None


def test_every_second_milestone_goes_where_they_take_too_much() -> None:
    kept: tuple[SavedCheckpoint, ...] = ()
    seen = []
    for number in range(1, 9):
        kept = thinned((milestone(number), *kept), 30, newest=2)
        seen.append([c.milestone for c in kept if c.milestone])
        assert sum(c.all_bytes for c in kept if c.milestone) <= 30
    assert seen == [[1], [2, 1], [3, 2, 1], [4, 2], [5, 4, 2], [6, 4, 2], [6, 4, 2], [8, 4]]
    assert [c.milestone for c in thinned((milestone(1, size=100),), 30, newest=2)] == [0], "still there to go on from"
    assert thinned((milestone(1, size=100),), 30, newest=2)[0].mesh is None


def test_ended_jobs_lose_their_milestones_oldest_first_and_before_they_go_themselves() -> None:
    own = tuple(milestone(number) for number in (4, 3, 2, 1))
    ended = [Job(new_ulid(), "me", str(n), "0", SPEC, n, state="succeeded", checkpoints=own) for n in range(3)]
    running = Job(new_ulid(), "me", "r", "0", SPEC, 9.0, state="running", checkpoints=own)
    jobs = [running, *ended]
    assert robbed(jobs, 160, 1000) == []
    assert robbed(jobs, 100, 1000) == ended[:2]
    assert robbed(jobs, 1000, 159) == ended[:1]
    assert robbed(jobs, 0, 0) == ended, "one that runs keeps its own"


def preview(step: int, n: int = 4) -> EnginePreview:
    return EnginePreview(step, *grid(n, 1.0))


def test_the_writer_keeps_the_mesh_of_the_very_step_and_a_bad_mesh_costs_no_checkpoint(tmp_path: Path) -> None:
    told: list[Saved] = []
    writer = CheckpointWriter(tmp_path, {}, Pace(1000.0, 4), told.append, spent_s=100.0)
    bad = EnginePreview(4, *grid(4, float("nan")))
    for step, shown in ((1, preview(1)), (2, preview(1)), (3, preview(3)), (4, bad)):
        assert writer.is_milestone(step, 4)
        assert writer.is_due(step, 4)
        writer.take(EngineCheckpoint(step, lambda: b"state"), shown)
        writer.flush()
    writer.close()
    assert [saved.checkpoint.milestone for saved in told if saved.checkpoint] == [1, 2, 3, 4]
    assert [saved.checkpoint.mesh is not None for saved in told if saved.checkpoint] == [True, False, True, False]
    assert [saved.error.code for saved in told if saved.error] == ["E_MESH"]
    assert all(saved.checkpoint.seconds >= 100.0 for saved in told if saved.checkpoint)
    mesh = told[0].checkpoint.mesh if told[0].checkpoint else None
    assert mesh is not None
    content = (tmp_path / mesh.file).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (mesh.size, mesh.sha256)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bin"] * 2 + [".json"] * 4 + [".safetensors"] * 4


def test_a_mesh_too_large_for_its_edges_is_kept_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limbeck_server.milestones.MAX_PREVIEW_BYTES", 500)
    assert write_mesh(tmp_path, preview(1)).edges == 0
    monkeypatch.setattr("limbeck_server.milestones.MAX_PREVIEW_BYTES", 400)
    with pytest.raises(ProtocolError, match="E_MESH"):
        write_mesh(tmp_path, preview(2))


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
