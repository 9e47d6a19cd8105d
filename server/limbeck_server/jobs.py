# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job as the server sees it: a frozen record, its durable events, and which state may follow which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import TERMINAL_STATES, JobSpec, JobState
from limbeck_protocol.messages import JobEvent, JobLine, JobSnapshot

ENDS: tuple[JobState, ...] = ("succeeded", "failed", "cancelled")
NEXT_STATES: dict[JobState, tuple[JobState, ...]] = {
    "queued": ("starting", "failed", "cancelled"),
    "starting": ("running", "failed", "cancelled"),
    "running": ("finalizing", *ENDS),
    "finalizing": ENDS,
    "succeeded": (),
    "failed": (),
    "cancelled": (),
}
MAX_WARNINGS = 100


@dataclass(frozen=True)
class Artifact:
    """A file that a job made; ``file`` is its name in the job's folder, chosen by the server."""

    file: str
    size: int
    sha256: str
    suffix: str


@dataclass(frozen=True)
class Job:
    """One job, at one moment.

    Attributes:
        id: ULID, made by the server.
        client, key, spec_hash: who submitted it; a second submission with the same client and key is the same job.
        created_at: Unix seconds.
        attempt: how often it was given to a worker; what a worker says about another attempt is ignored.
        stage, step, steps: the latest progress.
        events: all of them, from number 1 on.
    """

    id: str
    client: str
    key: str
    spec_hash: str
    spec: JobSpec
    created_at: float
    state: JobState = "queued"
    attempt: int = 0
    stage: str = ""
    step: int = 0
    steps: int = 0
    error: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None
    asset: Artifact | None = None
    events: tuple[JobEvent, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state in TERMINAL_STATES


def in_state(job: Job, state: JobState, **changes: Any) -> Job:
    """Return the job in another state, with the event that says so.

    Raises:
        ProtocolError: E_BAD_STATE if that state cannot follow.
    """
    if state not in NEXT_STATES[job.state]:
        message = f"expected one of {', '.join(NEXT_STATES[job.state]) or 'no state'} after {job.state}, got {state}"
        raise ProtocolError("E_BAD_STATE", message, "ask for the job's state with: limbeck status")
    job = replace(job, state=state, **changes)
    return with_event(job, JobEvent("state", state, job.step, job.steps, error=job.error, summary=job.summary))


def warned(job: Job, code: str, message: str) -> Job:
    """Return the job with one more warning; beyond MAX_WARNINGS they are dropped."""
    if sum(event.kind == "warning" for event in job.events) >= MAX_WARNINGS:
        return job
    return with_event(job, JobEvent("warning", job.state, job.step, job.steps, code[:64], message[:2000]))


def with_event(job: Job, event: JobEvent) -> Job:
    """Return the job with one more event."""
    return replace(job, events=(*job.events, event))


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


def line_of(job: Job, prompt_characters: int) -> JobLine:
    """Return the job as one line of a status answer."""
    prompt = job.spec.prompt.strip()[:prompt_characters]
    return JobLine(job.id, job.state, job.step, job.steps, prompt, job.spec.recipe_name)
