# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The database of jobs: what a restart finds, a full disk, damage, and what is kept for how long."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.messages import Progress
from limbeck_server.board import Board
from limbeck_server.database import FILE_NAME
from limbeck_server.jobs import NEXT_STATES, Job, in_state, with_checkpoint
from limbeck_server.kept_files import Artifact, SavedCheckpoint, SavedMesh
from limbeck_server.retention import surplus
from limbeck_server.store import Store

SPEC = JobSpec("a penguin")
CHECKPOINTS = tuple(SavedCheckpoint(f"checkpoint-1-{step}.safetensors", 10, "a" * 64, step) for step in (10, 20, 30))
MESH = SavedMesh("mesh-1-10.mesh", 60, "c" * 64, 3, 1)
MILESTONE = replace(CHECKPOINTS[0], attempt=1, seconds=2.5, milestone=1, mesh=MESH)


@pytest.fixture
def full(store: Store) -> Callable[[], None]:
    """Let the database have no room to grow, until it is told to."""
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    return lambda: store._database.execute("PRAGMA max_page_count = 1000000") and None


def reopened(tmp_path: Path) -> Board:
    return Board(Store(tmp_path), max_queued=10)


def run_to(board: Board, job_id: str, *states: str) -> Job:
    for state in states:
        board.change(job_id, state)
    return board.get(job_id)


def test_everything_about_a_job_is_read_back(board: Board, tmp_path: Path) -> None:
    job = board.submit("me", "key", SPEC, priority=3)[0]
    board.move(job.id, "starting", attempt=1)
    board.change(job.id, "running")
    board.warn(job.id, "W_WORDS", "careful")
    board.advance(job.id, Progress("optimising", 30, 40))
    for checkpoint in (MILESTONE, *CHECKPOINTS[1:]):
        board.happen(job.id, lambda job, c=checkpoint: with_checkpoint(job, c))
    asset = Artifact("asset.glb", 5, "b" * 64, ".glb")
    board.change(job.id, "succeeded", summary={"faces": 7}, asset=asset)
    found = reopened(tmp_path).get(job.id)
    assert found == board.get(job.id)
    assert [c.step for c in found.checkpoints] == [30, 20, 10]
    assert found.checkpoints[2] == MILESTONE
    assert found.ended_at is not None
    assert (found.step, found.steps, found.priority) == (30, 40, 3)


def test_attempts_are_kept_with_how_they_ended(board: Board, store: Store) -> None:
    job = board.submit("me", "key", SPEC)[0]
    board.move(job.id, "starting", attempt=1)
    board.change(job.id, "running")
    board.advance(job.id, Progress("optimising", 3, 9))
    board.happen(job.id, lambda job: in_state(in_state(job, "interrupted"), "queued"))
    rows = store._database.execute("SELECT attempt, ending, step, ended_at >= started_at FROM attempts").fetchall()
    assert rows == [(1, "interrupted", 3, 1)]


def test_a_change_is_saved_only_on_top_of_what_it_was_made_from(board: Board, store: Store) -> None:
    job = board.submit("me", "key", SPEC)[0]
    board.change(job.id, "cancelled")
    with pytest.raises(ProtocolError, match="E_BAD_STATE"):
        store.save(job, replace(in_state(job, "starting"), rev=1))
    assert [found.state for found in store.load_all()] == ["cancelled"]


def test_a_refused_change_leaves_no_event(store: Store, board: Board) -> None:
    job = board.submit("me", "key", SPEC)[0]
    twice = replace(in_state(job, "paused"), rev=1, spec_hash=None)
    with pytest.raises(ProtocolError, match="E_FILE"):
        store.save(job, twice)
    (found,) = store.load_all()
    assert found == job


@given(st.lists(st.integers(0, 9), max_size=12))
@settings(max_examples=25)
def test_any_walk_through_the_states_is_read_back(tmp_path_factory: pytest.TempPathFactory, choices: list[int]) -> None:
    with closing(Store(tmp_path_factory.mktemp("walk"))) as store:
        board = Board(store, max_queued=10)
        job = board.submit("me", "key", SPEC)[0]
        for choice in choices:
            following = NEXT_STATES[board.get(job.id).state]
            if following:
                board.change(job.id, following[choice % len(following)])
        assert store.load_all() == [board.get(job.id)]


def test_a_full_disk_refuses_what_clients_ask_for(board: Board, store: Store, full: Callable[[], None]) -> None:
    large = JobSpec("a penguin", negative_prompt="x" * 1000, overrides={f"a{n}": "x" * 1000 for n in range(20)})
    with pytest.raises(ProtocolError, match="E_DISK_FULL"):
        board.submit("me", "a", large)
    assert board.jobs() == store.load_all() == []
    full()
    assert board.submit("me", "a", large)[0].state == "queued"


