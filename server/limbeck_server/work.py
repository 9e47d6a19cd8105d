# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Between jobs and the worker: who gets a job next, and what the worker's messages mean for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.job import job_to_json
from limbeck_protocol.limits import MAX_SUMMARY_BYTES
from limbeck_protocol.messages import Progress
from limbeck_protocol.strict_json import dump_json
from limbeck_server.crew import Assignment, Loss
from limbeck_server.files import make_folder, write_atomically
from limbeck_server.jobs import Job
from limbeck_server.parts import Parts
from limbeck_server.worker_messages import Advanced, Failed, Finished, Meshed, RunJob, Started, Stopped, Warned

log = logging.getLogger("limbeck.server")
FINAL_STAGES = ("extracting", "exporting")


def assign_next(parts: Parts) -> None:
    """Give the job that has waited longest to the worker, if it is free."""
    job = parts.board.next_queued() if parts.crew.can_take_job else None
    if job is None:
        return
    job = parts.board.change(job.id, "starting", attempt=job.attempt + 1)
    folder = parts.store.attempt_folder(job)
    try:
        make_folder(folder)
    except ProtocolError as error:
        parts.board.change(job.id, "failed", error=error.to_dict())
        return
    spec = np.frombuffer(job_to_json(job.spec), np.uint8)
    parts.crew.run(Assignment(job.id, job.attempt), RunJob(str(folder), str(parts.blobs.folder)), spec)


def take_worker_message(parts: Parts, packet: Packet, message: Any) -> None:
    """Act on a message about the attempt that the worker is busy with."""
    job = parts.board.get(packet.header.job or "")
    action = ACTIONS.get(type(message))
    if action is not None and not job.has_ended:
        action(parts, job, message, packet)


def take_loss(parts: Parts, loss: Loss) -> None:
    """Fail the job whose worker ended, or cancel it if that is what it was told."""
    job = parts.board.get(loss.assignment.job)
    if loss.was_cancelled:
        _end(parts, job, "cancelled")
        return
    how = f"signal {-loss.exit_code}" if loss.exit_code < 0 else f"status {loss.exit_code}"
    memory = "; the system may have run out of memory" if loss.exit_code == -9 else ""
    message = f"the worker process ended ({how}) while it ran the job{memory}"
    remedy = f"submit it again; if that happens again, report it with {parts.crew.log_file}"
    _fail(parts, job, ProtocolError("E_WORKER_LOST", message, remedy, retryable=True))


def fail_running(parts: Parts, error: ProtocolError) -> None:
    """Fail the job that the worker is busy with."""
    if parts.crew.assignment is not None:
        _fail(parts, parts.board.get(parts.crew.assignment.job), error)


def _start(parts: Parts, job: Job, _message: Started, _packet: Packet) -> None:
    parts.board.change(job.id, "running")


def _advance(parts: Parts, job: Job, message: Advanced, _packet: Packet) -> None:
    parts.board.advance(job.id, Progress(message.stage, message.step, message.steps, message.message))
    if message.stage in FINAL_STAGES and job.state == "running":
        parts.board.change(job.id, "finalizing")


def _warn(parts: Parts, job: Job, message: Warned, _packet: Packet) -> None:
    parts.board.warn(job.id, message.code, message.message)


def _take_mesh(parts: Parts, job: Job, message: Meshed, packet: Packet) -> None:
    blob = b"".join(array.data for array in packet.arrays.values())
    parts.previews.put(job.id, message.step, message.vertices, message.faces, blob)
    parts.previews.owe(job.id, parts.crew.credit)


def _finish(parts: Parts, job: Job, message: Finished, _packet: Packet) -> None:
    try:
        if len(dump_json(message.summary)) > MAX_SUMMARY_BYTES:
            raise ProtocolError("E_TOO_LARGE", f"expected a summary of at most {MAX_SUMMARY_BYTES} bytes, got more")
        asset = parts.store.adopt_asset(job, message.file, message.size, message.sha256)
        folder = parts.store.folder(job.id)
        summary = message.summary | {"file": str(folder / asset.file)}
        write_atomically(folder / "summary.json", dump_json(summary))
    except ProtocolError as error:
        parts.crew.release()
        _fail(parts, job, error)
        return
    parts.crew.release(has_succeeded=True)
    if job.state == "running":
        parts.board.change(job.id, "finalizing")
    _end(parts, job, "succeeded", step=job.steps, summary=summary, asset=asset)


def _take_failure(parts: Parts, job: Job, message: Failed, _packet: Packet) -> None:
    parts.crew.release(is_leaving=message.is_leaving)
    _fail(parts, job, ProtocolError(message.code, message.message, message.remedy, trace_id=message.trace_id))


def _stop(parts: Parts, job: Job, _message: Stopped, _packet: Packet) -> None:
    parts.crew.release()
    _end(parts, job, "cancelled")


ACTIONS: dict[type, Callable[[Parts, Job, Any, Packet], None]] = {
    Started: _start,
    Advanced: _advance,
    Warned: _warn,
    Meshed: _take_mesh,
    Finished: _finish,
    Failed: _take_failure,
    Stopped: _stop,
}


def _fail(parts: Parts, job: Job, error: ProtocolError) -> None:
    _end(parts, job, "failed", error=error.to_dict())


def _end(parts: Parts, job: Job, state: Any, **changes: Any) -> None:
    parts.store.tidy(parts.board.change(job.id, state, **changes))
    parts.previews.drop(job.id)
