# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server's SQLite file: opened safely, checked, brought to this version's schema, and its errors typed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_server.files import make_folder

FILE_NAME = "limbeck.db"
BUSY_TIMEOUT_S = 5.0
FULL_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE)
DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""The last one is a table or column that is not there, or there where a migration would make it."""

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, client TEXT NOT NULL, key TEXT NOT NULL, spec_hash TEXT NOT NULL, spec TEXT NOT NULL,
        created_at REAL NOT NULL, state TEXT NOT NULL, rev INTEGER NOT NULL, attempt INTEGER NOT NULL,
        worker_losses INTEGER NOT NULL, interruptions INTEGER NOT NULL, priority INTEGER NOT NULL, place REAL NOT NULL,
        wish TEXT NOT NULL, parent TEXT, stage TEXT NOT NULL, step INTEGER NOT NULL, steps INTEGER NOT NULL,
        error TEXT, summary TEXT, UNIQUE (client, key)
    ) STRICT;
    CREATE TABLE events (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, seq INTEGER NOT NULL, at REAL NOT NULL,
        event TEXT NOT NULL, PRIMARY KEY (job, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE attempts (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, attempt INTEGER NOT NULL, started_at REAL NOT NULL,
        ended_at REAL, ending TEXT, step INTEGER, PRIMARY KEY (job, attempt)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE artifacts (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, file TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('asset', 'checkpoint')), size INTEGER NOT NULL, sha256 TEXT NOT NULL,
        suffix TEXT, step INTEGER, rank INTEGER NOT NULL, PRIMARY KEY (job, file)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pruned (job TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE artifacts ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE artifacts ADD COLUMN seconds REAL;
    ALTER TABLE artifacts ADD COLUMN milestone INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE artifacts ADD COLUMN mesh TEXT;
    ALTER TABLE jobs ADD COLUMN ended_at REAL;
    UPDATE jobs SET ended_at = (SELECT MAX(at) FROM events WHERE events.job = jobs.id)
        WHERE state IN ('succeeded', 'failed', 'cancelled');
    """,
)
"""One script per schema version; ``user_version`` counts those that a file has seen. Never edit one, append."""


def open_database(folder: Path) -> sqlite3.Connection:
    """Open the folder's database, whole and of this version's schema.

    Raises:
        ProtocolError: E_STORE_DAMAGED, E_STORE_NEWER, E_DISK_FULL or E_FILE.
    """
    path = make_folder(folder, mode=0o700) / FILE_NAME
    with storing(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        with storing(path):
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            _require_whole(connection, path)
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit everything in the block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself where the disk is full
            connection.execute("ROLLBACK")
        raise


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite and of the operating system into those that the user can act on."""
    try:
        yield
    except sqlite3.Error as error:
        raise database_error(error, path) from error
    except OSError as error:
        message = f"{path} cannot be opened: {error.strerror}"
        raise ProtocolError("E_FILE", message, "check the path and its permissions") from error


def database_error(error: sqlite3.Error, path: Path) -> ProtocolError:
    """Return the typed error for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code in FULL_CODES:
        what = f"no space left to write {path}" if code == sqlite3.SQLITE_FULL else f"{path} cannot be written: {error}"
        return ProtocolError("E_DISK_FULL", what, "free some space, or look after the disk", retryable=True)
    is_undecodable = isinstance(error, sqlite3.OperationalError) and not code  # Python's own: text that is no UTF-8
    if code & 0xFF in DAMAGE_CODES or is_undecodable:
        return _damaged(path, str(error))
    return ProtocolError("E_FILE", f"{path} cannot be written: {error}", "check the path and its permissions")


def _require_whole(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise _damaged(path, found)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        message = f"{path} was written by a newer Limbeck (schema {version}, this one knows {len(MIGRATIONS)})"
        raise ProtocolError("E_STORE_NEWER", message, "update Limbeck, or set LIMBECK_DATA_DIR to another folder")
    if 0 < version < len(MIGRATIONS):
        with closing(sqlite3.connect(path.with_name(f"{FILE_NAME}.v{version}.backup"))) as backup:
            connection.backup(backup)
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        with transaction(connection):
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _damaged(path: Path, what: str) -> ProtocolError:
    first_line = what.partition("\n")[0][:200]
    remedy = f"put a backup of {path.name} in its place, or move it away to start with no jobs"
    return ProtocolError("E_STORE_DAMAGED", f"the database {path} is damaged: {first_line}", remedy)
