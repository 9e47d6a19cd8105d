# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs that outlive the server: rows in SQLite, and a folder for each with the files that the rows name.

A file is whole and in place before the row that names it is committed, and a row is gone before its files are. So a
crash leaves at most files that no row names; the next start removes those.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import is_ulid
from limbeck_protocol.limits import MAX_PREVIEW_BYTES
from limbeck_protocol.mesh_codec import packed_size_bytes
from limbeck_server.database import FILE_NAME, open_database, storing, transaction
from limbeck_server.files import make_folder, storage_error, sync_folder
from limbeck_server.job_log import LOG
from limbeck_server.jobs import Job
from limbeck_server.kept_files import Artifact, SavedCheckpoint, SavedMesh
from limbeck_server.legacy import read_job_files
from limbeck_server.rows import insert_job, load_jobs, require_readable, update_job
from limbeck_server.worker_messages import Checkpointed, MeshFile

log = logging.getLogger("limbeck.server")
SUMMARY = "summary.json"
MESH_SUFFIX = ".mesh"


class Store:
    """The database and the jobs' folders under one root."""

    def __init__(self, data_folder: Path) -> None:
        """Open the database and make the folders if need be.

        Raises:
            ProtocolError: E_STORE_DAMAGED, E_STORE_NEWER, E_DISK_FULL or E_FILE.
        """
        self.jobs_folder = make_folder(data_folder / "jobs", mode=0o700)
        self._path = data_folder / FILE_NAME
        self._database = open_database(data_folder)
        self._adopt_job_files()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def folder(self, job_id: str) -> Path:
        """Return a job's folder; only a well-formed id ever becomes part of a path.

        Raises:
            ProtocolError: E_NOT_FOUND for anything else.
        """
        if not is_ulid(job_id):
            raise not_found(job_id)
        return self.jobs_folder / job_id

    def attempt_folder(self, job: Job) -> Path:
        """Return the folder that the current attempt's engine writes to."""
        return self.folder(job.id) / f"attempt-{job.attempt}"

    def save(self, before: Job | None, after: Job) -> None:
        """Commit a new job, or what has become of one that was saved as ``before``, with its new events.

        Raises:
            ProtocolError: E_DISK_FULL, E_FILE or E_BAD_STATE; then nothing of it is saved.
        """
        with storing(self._path), transaction(self._database):
            if before is None:
                insert_job(self._database, after)
            else:
                update_job(self._database, before, after)

    def load_all(self) -> list[Job]:
        """Return every job, oldest first.

        Raises:
            ProtocolError: E_STORE_DAMAGED.
        """
        with storing(self._path):
            return require_readable(load_jobs(self._database))

    def sweep(self, jobs: list[Job]) -> None:
        """Remove files that no row names: leftovers of dead attempts, and jobs that were being forgotten.

        A folder whose job is unknown for another reason (the database was moved away) is left alone.
        """
        with storing(self._path):
            pruned = self._database.execute("SELECT job FROM pruned").fetchall()
        for (job_id,) in pruned:
            self._remove_pruned(job_id)
        for job in jobs:
            self.tidy(job)
        known = {job.id for job in jobs}
        strange = [path.name for path in self.jobs_folder.iterdir() if path.name not in known]
        if strange:
            log.warning("job folders without a job", extra={"count": len(strange), "first": strange[0]})

    def adopt_asset(self, job: Job, name: str, size: int, sha256: str) -> Artifact:
        """Move the file that an attempt made into the job's folder and return it as an artifact.

        Raises:
            ProtocolError: E_WORKER_CRASH if it is not what the worker said; E_DISK_FULL or E_FILE.
        """
        suffix = Path(name).suffix.lower()
        artifact = Artifact(f"asset{suffix}", size, sha256, suffix)
        self._adopt(job, name, size, artifact.file)
        return artifact

    def adopt_checkpoint(self, job: Job, made: Checkpointed) -> SavedCheckpoint:
        """Move a checkpoint, the JSON beside it and its mesh into the job's folder.

        Raises:
            ProtocolError: as ``adopt_asset`` does.
        """
        name = f"checkpoint-{job.attempt}-{made.step}.safetensors"
        beside = Path(made.file).with_suffix(".json").name
        if (self.attempt_folder(job) / beside).is_file():
            self._adopt(job, beside, None, Path(name).with_suffix(".json").name)
        mesh = None if made.mesh is None else self._adopt_mesh(job, made.step, made.mesh)
        self._adopt(job, made.file, made.size, name)
        known = (name, made.size, made.sha256, made.step, job.attempt, made.seconds, made.milestone)
        return SavedCheckpoint(*known, mesh)

    def copy_checkpoint(self, job: Job, checkpoint: SavedCheckpoint, other: str) -> None:
        """Give another job, which has no row yet, a checkpoint of this one.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE.
        """
        target = make_folder(self.folder(other))
        try:
            for name in (checkpoint.file, *([checkpoint.mesh.file] if checkpoint.mesh else [])):
                _share(self.folder(job.id) / name, target / name)
            _sync(target)
        except OSError as error:
            raise storage_error(error, target) from error

    def asset_path(self, job: Job) -> Path:
        """Return the path of a job's asset.

        Raises:
            ProtocolError: E_NOT_FOUND if it has none.
        """
        if job.asset is None:
            message = f"job {job.id} has no asset; it is {job.state}"
            raise ProtocolError("E_NOT_FOUND", message, f"wait for it with: limbeck watch {job.id}")
        return self.folder(job.id) / job.asset.file

    def tidy(self, job: Job) -> None:
        """Remove what no row of the job names; the current attempt's folder only stays while it is at work."""
        named = {LOG, *(c.file for c in job.checkpoints), *(_json_of(c) for c in job.checkpoints)}
        named |= {c.mesh.file for c in job.checkpoints if c.mesh}
        named |= {job.asset.file, SUMMARY} if job.asset else set()
        named |= {self.attempt_folder(job).name} if job.is_at_work else set()
        for path in _children(self.folder(job.id)):
            if path.name not in named:
                _remove(path)

    def forget(self, job: Job) -> None:
        """Remove a job that has ended: its rows, then its folder.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE; then the job is still there.
        """
        with storing(self._path), transaction(self._database):
            self._database.execute("INSERT OR IGNORE INTO pruned (job) VALUES (?)", (job.id,))
            self._database.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
        self._remove_pruned(job.id)

    def discard(self, job_id: str) -> None:
        """Remove the folder of a job that never got a row."""
        _remove(self.folder(job_id))

    def _remove_pruned(self, job_id: str) -> None:
        if is_ulid(job_id):  # a damaged database may say anything
            _remove(self.folder(job_id))
        with storing(self._path):
            self._database.execute("DELETE FROM pruned WHERE job = ?", (job_id,))

    def _adopt_mesh(self, job: Job, step: int, made: MeshFile) -> SavedMesh:
        if made.size != packed_size_bytes(made.vertices, made.faces, made.edges) or made.size > MAX_PREVIEW_BYTES:
            what = f"expected a mesh of {made.vertices} vertices and {made.faces} faces, got {made.size} bytes"
            raise ProtocolError("E_WORKER_CRASH", what, f"try again: limbeck retry {job.id}")
        mesh = SavedMesh(
            f"mesh-{job.attempt}-{step}{MESH_SUFFIX}", made.size, made.sha256, made.vertices, made.faces, made.edges
        )
        self._adopt(job, made.file, made.size, mesh.file)
        return mesh

    def _adopt(self, job: Job, name: str, size: int | None, new_name: str) -> None:
        made, target = self.attempt_folder(job) / name, self.folder(job.id) / new_name
        is_there = Path(name).name == name and made.is_file()
        if not is_there or size not in (None, made.stat().st_size):
            what = f"expected the file {name!r} of {size} bytes from the worker, got none"
            raise ProtocolError("E_WORKER_CRASH", what, f"try again: limbeck retry {job.id}")
        try:
            made.replace(target)
            _sync(target.parent)
        except OSError as error:
            raise storage_error(error, target) from error

    def _adopt_job_files(self) -> None:
        """Take over the jobs of servers before there was a database, each from its folder's job.json."""
        with storing(self._path):
            known = {row[0] for row in self._database.execute("SELECT id FROM jobs")}
        for path, job in read_job_files(self.jobs_folder):
            if job.id not in known:
                self.save(None, job)
                log.info("job adopted", extra={"job": job.id, "state": job.state})
            path.unlink(missing_ok=True)


def not_found(job_id: str) -> ProtocolError:
    """Return the error for a job that this server does not have."""
    return ProtocolError(
        "E_NOT_FOUND", f"there is no job {job_id[:64]!r}", "see all jobs with: limbeck status", field="job"
    )


def _json_of(checkpoint: SavedCheckpoint) -> str:
    return Path(checkpoint.file).with_suffix(".json").name


def _share(source: Path, target: Path) -> None:
    """Give a file another name, or copy it where that cannot be; neither is ever written to again."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a rename in a job's folder survive a power cut, and the folder itself, which may be new."""
    sync_folder(folder)
    sync_folder(folder.parent)


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it was never made, or cannot be read: there is nothing to remove
        return []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("file not removed", extra={"file": str(path), "reason": str(error)})
