# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""All jobs of the server: who submitted what, what comes next, and every change saved before anybody hears of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, JobState, spec_hash
from limbeck_protocol.messages import JobEvent, Progress
from limbeck_server.job_log import add_lines
from limbeck_server.jobs import Job, in_state, warned, with_event
from limbeck_server.kept_files import SavedCheckpoint
from limbeck_server.store import Store, not_found

log = logging.getLogger("limbeck.server")
SAVE_AGAIN_S = 1.0


class Board:
    """The jobs by id, oldest first.

    What clients ask for is committed or refused. What workers report has happened: it is kept in memory when it cannot
    be committed (a full disk), tried again by ``save_again``, and nobody is told before that succeeds.

    Attributes:
        progress: the latest progress of each job that runs.
    """

    def __init__(self, store: Store, max_queued: int) -> None:
        """Load what earlier servers left.

        Raises:
            ProtocolError: E_STORE_DAMAGED.
        """
        self._store = store
        self._max_queued = max_queued
        self._jobs = {job.id: job for job in store.load_all()}
        self._queue: list[Job] | None = None
        self._unsaved: dict[str, Job] = {}
        self._try_at = 0.0
        self._keys = {(job.client, job.key): job.id for job in self._jobs.values()}
        self.progress: dict[str, Progress] = {}

    def get(self, job_id: str) -> Job:
        """Return a job as it is.

        Raises:
            ProtocolError: E_NOT_FOUND.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise not_found(job_id)
        return job

    def told(self, job_id: str) -> Job:
        """Return a job as it was last saved, which is what clients may know of it.

        Raises:
            ProtocolError: E_NOT_FOUND.
        """
        job = self.get(job_id)
        saved = self._unsaved.get(job_id)
        return job if saved is None else replace(saved, stage=job.stage, step=job.step, steps=job.steps)

    def has(self, job_id: str) -> bool:
        """Say whether there is such a job."""
        return job_id in self._jobs

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return list(self._jobs.values())

    def is_saved(self, job_id: str) -> bool:
        """Say whether everything that has happened to a job is committed."""
        return job_id not in self._unsaved

    @property
    def has_unsaved(self) -> bool:
        """Whether something that has happened could not be saved yet."""
        return bool(self._unsaved)

    def find(self, client: str, key: str, digest: str) -> Job | None:
        """Return the job that was submitted with this key, if there is one.

        Raises:
            ProtocolError: E_KEY_CONFLICT if the key stands for another description.
        """
        known = self._keys.get((client, key))
        if known is None:
            return None
        if self._jobs[known].spec_hash != digest:
            message = f"expected the key {key!r} with the description it was first used for, got another"
            raise ProtocolError("E_KEY_CONFLICT", message, "submit with a new key", field="key")
        return self.told(known)

    def submit(self, client: str, key: str, spec: JobSpec, **origin: Any) -> tuple[Job, bool]:
        """Return the job for this key, and whether it was there already.

        Args:
            client, key: who submits, and under which key.
            spec: what to make.
            origin: further fields of a new job: its id, priority, parent, checkpoints.

        Raises:
            ProtocolError: E_KEY_CONFLICT, E_QUEUE_FULL, E_DISK_FULL or E_FILE; there is no new job then.
        """
        digest = spec_hash(spec)
        known = self.find(client, key, digest)
        if known is not None:
            return known, True
        if len(self.queue()) >= self._max_queued:
            message = f"{self._max_queued} jobs are waiting already"
            raise ProtocolError("E_QUEUE_FULL", message, "wait, or cancel some", retryable=True, retry_after_ms=60_000)
        now = time.time()
        job = Job(origin.pop("id", None) or new_ulid(), client, key, digest, spec, now, place=now, **origin)
        job = with_event(job, JobEvent("state", "queued", message=f"from job {job.parent}" if job.parent else ""))
        self._store.save(None, job)
        self._jobs[job.id], self._keys[client, key] = job, job.id
        self._queue = None
        log.info("job queued", extra={"job": job.id, "client": client, "recipe": spec.recipe_name})
        return job, False

    def queue(self) -> list[Job]:
        """Return the jobs that wait, the next one first."""
        if self._queue is None:  # the loop asks at every turn, and hundreds may wait
            waiting = (job for job in self._jobs.values() if job.state == "queued")
            self._queue = sorted(waiting, key=lambda job: job.turn)
        return list(self._queue)

    def positions(self) -> dict[str, int]:
        """Return where each job that waits is in the queue, from 1 on."""
        return {job.id: position for position, job in enumerate(self.queue(), 1)}

    def next_queued(self) -> Job | None:
        """Return the job whose turn it is."""
        return next(iter(self.queue()), None)

    def request(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Change a job as a client wants it, or not at all.

        Raises:
            ProtocolError: E_NOT_FOUND, whatever ``change`` raises, E_DISK_FULL or E_FILE.
        """
        return self._changed(job_id, change, is_kept_unsaved=False)

    def move(self, job_id: str, state: JobState, message: str = "", **changes: Any) -> Job:
        """Bring a job into another state as a client wants it, or not at all: see ``request``."""
        return self.request(job_id, lambda job: in_state(job, state, message, **changes))

    def happen(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Change a job because something has happened to it; if that cannot be saved now, it is saved later.

        Raises:
            ProtocolError: E_NOT_FOUND, or whatever ``change`` raises.
        """
        return self._changed(job_id, change, is_kept_unsaved=True)

    def change(self, job_id: str, state: JobState, message: str = "", **changes: Any) -> Job:
        """Bring a job into another state because it is: see ``happen``."""
        return self.happen(job_id, lambda job: in_state(job, state, message, **changes))

    def save_again(self, now: float) -> None:
        """Try, once a second, to save what could not be saved."""
        if not self._unsaved or now < self._try_at:
            return
        self._try_at = now + SAVE_AGAIN_S
        for job_id, before in list(self._unsaved.items()):
            try:
                self._store.save(before, self._jobs[job_id])
            except ProtocolError:
                return
            del self._unsaved[job_id]
            log.info("job saved at last", extra={"job": job_id, "state": self._jobs[job_id].state})

    def forget(self, job: Job) -> None:
        """Remove a job that has ended, and its files.

        Raises:
            ProtocolError: E_DISK_FULL or E_FILE; then it is still there.
        """
        self._store.forget(job)
        del self._jobs[job.id], self._keys[job.client, job.key]
        self._queue = None

    def warn(self, job_id: str, code: str, message: str) -> None:
        """Add a warning to a job."""
        self.happen(job_id, lambda job: warned(job, code, message))

    def advance(self, job_id: str, progress: Progress) -> None:
        """Note a job's progress; it is saved with the next change of state."""
        self.progress[job_id] = progress
        job = self.get(job_id)
        is_counted = progress.steps > 0  # a stage without steps leaves the last count standing
        step, steps = (progress.step, progress.steps) if is_counted else (job.step, job.steps)
        advanced = replace(job, stage=progress.stage, step=step, steps=steps)
        self._jobs[job_id] = advanced

    def find_checkpoint(self, job_id: str, step: int | None) -> SavedCheckpoint | None:
        """Return the newest checkpoint, or the one at a step.

        Raises:
            ProtocolError: E_NOT_FOUND if there is none at that step.
        """
        checkpoints = self.get(job_id).checkpoints
        if step is None:
            return checkpoints[0] if checkpoints else None
        found = next((checkpoint for checkpoint in checkpoints if checkpoint.step == step), None)
        if found is None:
            known = ", ".join(str(step) for step in sorted(checkpoint.step for checkpoint in checkpoints)) or "none"
            message = f"expected a step at which job {job_id} has a checkpoint ({known}), got {step}"
            remedy = f"see limbeck checkpoints {job_id}, or leave --step out for the newest"
            raise ProtocolError("E_NOT_FOUND", message, remedy, field="step")
        return found

    def _changed(self, job_id: str, change: Callable[[Job], Job], *, is_kept_unsaved: bool) -> Job:
        job = self.get(job_id)
        changed = change(job)
        if changed == job:
            return job
        before = self._unsaved.get(job_id, job)
        changed = replace(changed, rev=before.rev + 1)
        try:
            self._store.save(before, changed)
            self._unsaved.pop(job_id, None)
        except ProtocolError as error:
            if not is_kept_unsaved:
                raise
            self._unsaved[job_id] = before
            extra = {"job": job_id, "state": changed.state, "code": error.code, "reason": error.message}
            log.error("job not saved", extra=extra)
        self._put(changed)
        return changed

    def _put(self, job: Job) -> None:
        passed = job.events[len(self._jobs[job.id].events) :]
        self._jobs[job.id] = job
        self._queue = None
        add_lines(self._store.folder(job.id), [_line(event, job.attempt) for event in passed])
        if not job.is_at_work:
            self.progress.pop(job.id, None)
        extra = {"job": job.id, "state": job.state, "attempt": job.attempt, "error": job.error}
        log.info("job state", extra=extra)


def _line(event: JobEvent, attempt: int) -> str:
    if event.kind == "warning":
        return f"warning {event.code}: {event.message}"
    why = event.message or (event.error or {}).get("message", "")
    return f"info {event.state}, attempt {attempt}, step {event.step}/{event.steps} {why}"
