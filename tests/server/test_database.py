# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The database of jobs after other versions: newer, older, from before it, and what counts as a full disk."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.strict_json import dump_json
from limbeck_protocol.typed import to_plain
from limbeck_server.board import Board
from limbeck_server.database import FILE_NAME, MIGRATIONS, database_error
from limbeck_server.jobs import Job
from limbeck_server.kept_files import Artifact, SavedCheckpoint
from limbeck_server.store import Store

SPEC = JobSpec("a penguin")


def test_only_a_full_disk_is_called_full() -> None:
    def told(code: int) -> ProtocolError:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        return database_error(error, Path("limbeck.db"))

    full, broken = told(sqlite3.SQLITE_FULL), told(sqlite3.SQLITE_IOERR_FSYNC)
    assert (full.code, broken.code) == ("E_DISK_FULL", "E_DISK_FULL"), "both are tried again"
    assert "no space left" in full.message
    assert "disk I/O error" in broken.message


def test_a_newer_database_is_refused(store: Store, tmp_path: Path) -> None:
    store._database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    store.close()
    with pytest.raises(ProtocolError, match="E_STORE_NEWER"):
        Store(tmp_path)


def test_an_older_database_is_backed_up_and_migrated(
    board: Board, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.submit("me", "a", SPEC)
    store.close()
    monkeypatch.setattr("limbeck_server.database.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE new (x) STRICT_TYPO;"))
    with pytest.raises(ProtocolError, match="E_STORE_DAMAGED"):
        Store(tmp_path)
    monkeypatch.setattr("limbeck_server.database.MIGRATIONS", (*MIGRATIONS, "ALTER TABLE jobs ADD COLUMN x TEXT;"))
    with closing(Store(tmp_path)) as migrated:
        assert len(migrated.load_all()) == 1
        assert migrated._database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    with closing(sqlite3.connect(tmp_path / f"{FILE_NAME}.v{len(MIGRATIONS)}.backup")) as backup:
        assert backup.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_a_database_from_before_milestones_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limbeck_server.database.MIGRATIONS", MIGRATIONS[:1])
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as old:
        for statement in filter(str.strip, MIGRATIONS[0].split(";")):
            old.execute(statement)
        job, spec = new_ulid(), dump_json(to_plain(SPEC)).decode()
        for key, state in ((job, "succeeded"), (new_ulid(), "queued")):
            values = (key, "me", key, "0", spec, 5.0, state, 1, 1, 0, 0, 0, 5.0, "", "", 9, 9)
            old.execute(
                "INSERT INTO jobs (id, client, key, spec_hash, spec, created_at, state, rev, attempt, worker_losses, "
                f"interruptions, priority, place, wish, stage, step, steps) VALUES ({', '.join('?' * len(values))})",
                values,
            )
            old.execute("INSERT INTO events VALUES (?, 1, 7.5, ?)", (key, '{"kind":"state","state":"queued"}'))
        old.execute("INSERT INTO artifacts VALUES (?, 'c.safetensors', 'checkpoint', 5, 'a', NULL, 9, 0)", (job,))
        old.execute("PRAGMA user_version = 1")
        old.commit()
    monkeypatch.undo()
    with closing(Store(tmp_path)) as store:
        found = {one.id: one for one in store.load_all()}
        assert [one.ended_at for one in found.values() if one.id != job] == [None]
        assert found[job].ended_at == 7.5
        assert found[job].checkpoints == (SavedCheckpoint("c.safetensors", 5, "a", 9),)


def test_job_folders_from_before_the_database_are_adopted(tmp_path: Path) -> None:
    old = Job(new_ulid(), "me", "key", "0" * 64, SPEC, 5.0, state="succeeded", asset=Artifact("a.glb", 1, "0", ".glb"))
    for name, content in {old.id: dump_json(to_plain(old)), "0" * 26: b"\xff", "1" * 26: b'{"id":"../x"}'}.items():
        folder = tmp_path / "jobs" / name
        folder.mkdir(parents=True)
        (folder / "job.json").write_bytes(content)
    for _ in range(2):
        with closing(Store(tmp_path)) as store:
            assert store.load_all() == [replace(old, place=5.0)]
    assert sorted(path.parent.name for path in tmp_path.glob("jobs/*/job.json")) == ["0" * 26, "1" * 26]
