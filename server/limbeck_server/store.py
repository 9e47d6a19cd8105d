# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs on disk: a folder for each, named by its id, with job.json, summary.json and the asset."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import is_ulid
from limbeck_protocol.limits import MIB
from limbeck_protocol.strict_json import dump_json, load_json_object
from limbeck_protocol.typed import from_plain, to_plain
from limbeck_server.files import make_folder, storage_error, sync_folder, write_atomically
from limbeck_server.jobs import Artifact, Job

log = logging.getLogger("limbeck.server")
MAX_JOB_FILE_BYTES = 4 * MIB
MAX_JOB_FILE_DEPTH = 40


class Store:
    """The jobs' folders under one root."""

    def __init__(self, data_folder: Path) -> None:
        """Make the root if need be.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE.
        """
        self.jobs_folder = make_folder(data_folder / "jobs", mode=0o700)

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

    def save(self, job: Job) -> None:
        """Write job.json.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE; what was there before is still there.
        """
        folder = make_folder(self.folder(job.id))
        write_atomically(folder / "job.json", dump_json(to_plain(job)))

    def load_all(self) -> list[Job]:
        """Return every job that can be read, oldest first; leftovers of dead attempts are removed."""
        found = [self._load(folder) for folder in sorted(self.jobs_folder.iterdir()) if is_ulid(folder.name)]
        return [job for job in found if job is not None]

    def adopt_asset(self, job: Job, name: str, size: int, sha256: str) -> Artifact:
        """Move the file that an attempt made into the job's folder and return it as an artifact.

        Raises:
            ProtocolError: E_WORKER_CRASH if it is not what the worker said; E_DISK_FULL or E_FILE.
        """
        made = self.attempt_folder(job) / name
        suffix = made.suffix.lower()
        if Path(name).name != name or not made.is_file() or made.stat().st_size != size:
            raise ProtocolError(
                "E_WORKER_CRASH", f"expected the asset {name!r} of {size} bytes, got none", "submit again"
            )
        artifact = Artifact(f"asset{suffix}", size, sha256, suffix)
        target = self.folder(job.id) / artifact.file
        try:
            made.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise storage_error(error, target) from error
        return artifact

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
        """Remove what an attempt left; of a job without an asset keep job.json alone."""
        shutil.rmtree(self.attempt_folder(job), ignore_errors=True)
        if job.asset is None:
            for path in self.folder(job.id).iterdir():
                if path.name != "job.json":
                    path.unlink(missing_ok=True)

    def forget(self, job: Job) -> None:
        """Remove a job's folder."""
        shutil.rmtree(self.folder(job.id), ignore_errors=True)

    def _load(self, folder: Path) -> Job | None:
        try:
            encoded = (folder / "job.json").read_bytes()
            job: Job = from_plain(Job, load_json_object(encoded, MAX_JOB_FILE_BYTES, MAX_JOB_FILE_DEPTH))
        except (OSError, ProtocolError) as error:
            log.warning("job folder skipped", extra={"job": folder.name, "reason": str(error)})
            return None
        for leftover in folder.glob("attempt-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return job if job.id == folder.name else None


def not_found(job_id: str) -> ProtocolError:
    """Return the error for a job that this server does not have."""
    return ProtocolError(
        "E_NOT_FOUND", f"there is no job {job_id[:64]!r}", "see all jobs with: limbeck status", field="job"
    )
