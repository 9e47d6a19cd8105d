# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that stay, with their meshes: which steps, and for how long."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_server.checkpoints import CheckpointWriter, Pace, Saved
from limbeck_server.engine import EngineCheckpoint, EnginePreview
from limbeck_server.jobs import Job, with_checkpoint
from limbeck_server.kept_files import SavedCheckpoint, SavedMesh, thinned
from limbeck_server.milestones import Milestones, write_mesh
from limbeck_server.retention import robbed
from server.synthetic_engine import grid

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
