# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs as rows of the database and back."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import is_ulid
from limbeck_protocol.limits import MIB
from limbeck_protocol.messages import JobEvent
from limbeck_protocol.strict_json import dump_json, load_json_object
from limbeck_protocol.typed import from_plain, to_plain
from limbeck_server.jobs import Job, bad_state
from limbeck_server.kept_files import Artifact, SavedCheckpoint, SavedMesh

PLAIN = (
    "id", "client", "key", "spec_hash", "created_at", "state", "rev", "attempt", "worker_losses", "interruptions",
    "priority", "place", "wish", "parent", "stage", "step", "steps", "ended_at",
)  # fmt: skip
ARTIFACT_COLUMNS = (
    "job", "file", "kind", "size", "sha256", "suffix", "step", "rank", "attempt", "seconds", "milestone", "mesh",
)  # fmt: skip
AS_JSON = ("spec", "error", "summary")
COLUMNS = (*PLAIN, *AS_JSON)
UNSAVED = ("stage", "step", "steps")
"""Progress: it changes in memory without being saved, so that what is saved may differ from ``before``."""
FILE = re.compile(r"[a-z0-9][A-Za-z0-9._-]{0,127}")
MAX_JSON_BYTES = 4 * MIB
MAX_JSON_DEPTH = 40


