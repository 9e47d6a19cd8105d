# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs and blobs on disk: idempotent, durable, and honest when the disk is full."""

import errno
import os
from pathlib import Path

import pytest

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import is_ulid, new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.messages import Progress
from limbeck_server.board import Board
from limbeck_server.files import write_atomically
from limbeck_server.jobs import NEXT_STATES, Job, in_state, warned
from limbeck_server.lock import FolderLock
from limbeck_server.store import Store

SPEC = JobSpec("a penguin")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(Store(tmp_path), max_queued=3)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch):
    """Make every durable write fail, as a full disk does, until it is told to stop."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    return monkeypatch.undo


def finish(board: Board, job_id: str) -> Job:
    for state in ("starting", "running", "finalizing", "succeeded"):
        board.change(job_id, state)
    return board.get(job_id)


def test_one_key_is_one_job_and_another_description_a_conflict(board: Board) -> None:
    job, is_duplicate = board.submit("me", "key", SPEC)
    assert not is_duplicate
    assert board.submit("me", "key", JobSpec("a penguin")) == (job, True)
    with pytest.raises(ProtocolError, match="E_KEY_CONFLICT"):
        board.submit("me", "key", JobSpec("a seagull"))
    assert board.submit("you", "key", JobSpec("a seagull"))[0].id != job.id


def test_the_queue_has_an_end(board: Board) -> None:
    for key in "abc":
        board.submit("me", key, SPEC)
    with pytest.raises(ProtocolError, match="E_QUEUE_FULL"):
        board.submit("me", "d", SPEC)
    assert not board.submit("me", "a", SPEC)[0].has_ended


def test_jobs_run_in_the_order_in_which_they_came(board: Board) -> None:
    first, second = (board.submit("me", key, SPEC)[0] for key in "ab")
    assert board.next_queued() == first
    board.change(first.id, "cancelled")
    assert board.next_queued() == second


def test_jobs_survive_a_restart(board: Board, tmp_path: Path) -> None:
    done, running, waiting = (board.submit("me", key, SPEC)[0].id for key in "abc")
    finish(board, done)
    board.change(running, "starting", attempt=1)
    again = Board(Store(tmp_path), max_queued=3)
    assert [job.id for job in again.jobs()] == sorted([done, running, waiting])
    assert again.get(done) == board.get(done)
    assert again.get(running).state == "starting"
    assert again.next_queued().id == waiting
    assert again.submit("me", "a", SPEC) == (board.get(done), True)
    assert len(again.get(running).events) == 2


def test_every_event_has_a_number_and_only_allowed_states_follow(board: Board) -> None:
    job_id = board.submit("me", "a", SPEC)[0].id
    board.warn(job_id, "W", "careful")
    job = finish(board, job_id)
    assert [event.kind for event in job.events] == ["state", "warning", *["state"] * 4]
    for state in NEXT_STATES:
        with pytest.raises(ProtocolError, match="E_BAD_STATE"):
            in_state(job, state)


def test_warnings_do_not_grow_without_end(board: Board) -> None:
    job = board.submit("me", "a", SPEC)[0]
    for _ in range(500):
        job = warned(job, "W", "again")
    assert len(job.events) == 101


def test_a_stage_without_steps_leaves_the_count_standing(board: Board) -> None:
    job_id = board.submit("me", "a", SPEC)[0].id
    board.advance(job_id, Progress("optimising", 5, 9))
    board.advance(job_id, Progress("exporting", 0, 0))
    job = board.get(job_id)
    assert (job.stage, job.step, job.steps) == ("exporting", 5, 9)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, full_disk) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(ProtocolError, match="E_DISK_FULL"):
        write_atomically(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.json": b"old"}


@pytest.mark.parametrize(
    "job_id", ["", ".", "..", "../x", "/etc/passwd", "0" * 25, "0" * 26 + "\n", "0" * 25 + "/", "C:\\x", "0" * 25 + "i"]
)
def test_only_well_formed_ids_become_paths(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(ProtocolError, match="E_NOT_FOUND"):
        Store(tmp_path).folder(job_id)


def test_an_asset_is_adopted_only_from_its_own_attempt(board: Board, tmp_path: Path) -> None:
    store, job = Store(tmp_path), board.submit("me", "a", SPEC)[0]
    folder = store.attempt_folder(job)
    folder.mkdir(parents=True)
    (folder / "made.glb").write_bytes(b"asset")
    (tmp_path / "secret").write_bytes(b"secret")
    for name, size in {"../../../secret": 6, "missing.glb": 5, "made.glb": 4}.items():
        with pytest.raises(ProtocolError, match="E_WORKER_CRASH"):
            store.adopt_asset(job, name, size, "0" * 64)
    assert store.adopt_asset(job, "made.glb", 5, "0" * 64).file == "asset.glb"
    assert (store.folder(job.id) / "asset.glb").read_bytes() == b"asset"


def test_a_folder_has_one_server(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(ProtocolError, match="E_SERVER_RUNNING"):
        FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("seconds", [-3_000_000_000, 0, 400_000_000_000])
def test_job_ids_are_well_formed_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr("limbeck_protocol.ids.time.time_ns", lambda: seconds * 1_000_000_000)
    assert is_ulid(new_ulid())


def test_job_ids_sort_by_age() -> None:
    assert new_ulid() < "8"
