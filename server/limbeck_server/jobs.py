# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job as the server sees it: a frozen record, its durable events, and which state may follow which."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import TERMINAL_STATES, JobSpec, JobState
from limbeck_protocol.messages import JobEvent, JobLine, JobSnapshot
from limbeck_server.kept_files import Artifact, SavedCheckpoint, thinned

ENDS: tuple[JobState, ...] = ("succeeded", "failed", "cancelled")
NEXT_STATES: dict[JobState, tuple[JobState, ...]] = {
    "queued": ("starting", "paused", "failed", "cancelled"),
    "starting": ("running", "pausing", "interrupted", "failed", "cancelled"),
    "running": ("pausing", "finalizing", "interrupted", *ENDS),
    "finalizing": ("interrupted", *ENDS),
    "pausing": ("paused", "running", "finalizing", "interrupted", *ENDS),
    "paused": ("queued", "cancelled"),
    "interrupted": ("queued", "failed", "cancelled"),
    "succeeded": (),
    "failed": (),
    "cancelled": (),
}
AT_WORK: frozenset[str] = frozenset({"starting", "running", "finalizing", "pausing"})
"""States in which an attempt has a worker."""
MAX_WARNINGS = 100
LINE_ERROR_CHARACTERS = 120
KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class Job:
    """One job, at one moment.

    Attributes:
        id: ULID, made by the server.
        client, key, spec_hash: who submitted it; a second submission with the same client and key is the same job.
        created_at: Unix seconds.
        rev: how often it was saved; a change is saved only on top of the revision that it was made from.
        attempt: how often it was given to a worker; what a worker says about another attempt is ignored.
        worker_losses, interruptions: attempts in a row that a dying worker, or anything at all, cut short before they
            had left a newer checkpoint.
        priority, place: among the waiting, higher priority goes first, then the lower place.
        wish: what a client wants of the job that its worker may not have heard yet: to stop optimising and keep what
            there is (finish), or to end (cancel).
        parent: the job that this one was made from by retry or fork.
        stage, step, steps: the latest progress.
        checkpoints: newest first, KEPT_CHECKPOINTS of them and all milestones.
        events: all of them, from number 1 on.
        ended_at: Unix seconds, None before.
    """

    id: str
    client: str
    key: str
    spec_hash: str
    spec: JobSpec
    created_at: float
    state: JobState = "queued"
    rev: int = 0
    attempt: int = 0
    worker_losses: int = 0
    interruptions: int = 0
    priority: int = 0
    place: float = 0.0
    wish: Literal["", "finish", "cancel"] = ""
    parent: str | None = None
    stage: str = ""
    step: int = 0
    steps: int = 0
    error: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None
    asset: Artifact | None = None
    checkpoints: tuple[SavedCheckpoint, ...] = ()
    events: tuple[JobEvent, ...] = ()
    ended_at: float | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state in TERMINAL_STATES

    @property
    def is_at_work(self) -> bool:
        """Whether an attempt at it has a worker."""
        return self.state in AT_WORK

    @property
    def turn(self) -> tuple[int, float, str]:
        """What the queue is sorted by."""
        return (-self.priority, self.place, self.id)


def in_state(job: Job, state: JobState, message: str = "", **changes: Any) -> Job:
    """Return the job in another state, with the event that says so.

    Raises:
        ProtocolError: E_BAD_STATE if that state cannot follow.
    """
    if state not in NEXT_STATES[job.state]:
        message = f"expected one of {', '.join(NEXT_STATES[job.state]) or 'no state'} after {job.state}, got {state}"
        raise bad_state(message)
    ended_at = time.time() if state in TERMINAL_STATES else None
    job = replace(job, **{"state": state, "ended_at": ended_at, **changes})
    event = JobEvent("state", state, job.step, job.steps, message=message, error=job.error, summary=job.summary)
    return with_event(job, event)


def bad_state(message: str, remedy: str = "ask for the job's state with: limbeck status") -> ProtocolError:
    """Return the error of a request that does not fit what the job is doing."""
    return ProtocolError("E_BAD_STATE", message, remedy)


def warned(job: Job, code: str, message: str) -> Job:
    """Return the job with one more warning; beyond MAX_WARNINGS they are dropped."""
    if sum(event.kind == "warning" for event in job.events) >= MAX_WARNINGS:
        return job
    return with_event(job, JobEvent("warning", job.state, job.step, job.steps, code[:64], message[:2000]))


def with_event(job: Job, event: JobEvent) -> Job:
    """Return the job with one more event."""
    return replace(job, events=(*job.events, event))


def with_checkpoint(job: Job, checkpoint: SavedCheckpoint, max_bytes: int | None = None) -> Job:
    """Return the job with one more checkpoint, the newest few of them; one that is further than before is progress.

    Milestones stay, within ``max_bytes``: see ``milestones.thinned``.
    """
    is_further = not job.checkpoints or checkpoint.step > job.checkpoints[0].step
    same = next((known for known in job.checkpoints if known.step == checkpoint.step and known.milestone), None)
    if same is not None and not checkpoint.milestone:  # it was lost to the run, and came again
        checkpoint = replace(checkpoint, milestone=same.milestone, mesh=same.mesh)
    others = (known for known in job.checkpoints if known.step != checkpoint.step)
    kept = thinned((checkpoint, *others), max_bytes, KEPT_CHECKPOINTS)
    if is_further:
        return replace(job, checkpoints=kept, worker_losses=0, interruptions=0)
    return replace(job, checkpoints=kept)


def snapshot_of(job: Job) -> JobSnapshot:
    """Return the job as a client sees it."""
    return JobSnapshot(
        job=job.id,
        state=job.state,
        event=len(job.events),
        attempt=job.attempt,
        stage=job.stage,
        step=job.step,
        steps=job.steps,
        error=job.error,
        summary=job.summary,
    )


def line_of(job: Job, prompt_characters: int, position: int | None = None, client: str | None = None) -> JobLine:
    """Return the job as one line of a status answer.

    Args:
        job: the job.
        prompt_characters: how much of its prompt to give.
        position: its place among those that wait.
        client: the scoped id of who asks.
    """
    return JobLine(
        job.id,
        job.state,
        job.step,
        job.steps,
        job.spec.prompt.strip()[:prompt_characters],
        job.spec.recipe_name,
        position,
        created=job.created_at,
        ended=job.ended_at,
        error=_short_error(job),
        mine=None if client is None else job.client == client,
        parent=job.parent,
    )


def _short_error(job: Job) -> dict[str, str] | None:
    if job.state != "failed" or job.error is None:
        return None
    code, message = str(job.error.get("code", "E_UNKNOWN")), str(job.error.get("message", ""))
    return {"code": code[:64], "message": message[:LINE_ERROR_CHARACTERS]}