def insert_job(connection: sqlite3.Connection, job: Job) -> None:
    """Add a job with its events and artifacts."""
    values = ", ".join("?" * len(COLUMNS))
    connection.execute(f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({values})", _values(job, COLUMNS))  # noqa: S608
    _insert_events(connection, job, 0)
    _replace_artifacts(connection, job)


def update_job(connection: sqlite3.Connection, before: Job, after: Job) -> None:
    """Replace a job as it was saved by what has become of it, with its new events.

    Raises:
        ProtocolError: E_BAD_STATE if what is saved is not ``before``.
    """
    changing = [name for name in COLUMNS if name in UNSAVED or getattr(before, name) != getattr(after, name)]
    changes = ", ".join(f"{name} = ?" for name in changing)
    values = [*_values(after, changing), before.id, before.state, before.rev]
    cursor = connection.execute(f"UPDATE jobs SET {changes} WHERE id = ? AND state = ? AND rev = ?", values)  # noqa: S608
    if cursor.rowcount != 1:
        raise bad_state(f"expected job {before.id} as it was saved, {before.state} at revision {before.rev}")
    _insert_events(connection, after, len(before.events))
    if (before.asset, before.checkpoints) != (after.asset, after.checkpoints):
        _replace_artifacts(connection, after)
    _note_attempt(connection, before, after)


def load_jobs(connection: sqlite3.Connection) -> Iterator[Job]:
    """Yield all jobs, oldest first."""
    events: dict[str, list[JobEvent]] = defaultdict(list)
    for job_id, event in connection.execute("SELECT job, event FROM events ORDER BY job, seq"):
        events[job_id].append(from_plain(JobEvent, _object(event)))
    assets, checkpoints = _load_artifacts(connection)
    for row in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM jobs ORDER BY id"):  # noqa: S608
        plain: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
        plain |= {name: None if plain[name] is None else _object(plain[name]) for name in AS_JSON}
        job: Job = from_plain(Job, {name: value for name, value in plain.items() if value is not None})
        yield _require_own_files(_with(job, assets.get(job.id), checkpoints[job.id], events[job.id]))


def _with(job: Job, asset: Artifact | None, checkpoints: Sequence[SavedCheckpoint], events: Sequence[JobEvent]) -> Job:
    fields = {name: getattr(job, name) for name in COLUMNS}
    return Job(**fields, asset=asset, checkpoints=tuple(checkpoints), events=tuple(events))


def _require_own_files(job: Job) -> Job:
    """Return a job whose id and files are names in the folder of jobs, whoever has written to the database."""
    meshes = [checkpoint.mesh.file for checkpoint in job.checkpoints if checkpoint.mesh is not None]
    files = [*(checkpoint.file for checkpoint in job.checkpoints), *meshes, *([job.asset.file] if job.asset else [])]
    strange = next((file for file in files if FILE.fullmatch(file) is None), None)
    if strange is not None or not is_ulid(job.id):
        raise ValueError(f"expected names of the server's own making, got {(strange or job.id)[:64]!r}")
    return job


def _values(job: Job, names: Sequence[str]) -> list[Any]:
    return [_value(name, getattr(job, name)) for name in names]


def _value(name: str, value: Any) -> Any:
    return dump_json(to_plain(value)).decode() if name in AS_JSON and value is not None else value


def _object(text: str) -> dict[str, Any]:
    return load_json_object(text.encode(), MAX_JSON_BYTES, MAX_JSON_DEPTH)


def _insert_events(connection: sqlite3.Connection, job: Job, told: int) -> None:
    now = time.time()
    rows = [(job.id, seq, now, dump_json(to_plain(job.events[seq - 1])).decode()) for seq in _seqs(job, told)]
    connection.executemany("INSERT INTO events (job, seq, at, event) VALUES (?, ?, ?, ?)", rows)


def _seqs(job: Job, told: int) -> range:
    return range(told + 1, len(job.events) + 1)


def _replace_artifacts(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute("DELETE FROM artifacts WHERE job = ?", (job.id,))
    rows = [_checkpoint_row(job.id, rank, checkpoint) for rank, checkpoint in enumerate(job.checkpoints)]
    if job.asset is not None:
        asset = job.asset
        rows.append((job.id, asset.file, "asset", asset.size, asset.sha256, asset.suffix, None, 0, 0, None, 0, None))
    values = ", ".join("?" * len(ARTIFACT_COLUMNS))
    connection.executemany(f"INSERT INTO artifacts ({', '.join(ARTIFACT_COLUMNS)}) VALUES ({values})", rows)  # noqa: S608


def _checkpoint_row(job: str, rank: int, c: SavedCheckpoint) -> tuple[Any, ...]:
    mesh = None if c.mesh is None else dump_json(to_plain(c.mesh)).decode()
    return (job, c.file, "checkpoint", c.size, c.sha256, None, c.step, rank, c.attempt, c.seconds, c.milestone, mesh)


def _load_artifacts(
    connection: sqlite3.Connection,
) -> tuple[dict[str, Artifact], dict[str, list[SavedCheckpoint]]]:
    assets: dict[str, Artifact] = {}
    checkpoints: dict[str, list[SavedCheckpoint]] = defaultdict(list)
    rows = connection.execute(f"SELECT {', '.join(ARTIFACT_COLUMNS)} FROM artifacts ORDER BY job, rank")  # noqa: S608
    for job, file, kind, size, sha256, suffix, step, _rank, attempt, seconds, milestone, mesh in rows:
        if kind == "asset":
            assets[job] = Artifact(file, size, sha256, suffix)
        else:
            saved_mesh = None if mesh is None else from_plain(SavedMesh, _object(mesh))
            known = (file, size, sha256, step, attempt, seconds, milestone)
            checkpoints[job].append(SavedCheckpoint(*known, saved_mesh))
    return assets, checkpoints


def _note_attempt(connection: sqlite3.Connection, before: Job, after: Job) -> None:
    """Keep when each attempt began, how it ended and how far it had come: for people who look for causes."""
    now = time.time()
    if after.attempt != before.attempt:
        row = (after.id, after.attempt, now)
        connection.execute("INSERT OR REPLACE INTO attempts (job, attempt, started_at) VALUES (?, ?, ?)", row)
    if before.is_at_work and not after.is_at_work:
        change = "UPDATE attempts SET ended_at = ?, ending = ?, step = ? WHERE job = ? AND attempt = ?"
        connection.execute(change, (now, _ending(before, after), after.step, after.id, after.attempt))


def _ending(before: Job, after: Job) -> str:
    passed = [event.state for event in after.events[len(before.events) :] if event.kind == "state"]
    return passed[0] if passed else after.state


def require_readable(jobs: Iterator[Job]) -> list[Job]:
    """Return all jobs.

    Raises:
        ProtocolError: E_STORE_DAMAGED if a row is none that this version wrote.
    """
    try:
        return list(jobs)
    except (ProtocolError, ValueError) as error:  # text that is no UTF-8 is a ValueError
        why = error.message if isinstance(error, ProtocolError) else str(error)
        remedy = "put a backup of limbeck.db in its place, or move it away to start with no jobs"
        raise ProtocolError("E_STORE_DAMAGED", f"a job in the database cannot be read: {why[:200]}", remedy) from error
