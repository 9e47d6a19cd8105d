# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What clients can have done with a job that exists: one function for each request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.ids import is_token, new_ulid
from limbeck_protocol.job import JobSpec, job_from_dict, job_to_dict, spec_hash
from limbeck_protocol.limits import CHUNK_BYTES, MAX_STATUS_JOBS, STATUS_PROMPT_CHARACTERS
from limbeck_server.access import require_modest
from limbeck_server.job_inquiries import fitting
from limbeck_server.job_log import read_log
from limbeck_server.jobs import Job, bad_state, line_of, snapshot_of
from limbeck_server.kept_files import SavedCheckpoint
from limbeck_server.lifecycle import cancelled, finishing, paused, resumed
from limbeck_server.parts import Parts
from limbeck_server.quotas import require_job_quota
from limbeck_server.replies import Reply
from limbeck_server.runnable import require_runnable
from limbeck_server.sessions import Session

CHANGEABLE = (
    "prompt", "negative_prompt", "recipe", "overrides", "rig", "prior", "seed", "steps", "faces", "texture_size",
    "format", "device",
)  # fmt: skip
"""What a fork may have different; what it starts from and its references go with the checkpoint."""


def cancel_job(parts: Parts, _session: Session, request: m.JobCancel, _packet: Packet) -> Reply:
    """Cancel a job: at once if it waits, as soon as the worker can if it runs; one attempt alone if that is named."""
    job = parts.board.get(request.job)
    if request.attempt is not None and request.attempt != job.attempt:
        raise bad_state(f"expected attempt {job.attempt}, which is the current one, got {request.attempt}")
    job = parts.board.request(job.id, cancelled)
    member = parts.crew.at(job.id)
    if member is not None and job.wish == "cancel":
        member.cancel(time.monotonic())
    if job.has_ended:
        parts.store.tidy(job)
    return Reply(snapshot_of(job))


def pause_job(parts: Parts, _session: Session, request: j.JobPause, _packet: Packet) -> Reply:
    """Pause a job: at once if it waits, after a checkpoint if it runs."""
    job = parts.board.request(request.job, paused)
    member = parts.crew.at(job.id)
    if member is not None and job.state == "pausing":
        member.pause()
    return Reply(snapshot_of(job))


def resume_job(parts: Parts, _session: Session, request: j.JobResume, _packet: Packet) -> Reply:
    """Let a paused job go on when its turn comes."""
    return Reply(snapshot_of(parts.board.request(request.job, resumed)))


def finish_job(parts: Parts, _session: Session, request: j.JobFinish, _packet: Packet) -> Reply:
    """Let a job stop optimising and make its asset of what there is."""
    job = parts.board.request(request.job, finishing)
    member = parts.crew.at(job.id)
    if member is not None and job.wish == "finish":
        member.finish()
    return Reply(snapshot_of(job))


def move_job(parts: Parts, session: Session, request: j.JobMove, _packet: Packet) -> Reply:
    """Give a job another priority, or another place among those of its priority."""
    if request.to not in ("", "first", "last"):
        raise ProtocolError("E_SCHEMA", f"expected first or last, got {request.to[:20]!r}", "leave it out", field="to")
    require_modest(session.principal, priority=request.priority or 0, goes_first=request.to == "first")
    job = parts.board.get(request.job)
    if job.state not in ("queued", "paused"):
        raise bad_state(f"expected a job that waits, got one that is {job.state}", "only waiting jobs have an order")
    priority = job.priority if request.priority is None else request.priority
    places = [other.place for other in parts.board.queue() if other.priority == priority and other.id != job.id]
    place = job.place
    if places and request.to:
        place = min(places) - 1.0 if request.to == "first" else max(places) + 1.0
    return Reply(snapshot_of(parts.board.request(job.id, lambda job: replace(job, priority=priority, place=place))))


def retry_job(parts: Parts, session: Session, request: j.JobRetry, _packet: Packet) -> Reply:
    """Queue a job like one that failed or was cancelled, from its newest checkpoint unless from the beginning."""
    job = parts.board.get(request.job)
    if job.state not in ("failed", "cancelled"):
        remedy = f"for another like it, use: limbeck fork {job.id}"
        raise bad_state(f"expected a job that failed or was cancelled, got one that is {job.state}", remedy)

    def checkpoint() -> SavedCheckpoint | None:
        return None if request.from_start else parts.board.find_checkpoint(job.id, None)

    return _descend(parts, session, request.key, (job, job.spec), checkpoint)


