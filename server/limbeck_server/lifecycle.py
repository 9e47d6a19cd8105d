# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job: when its attempt is cut short, and when a client wants something of it. Jobs in, jobs out."""

from __future__ import annotations

from dataclasses import replace

from limbeck_protocol.errors import ProtocolError
from limbeck_server.jobs import Job, bad_state, in_state

MAX_WORKER_LOSSES = 3
"""Attempts in a row, without a newer checkpoint, that may cost a worker. Then the job is what kills them."""
MAX_INTERRUPTIONS = 10
"""The same for any cause, such as a machine that a job brings down with its server."""


def interrupted(job: Job, error: ProtocolError, *, is_workers_loss: bool) -> Job:
    """Return a job whose attempt was cut short: back in the queue, or at its end if that has happened too often.

    A job that was to be cancelled is cancelled, and one that was to be paused is paused.
    """
    was_pausing = job.state == "pausing"
    worker_losses, interruptions = job.worker_losses + is_workers_loss, job.interruptions + 1
    job = in_state(job, "interrupted", error=error.to_dict(), worker_losses=worker_losses, interruptions=interruptions)
    if job.wish == "cancel":
        return in_state(job, "cancelled", error=None)
    if worker_losses >= MAX_WORKER_LOSSES or interruptions >= MAX_INTERRUPTIONS:
        return in_state(job, "failed", error=error.to_dict())
    job = in_queue(job)
    return in_state(job, "paused") if was_pausing else job


def put_back(job: Job, error: ProtocolError) -> Job:
    """Return a job whose attempt was stopped through no fault of its own: back in the queue, or paused."""
    was_pausing = job.state == "pausing"
    job = in_queue(in_state(job, "interrupted", error=error.to_dict()))
    return in_state(job, "paused") if was_pausing else job


def in_queue(job: Job) -> Job:
    """Return a job back in the queue, at the step of its newest checkpoint."""
    step = job.checkpoints[0].step if job.checkpoints else 0
    message = f"goes on from step {step}" if step else ""
    return in_state(job, "queued", message, error=None, step=step)


def cancelled(job: Job) -> Job:
    """Return a job that is to end: at once unless a worker has it, which is to be told then."""
    if job.has_ended:
        return job
    return replace(job, wish="cancel") if job.is_at_work else in_state(job, "cancelled")


def paused(job: Job) -> Job:
    """Return a job that is to wait: at once unless a worker has it, which is to be told then.

    Raises:
        ProtocolError: E_BAD_STATE.
    """
    if job.state in ("paused", "pausing"):
        return job
    if job.wish == "cancel" or job.state not in ("queued", "starting", "running"):
        remedy = "nothing is left to pause" if job.has_ended else f"wait for its end: limbeck watch {job.id}"
        raise bad_state(f"expected a job that waits or runs, got one that is {_doing(job)}", remedy)
    return in_state(job, "paused" if job.state == "queued" else "pausing")


def resumed(job: Job) -> Job:
    """Return a paused job back in the queue.

    Raises:
        ProtocolError: E_BAD_STATE.
    """
    if job.state in ("queued", "starting", "running"):
        return job
    if job.state != "paused":
        remedy = f"start another from it: limbeck retry {job.id}" if job.has_ended else "try again in a moment"
        raise bad_state(f"expected a paused job, got one that is {_doing(job)}", remedy)
    return in_queue(job)


def finishing(job: Job) -> Job:
    """Return a job that is to make its asset of what there is.

    Raises:
        ProtocolError: E_BAD_STATE if it has ended, or there is nothing yet.
    """
    if job.wish == "finish" or job.state == "finalizing":
        return job
    if job.has_ended or job.wish == "cancel":
        remedy = f"go on from it with: limbeck retry {job.id}" if job.has_ended else "try again in a moment"
        raise bad_state(f"expected a job that has begun, got one that is {_doing(job)}", remedy)
    if job.state not in ("running", "pausing") and not job.checkpoints:
        message = f"expected a job that has begun, got one that is {job.state} and has no checkpoint"
        raise bad_state(message, f"wait until it runs, or end it with: limbeck cancel {job.id}")
    job = replace(job, wish="finish")
    return in_queue(job) if job.state == "paused" else job


def _doing(job: Job) -> str:
    return "being cancelled" if job.wish == "cancel" else job.state
