# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""All jobs of the server: who submitted what, what comes next, and every change saved before anybody hears of it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, JobState, spec_hash
from limbeck_protocol.messages import JobEvent, Progress
from limbeck_server.jobs import Job, in_state, warned, with_event
from limbeck_server.store import Store, not_found

log = logging.getLogger("limbeck.server")


class Board:
    """The jobs by id, oldest first.

    Attributes:
        progress: the latest progress of each job that runs.
    """

    def __init__(self, store: Store, max_queued: int) -> None:
        """Load what earlier servers left; a job that one of them was running has failed."""
        self._store = store
        self._max_queued = max_queued
        self._jobs = {job.id: job for job in store.load_all()}
        self._keys = {(job.client, job.key): job.id for job in self._jobs.values()}
        self.progress: dict[str, Progress] = {}
        for job in list(self._jobs.values()):
            if job.state != "queued" and not job.has_ended:
                self.change(job.id, "failed", error=server_stopped().to_dict())

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            ProtocolError: E_NOT_FOUND.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise not_found(job_id)
        return job

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return list(self._jobs.values())

    def submit(self, client: str, key: str, spec: JobSpec) -> tuple[Job, bool]:
        """Return the job for this key, and whether it was there already.

        Raises:
            ProtocolError: E_KEY_CONFLICT, E_QUEUE_FULL, E_DISK_FULL or E_FILE; there is no new job then.
        """
        known, digest = self._keys.get((client, key)), spec_hash(spec)
        if known is not None:
            job = self._jobs[known]
            if job.spec_hash != digest:
                message = f"expected the key {key!r} with the description it was first used for, got another"
                raise ProtocolError("E_KEY_CONFLICT", message, "submit with a new key", field="key")
            return job, True
        if sum(job.state == "queued" for job in self._jobs.values()) >= self._max_queued:
            message = f"{self._max_queued} jobs are waiting already"
            raise ProtocolError("E_QUEUE_FULL", message, "wait, or cancel some", retryable=True, retry_after_ms=60_000)
        job = Job(new_ulid(), client, key, digest, spec, time.time())
        job = with_event(job, JobEvent("state", "queued"))
        try:
            self._store.save(job)
        except ProtocolError:
            self._store.forget(job)
            raise
        self._jobs[job.id], self._keys[client, key] = job, job.id
        log.info("job queued", extra={"job": job.id, "client": client, "recipe": spec.recipe_name})
        return job, False

    def next_queued(self) -> Job | None:
        """Return the job that has waited longest."""
        return next((job for job in self._jobs.values() if job.state == "queued"), None)

    def change(self, job_id: str, state: JobState, **changes: Any) -> Job:
        """Bring a job into another state and save it.

        Success that cannot be saved is failure; any other state is kept in memory when the disk is full.

        Raises:
            ProtocolError: E_NOT_FOUND or E_BAD_STATE.
        """
        before = self.get(job_id)
        job = in_state(before, state, **changes)
        try:
            self._store.save(job)
        except ProtocolError as error:
            log.error(
                "job not saved", extra={"job": job_id, "state": state, "code": error.code, "reason": error.message}
            )
            if state == "succeeded":
                job = in_state(before, "failed", error=error.to_dict())
        self._jobs[job_id] = job
        if job.has_ended:
            self.progress.pop(job_id, None)
        log.info("job state", extra={"job": job_id, "state": job.state, "attempt": job.attempt, "error": job.error})
        return job

    def warn(self, job_id: str, code: str, message: str) -> None:
        """Add a warning to a job; it is saved with the next change of state."""
        self._jobs[job_id] = warned(self.get(job_id), code, message)

    def advance(self, job_id: str, progress: Progress) -> None:
        """Note a job's progress; it is not saved."""
        self.progress[job_id] = progress
        job = self.get(job_id)
        is_counted = progress.steps > 0  # a stage without steps leaves the last count standing
        step, steps = (progress.step, progress.steps) if is_counted else (job.step, job.steps)
        self._jobs[job_id] = replace(job, stage=progress.stage, step=step, steps=steps)


def server_stopped() -> ProtocolError:
    """Return why a job failed that ran when its server stopped."""
    return ProtocolError(
        "E_SERVER_STOPPED", "the server stopped while the job ran", "submit the job again", retryable=True
    )
