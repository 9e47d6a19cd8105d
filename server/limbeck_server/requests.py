# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the server does for each request of a client: one function each, in one literal table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from limbeck.errors import LimbeckError
from limbeck.recipes import require_known
from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.ids import is_token
from limbeck_protocol.job import JobSpec, job_from_dict, spec_hash
from limbeck_protocol.limits import MAX_SPEC_BYTES, MAX_SPEC_DEPTH
from limbeck_protocol.strict_json import load_json_object
from limbeck_server import job_requests as jobs
from limbeck_server.access import require_modest
from limbeck_server.artifacts import open_blob, read_blob
from limbeck_server.job_inquiries import estimate_job, list_checkpoints, report_status
from limbeck_server.jobs import snapshot_of
from limbeck_server.parts import Parts
from limbeck_server.push import push_events
from limbeck_server.quotas import require_byte_quota, require_job_quota
from limbeck_server.replies import Reply
from limbeck_server.runnable import require_runnable
from limbeck_server.sessions import MAX_WATCHES, Session, Watch

Handler = Callable[[Parts, Session, Any, Packet], Reply | None]


def answer_ping(parts: Parts, _session: Session, _request: m.Ping, _packet: Packet) -> Reply:
    """Say that the server lives, and since which start."""
    return Reply(m.Pong(parts.epoch))


def end_session(parts: Parts, session: Session, _request: m.Bye, _packet: Packet) -> None:
    """Forget a client that leaves."""
    parts.sessions.drop(session.peer)


def submit_job(parts: Parts, session: Session, request: m.JobSubmit, packet: Packet) -> Reply:
    """Queue a job, or return the one that this key stands for."""
    parts.intake.require_open()
    if not is_token(request.key):
        raise ProtocolError("E_SCHEMA", "expected a key of 1 to 128 letters, digits and . _ : -", field="key")
    require_job_quota(parts, session, request.key)
    spec = _read_spec(packet)
    require_modest(session.principal, priority=request.priority or 0, prior=spec.prior)
    require_runnable(parts, spec)
    if parts.board.find(session.client, request.key, spec_hash(spec)) is None:
        parts.intake.require_room()
    missing = parts.blobs.missing(spec)
    if missing:
        message = f"{len(missing)} files of the job have not been uploaded, the first is {missing[0].sha256[:12]}"
        raise JobError("E_BLOB_MISSING", message, "upload them first, with blob.put", retryable=True)
    job, is_duplicate = parts.board.submit(session.client, request.key, spec, priority=request.priority or 0)
    return Reply(m.JobAccepted(job.id, job.state, is_duplicate))


def watch_job(parts: Parts, session: Session, request: m.JobWatch, _packet: Packet) -> Reply:
    """Tell a client about a job from now on; events that it has not seen come first."""
    job = parts.board.told(request.job)
    if request.job not in session.watches and len(session.watches) >= MAX_WATCHES:
        raise ProtocolError("E_QUOTA", f"expected at most {MAX_WATCHES} watched jobs, got more", "unwatch some")
    told = min(max(request.after, 0), len(job.events))
    watch = session.watches[job.id] = Watch(told, request.previews)
    push_events(session, watch, job)
    return Reply(snapshot_of(job))


def unwatch_job(parts: Parts, session: Session, request: m.JobUnwatch, _packet: Packet) -> Reply:
    """Stop telling a client about a job."""
    session.watches.pop(request.job, None)
    return Reply(snapshot_of(parts.board.told(request.job)))


def take_preview_back(_parts: Parts, session: Session, request: m.PreviewDone, _packet: Packet) -> None:
    """Let a client have another preview."""
    watch = session.watches.get(request.job)
    if watch is not None and watch.offered is not None and watch.offered.seq == request.preview:
        watch.offered, watch.topology = None, request.topology


def put_blob(parts: Parts, session: Session, request: m.BlobPut, packet: Packet) -> Reply:
    """Take a part of an uploaded file."""
    data = packet.arrays.get("data")
    if data is None or data.dtype != np.uint8:
        raise ProtocolError("E_SCHEMA", "expected a buffer 'data' of bytes", field="data")
    require_byte_quota(parts, session, request)
    return Reply(parts.blobs.put(request, data.tobytes(), session.principal.name))


HANDLERS: dict[type, Handler] = {
    m.Ping: answer_ping,
    m.Bye: end_session,
    m.JobSubmit: submit_job,
    m.JobCancel: jobs.cancel_job,
    j.JobPause: jobs.pause_job,
    j.JobResume: jobs.resume_job,
    j.JobFinish: jobs.finish_job,
    j.JobMove: jobs.move_job,
    j.JobRetry: jobs.retry_job,
    j.JobFork: jobs.fork_job,
    j.JobLog: jobs.read_job_log,
    j.JobCheckpoints: list_checkpoints,
    j.JobEstimate: estimate_job,
    j.Top: jobs.report_top,
    m.JobWatch: watch_job,
    m.JobUnwatch: unwatch_job,
    m.PreviewDone: take_preview_back,
    m.StatusRequest: report_status,
    m.BlobOpen: open_blob,
    m.BlobRead: read_blob,
    m.BlobPut: put_blob,
}
"""All requests but hello, which has no session yet."""

REMEMBERED = (
    m.JobSubmit, m.JobCancel, j.JobPause, j.JobResume, j.JobFinish, j.JobMove, j.JobRetry, j.JobFork
)  # fmt: skip
"""Requests that change something: a repeated one gets the reply that the first one got."""


def _read_spec(packet: Packet) -> JobSpec:
    buffer = packet.arrays.get("spec")
    if buffer is None or buffer.dtype != np.uint8:
        raise ProtocolError("E_SCHEMA", "expected a buffer 'spec' of bytes", field="spec")
    spec = job_from_dict(load_json_object(buffer.tobytes(), MAX_SPEC_BYTES, MAX_SPEC_DEPTH))
    if isinstance(spec.recipe, str):
        try:
            require_known(spec.recipe)
        except LimbeckError as error:
            raise JobError(error.code, error.message, error.remedy, field="recipe") from error
    return spec
