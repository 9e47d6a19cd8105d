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
from limbeck_protocol.job import JobSpec, job_from_dict
from limbeck_protocol.limits import (
    CHUNK_BYTES,
    MAX_SPEC_BYTES,
    MAX_SPEC_DEPTH,
    MAX_STATUS_JOBS,
    STATUS_PROMPT_CHARACTERS,
)
from limbeck_protocol.strict_json import load_json_object
from limbeck_server import job_requests as jobs
from limbeck_server.files import storage_error
from limbeck_server.jobs import line_of, snapshot_of
from limbeck_server.parts import Parts
from limbeck_server.push import push_events
from limbeck_server.quotas import require_byte_quota, require_job_quota
from limbeck_server.replies import Reply
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


def report_status(parts: Parts, _session: Session, request: m.StatusRequest, _packet: Packet) -> Reply:
    """List the newest jobs, those before one, or one job."""
    server, positions = m.ServerState(parts.state, parts.epoch, parts.version), parts.board.positions()
    if request.job is not None:
        line = line_of(parts.board.told(request.job), 1000, positions.get(request.job))
        return Reply(m.StatusReply(server, (line,)))
    found = [job for job in reversed(parts.board.jobs()) if request.before is None or job.id < request.before]
    shown = [parts.board.told(job.id) for job in found[:MAX_STATUS_JOBS]]
    lines = tuple(line_of(job, STATUS_PROMPT_CHARACTERS, positions.get(job.id)) for job in shown)
    return Reply(m.StatusReply(server, lines, more=len(found) > len(lines)))


def open_blob(parts: Parts, _session: Session, request: m.BlobOpen, _packet: Packet) -> Reply:
    """Say how large a job's asset is, and its hash."""
    job = parts.board.told(request.job)
    parts.store.asset_path(job)
    if request.artifact != "asset" or job.asset is None:
        raise ProtocolError("E_NOT_FOUND", f"there is no artifact {request.artifact[:64]!r}", "ask for 'asset'")
    return Reply(m.BlobOpened(job.asset.size, job.asset.sha256, job.asset.suffix))


def read_blob(parts: Parts, session: Session, request: m.BlobRead, _packet: Packet) -> Reply:
    """Return a range of a job's asset, or of the preview on offer."""
    if not 0 < request.length <= CHUNK_BYTES or request.offset < 0:
        message = f"expected a range of 1 to {CHUNK_BYTES} bytes, got {request.length} at {request.offset}"
        raise ProtocolError("E_SCHEMA", message, field="length")
    is_preview = request.blob.startswith("preview-")
    data = _read_preview(session, request) if is_preview else _read_asset(parts, request)
    if len(data) != request.length:
        message = f"expected a range within the blob, got {request.length} bytes at {request.offset}"
        raise ProtocolError("E_SCHEMA", message, field="offset")
    return Reply(m.BlobChunk(request.blob, request.offset), {"data": np.frombuffer(data, np.uint8)})


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


def _read_preview(session: Session, request: m.BlobRead) -> memoryview:
    watch = session.watches.get(request.job)
    if watch is None or watch.offered is None or f"preview-{watch.offered.seq}" != request.blob:
        raise ProtocolError("E_SUPERSEDED", f"{request.blob[:64]} is not on offer", "wait for the next", retryable=True)
    return memoryview(watch.offered.blob)[request.offset : request.offset + request.length]


def _read_asset(parts: Parts, request: m.BlobRead) -> bytes:
    if request.blob != "asset":
        raise ProtocolError("E_NOT_FOUND", f"there is no artifact {request.blob[:64]!r}", "ask for 'asset'")
    path = parts.store.asset_path(parts.board.told(request.job))
    try:
        with path.open("rb") as file:
            file.seek(request.offset)
            return file.read(request.length)
    except OSError as error:
        raise storage_error(error, path) from error