def fork_job(parts: Parts, session: Session, request: j.JobFork, _packet: Packet) -> Reply:
    """Queue a job that goes on from a checkpoint of another, with other settings."""
    job = parts.board.get(request.job)
    if not job.checkpoints:
        message = f"expected a job with a checkpoint, got one without; it is {job.state}"
        raise ProtocolError("E_NOT_FOUND", message, "wait until it has run for a while, or submit it anew")
    spec = _changed(job.spec, request.changes)
    require_modest(session.principal, prior=spec.prior)
    require_runnable(parts, spec)
    return _descend(parts, session, request.key, (job, spec), lambda: parts.board.find_checkpoint(job.id, request.step))


def read_job_log(parts: Parts, _session: Session, request: j.JobLog, _packet: Packet) -> Reply:
    """Return the end of a job's log."""
    job = parts.board.get(request.job)
    content = read_log(parts.store.folder(job.id), CHUNK_BYTES)
    return Reply(j.JobLogReply(job.id), {"text": np.frombuffer(content, np.uint8)} if content else {})


def report_top(parts: Parts, session: Session, _request: j.Top, _packet: Packet) -> Reply:
    """Say what the server is doing: its workers, its queue in order, how many clients it has."""
    server = m.ServerState(parts.state, parts.epoch, parts.version)
    workers = tuple(_worker_line(parts, member) for member in parts.crew.members)
    queue = parts.board.queue()
    first = enumerate(queue[:MAX_STATUS_JOBS], 1)
    lines = fitting(line_of(job, STATUS_PROMPT_CHARACTERS, position, session.client) for position, job in first)
    clients = sum(1 for _ in parts.sessions)
    return Reply(j.TopReply(server, workers, lines, len(queue), clients))


def _worker_line(parts: Parts, member: Any) -> j.WorkerLine:
    line = j.WorkerLine(member.device.name, member.state, member.pid, member.memory_mb)
    if member.assignment is None:
        return line
    job = parts.board.get(member.assignment.job)
    return replace(line, job=job.id, attempt=job.attempt, stage=job.stage, step=job.step, steps=job.steps)


def _changed(spec: JobSpec, changes: dict[str, Any]) -> JobSpec:
    strange = sorted(set(changes) - set(CHANGEABLE))
    if strange:
        message = f"expected changes to {', '.join(CHANGEABLE)}, got {strange[0][:64]!r}"
        raise ProtocolError("E_SCHEMA", message, "submit a new job for that", field="changes")
    overrides = changes.get("overrides", {})
    if not isinstance(overrides, dict):
        raise ProtocolError("E_SCHEMA", "expected an object of settings", "see docs/protocol.md", field="overrides")
    return job_from_dict({**job_to_dict(spec), **changes, "overrides": {**spec.overrides, **overrides}})


def _descend(
    parts: Parts,
    session: Session,
    key: str,
    origin: tuple[Job, JobSpec],
    find_checkpoint: Callable[[], SavedCheckpoint | None],
) -> Reply:
    """Queue a job made from another and its new description; ``find_checkpoint`` gives what it goes on from, if any."""
    job, spec = origin
    parts.intake.require_open()
    require_job_quota(parts, session, key)
    if not is_token(key):
        raise ProtocolError("E_SCHEMA", "expected a key of 1 to 128 letters, digits and . _ : -", field="key")
    known = parts.board.find(session.client, key, spec_hash(spec))
    if known is not None:
        return Reply(m.JobAccepted(known.id, known.state, True))
    parts.intake.require_room()
    checkpoint = find_checkpoint()
    new_id = new_ulid()
    priority = job.priority if session.principal.role == "admin" else min(job.priority, 0)
    fields: dict[str, Any] = {"id": new_id, "parent": job.id, "priority": priority}
    try:
        if checkpoint is not None:
            parts.store.copy_checkpoint(job, checkpoint, new_id)
            fields |= {"checkpoints": (checkpoint,), "step": checkpoint.step, "steps": job.steps}
        new, is_duplicate = parts.board.submit(session.client, key, spec, **fields)
    except ProtocolError:
        parts.store.discard(new_id)
        raise
    return Reply(m.JobAccepted(new.id, new.state, is_duplicate))