def test_what_has_happened_is_saved_when_there_is_room_again(tmp_path: Path) -> None:
    with closing(Store(tmp_path)) as store:
        board = Board(store, max_queued=10)
        job = board.submit("me", "a", SPEC)[0]
        run_to(board, job.id, "starting", "running")
        (pages,) = store._database.execute("PRAGMA page_count").fetchone()
        store._database.execute(f"PRAGMA max_page_count = {pages}")
        board.change(job.id, "finalizing")
        board.change(job.id, "succeeded", summary={"text": "x" * 20_000})
        assert board.get(job.id).state == "succeeded"
        assert (board.told(job.id).state, board.has_unsaved) == ("finalizing", True), "nobody is told before"
        board.save_again(1.0)
        store._database.execute("PRAGMA max_page_count = 1000000")
        board.save_again(1.5)
        assert board.has_unsaved, "it is tried once a second"
        board.save_again(2.5)
        assert board.told(job.id).state == "succeeded"
        (found,) = store.load_all()
    assert found == board.get(job.id)
    assert [event.state for event in found.events] == ["queued", "starting", "running", "finalizing", "succeeded"]


def test_a_damaged_database_is_refused_with_what_to_do(board: Board, store: Store, tmp_path: Path) -> None:
    for key in "abcdefgh":
        board.submit("me", key, SPEC)
    store.close()
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    content[4096:9000] = b"\xa5" * 4904
    path.write_bytes(content)
    with pytest.raises(ProtocolError, match="E_STORE_DAMAGED") as refused:
        Store(tmp_path)
    assert FILE_NAME in refused.value.remedy
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with pytest.raises(ProtocolError, match="E_STORE_DAMAGED"):
        Store(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE jobs SET id = '../../x'",
        "UPDATE jobs SET spec = CAST(x'7b22ff' AS TEXT)",
        "UPDATE jobs SET client = CAST(x'ff' AS TEXT)",
        "INSERT INTO artifacts (job, file, kind, size, sha256, rank) SELECT id, '../x', 'asset', 1, 'a', 0 FROM jobs",
        "DROP TABLE jobs",
        "DROP TABLE artifacts",
        "ALTER TABLE jobs DROP COLUMN stage",
        "PRAGMA user_version = 0",
    ],
)
def test_rows_that_no_server_wrote_are_damage(board: Board, store: Store, tmp_path: Path, damage: str) -> None:
    board.submit("me", "a", SPEC)
    store.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.executescript(damage)
    with pytest.raises(ProtocolError, match="E_STORE_DAMAGED") as error:
        reopened(tmp_path)
    assert "backup" in error.value.remedy


def test_what_is_to_be_forgotten_is_no_path(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    store._database.execute("INSERT INTO pruned VALUES ('../x')")
    store.sweep([])
    assert (tmp_path / "x").is_dir()
    assert store._database.execute("SELECT job FROM pruned").fetchall() == []


def test_files_that_no_row_names_are_swept(board: Board, store: Store, tmp_path: Path) -> None:
    job = board.submit("me", "a", SPEC)[0]
    board.change(job.id, "starting", attempt=1)
    board.happen(job.id, lambda job: with_checkpoint(job, MILESTONE))
    board.happen(job.id, lambda job: in_state(in_state(job, "interrupted"), "queued"))
    folder = store.folder(job.id)
    (folder / "attempt-1").mkdir()
    kept = ["checkpoint-1-10.safetensors", "checkpoint-1-10.json", MESH.file, "log.txt"]
    for name in [
        *kept,
        "attempt-1/asset.glb",
        "checkpoint-1-20.safetensors",
        "mesh-1-20.mesh",
        "asset.glb",
        ".log.part",
    ]:
        (folder / name).write_bytes(b"x")
    (store.jobs_folder / new_ulid()).mkdir()
    store.sweep(board.jobs())
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
    assert len(list(store.jobs_folder.iterdir())) == 2, "a folder of an unknown job may be of a database put aside"


def test_a_job_that_is_forgotten_leaves_nothing_even_when_that_is_cut_short(
    board: Board, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [board.submit("me", key, SPEC)[0] for key in "ab"]
    for job in jobs:
        board.change(job.id, "cancelled")
        store.folder(job.id).mkdir(exist_ok=True)
    board.forget(jobs[0])
    assert not store.folder(jobs[0].id).exists()
    with monkeypatch.context() as patch:
        patch.setattr(store, "_remove_pruned", lambda _job: None)  # as if the server had been killed there
        board.forget(jobs[1])
    assert store.folder(jobs[1].id).exists()
    again = reopened(tmp_path)
    again._store.sweep(again.jobs())
    assert again.jobs() == []
    assert not store.folder(jobs[1].id).exists()


def test_the_oldest_ended_jobs_go_first_and_jobs_that_wait_never() -> None:
    asset = Artifact("asset.glb", 100, "0" * 64, ".glb")
    ended = [Job(new_ulid(), "me", str(n), "0", SPEC, n, state="succeeded", asset=asset) for n in range(4)]
    waiting = Job(new_ulid(), "me", "w", "0", SPEC, 9.0)
    jobs = [waiting, *ended]
    assert surplus(jobs, 4, 400) == []
    assert surplus(jobs, 3, 400) == ended[:1]
    assert surplus(jobs, 4, 250) == ended[:2]
    assert surplus([waiting], 0, 0) == []


def test_higher_priority_goes_first_then_the_lower_place(board: Board) -> None:
    a, b, c = (board.submit("me", key, SPEC, priority=p)[0] for key, p in [("a", 0), ("b", 0), ("c", 1)])
    assert [job.id for job in board.queue()] == [c.id, a.id, b.id]
    board.request(b.id, lambda job: replace(job, place=a.place - 1))
    assert [job.id for job in board.queue()] == [c.id, b.id, a.id]
    assert board.next_queued().id == c.id
