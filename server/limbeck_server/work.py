# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Between jobs and workers: who gets a job next, and what the workers' messages mean for it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.job import job_to_json
from limbeck_protocol.limits import MAX_SUMMARY_BYTES
from limbeck_protocol.mesh_codec import EDGE_ARRAYS
from limbeck_protocol.messages import Progress
from limbeck_protocol.strict_json import dump_json
from limbeck_server.blobs import UNUSED_S
from limbeck_server.files import make_folder, write_atomically
from limbeck_server.job_log import add_lines
from limbeck_server.jobs import Job, in_state, with_checkpoint
from limbeck_server.life import Assignment, Loss
from limbeck_server.lifecycle import interrupted, put_back
from limbeck_server.member import Member
from limbeck_server.parts import Parts
from limbeck_server.plain_text import MAX_NAME_BYTES, sendable
from limbeck_server.previews import REFRESH_S, REMOTE_REFRESH_S, PackedMesh
from limbeck_server.retention import prune
from limbeck_server.store import SUMMARY
from limbeck_server.worker_messages import (
    Advanced,
    Checkpointed,
    Failed,
    Finished,
    Logged,
    Meshed,
    Paused,
    PauseFailed,
    ResumeFile,
    RunJob,
    Started,
    Stopped,
    Warned,
)

log = logging.getLogger("limbeck.server")
FINAL_STAGES = ("extracting", "exporting")
RETRIED = ("E_DISK_FULL",)
"""Failures that another attempt may not meet."""


@dataclass(frozen=True)
class Report:
    """A message of a worker about the attempt that it has."""

    member: Member
    job: Job
    message: Any
    packet: Packet
    now: float


def recover(parts: Parts) -> None:
    """Put back the jobs that an earlier server was running when it ended, and remove what is of no use any more."""
    for job in parts.board.jobs():
        if job.is_at_work:
            error = server_stopped("the server ended without a chance to save the job's state")
            parts.board.happen(job.id, lambda job, error=error: interrupted(job, error, is_workers_loss=False))
    parts.store.sweep(parts.board.jobs())
    prune(parts.board, parts.store, parts.settings)


def assign_next(parts: Parts, now: float) -> None:
    """Give the jobs whose turn it is to the workers that are free, while everything can be saved."""
    while (job := parts.board.next_queued()) is not None and (member := parts.crew.free()) is not None:
        if parts.board.has_unsaved or not parts.intake.is_open(now):
            return
        try:
            _assign(parts, job, member)
        except ProtocolError as error:
            log.warning("job not started", extra={"job": job.id, "code": error.code, "reason": error.message})
            parts.intake.hold(now)
            return


def _assign(parts: Parts, job: Job, member: Member) -> None:
    attempt = job.attempt + 1
    folder = parts.store.folder(job.id) / f"attempt-{attempt}"
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    job = parts.board.move(job.id, "starting", attempt=attempt)
    home = parts.store.folder(job.id)
    resume = tuple(ResumeFile(str(home / c.file), c.sha256, c.step, c.seconds or 0.0) for c in job.checkpoints)
    spec = np.frombuffer(job_to_json(job.spec), np.uint8)
    checkpoint_s, is_finishing = parts.settings.checkpoint_s, job.wish == "finish"
    milestones = parts.settings.milestones
    has_watchers = parts.sessions.want_edges(job.id)
    order = RunJob(str(folder), str(parts.blobs.folder), resume, checkpoint_s, is_finishing, milestones, has_watchers)
    if member.is_remote:  # it has other folders, and our paths are none of its business
        order = replace(order, folder="", blobs="", resume=tuple(replace(file, path="") for file in resume))
    member.run(Assignment(job.id, job.attempt), order, spec)


def take_worker_message(parts: Parts, member: Member, packet: Packet, message: Any, now: float) -> None:
    """Act on a message about the attempt that the worker is busy with."""
    job = parts.board.get(packet.header.job or "")
    action = ACTIONS.get(type(message))
    if action is not None and job.is_at_work:
        action(parts, Report(member, job, message, packet, now))


def take_loss(parts: Parts, loss: Loss) -> None:
    """Put the job whose worker ended back in the queue, or end it if that is what it was told."""
    job = parts.board.get(loss.assignment.job)
    if not job.is_at_work:
        return
    if loss.was_cancelled:
        _end(parts, job.id, "cancelled")
        return
    message = f"the worker process {loss.reason} while it ran the job"
    remedy = f"try again: limbeck retry {job.id}; if that fails too, report it with the worker's log"
    error = ProtocolError("E_WORKER_LOST", message, remedy, retryable=True)
    _interrupt(parts, job.id, error, is_workers_loss=not loss.is_blameless)


def put_back_running(parts: Parts) -> None:
    """Put the jobs that still run back in the queue, because the server stops."""
    for member in parts.crew.members:
        if member.assignment is not None and parts.board.get(member.assignment.job).is_at_work:
            error = server_stopped("the server stopped while the job ran")
            parts.board.happen(member.assignment.job, lambda job, error=error: put_back(job, error))
            member.assignment = None


def server_stopped(message: str) -> ProtocolError:
    """Return why an attempt was cut short that ran when its server or worker was stopped."""
    return ProtocolError("E_SERVER_STOPPED", message, "nothing: the job goes on by itself", retryable=True)


def _start(parts: Parts, report: Report) -> None:
    step = report.message.step
    message = f"goes on from step {step}" if step else ""
    if report.job.state == "starting":
        parts.board.change(report.job.id, "running", message, step=step)


def _advance(parts: Parts, report: Report) -> None:
    message, job = report.message, report.job
    before = parts.board.progress.get(job.id)
    stage = sendable(message.stage, MAX_NAME_BYTES)
    parts.board.advance(job.id, Progress(stage, message.step, message.steps, sendable(message.message)))
    if before is None or before.stage != stage:
        add_lines(parts.store.folder(job.id), [f"info stage {stage}"])
    if message.stage in FINAL_STAGES and job.state in ("running", "pausing"):
        parts.board.change(job.id, "finalizing")


def _warn(parts: Parts, report: Report) -> None:
    parts.board.warn(report.job.id, report.message.code, report.message.message)


def _log(parts: Parts, report: Report) -> None:
    dropped = [f"warning {report.message.dropped} lines dropped"] if report.message.dropped else []
    add_lines(parts.store.folder(report.job.id), [*report.message.lines, *dropped])


def _take_mesh(parts: Parts, report: Report) -> None:
    message, arrays = report.message, report.packet.arrays

    def joined(*names: str) -> bytes:
        return b"".join(array.data for name, array in arrays.items() if name.partition(" ")[0] in names)

    counts = message.step, message.vertices, message.faces
    triangles = joined("faces") if message.has_faces else None
    checksums, edges = (message.crc32, message.whole_crc32), (joined(*EDGE_ARRAYS), message.edges)
    mesh = PackedMesh(*counts, joined("vertices", "colors"), triangles, *checksums, *edges)
    job_id, member = report.job.id, report.member
    parts.previews.put(job_id, mesh)
    refresh_s = REMOTE_REFRESH_S if member.is_remote else REFRESH_S
    parts.previews.owe(job_id, lambda: member.credit(wants_edges=parts.sessions.want_edges(job_id)), refresh_s)


def _keep_checkpoint(parts: Parts, report: Report) -> None:
    checkpoint = parts.store.adopt_checkpoint(report.job, report.message)
    max_bytes = parts.settings.max_job_milestone_mb * 1_000_000
    job = parts.board.happen(report.job.id, lambda job: with_checkpoint(job, checkpoint, max_bytes))
    if parts.board.is_saved(job.id):  # until then the rows name the older ones
        parts.store.tidy(job)
    if checkpoint.milestone:
        prune(parts.board, parts.store, parts.settings)


def _pause(parts: Parts, report: Report) -> None:
    report.member.release(report.now)
    job = report.job
    if job.wish == "cancel":
        _end(parts, job.id, "cancelled")
        return
    if job.state != "pausing":  # it is the server that stops
        who = "worker" if report.member.is_leaving else "server"
        error = server_stopped(f"the {who} stopped while the job ran")
        parts.board.happen(job.id, lambda job: put_back(job, error))
        return
    step = job.checkpoints[0].step if job.checkpoints else 0
    parts.board.change(job.id, "paused", step=step)
    _clean(parts, job.id)
    if parts.board.next_queued() is None:
        report.member.rest()


def _go_on(parts: Parts, report: Report) -> None:
    parts.board.warn(report.job.id, report.message.code, f"not paused: {report.message.message}")
    if report.job.state == "pausing":
        parts.board.change(report.job.id, "running", "it could not be paused")


def _finish(parts: Parts, report: Report) -> None:
    job, message = report.job, report.message
    try:
        if len(dump_json(message.summary)) > MAX_SUMMARY_BYTES:
            raise ProtocolError("E_TOO_LARGE", f"expected a summary of at most {MAX_SUMMARY_BYTES} bytes, got more")
        asset = parts.store.adopt_asset(job, message.file, message.size, message.sha256)
        folder = parts.store.folder(job.id)
        summary = message.summary | {"file": str(folder / asset.file)}
        write_atomically(folder / SUMMARY, dump_json(summary))
    except ProtocolError as error:
        report.member.release(report.now)
        _fail(parts, job.id, error)
        return
    report.member.release(report.now, has_succeeded=True)

    def succeeded(job: Job) -> Job:
        job = job if job.state == "finalizing" else in_state(job, "finalizing")
        return in_state(job, "succeeded", step=job.steps, summary=summary, asset=asset, error=None)

    parts.board.happen(job.id, succeeded)
    _clean(parts, job.id)


def _take_failure(parts: Parts, report: Report) -> None:
    message = report.message
    report.member.release(report.now, is_leaving=message.is_leaving)
    trace_id = None if message.trace_id is None else sendable(message.trace_id, MAX_NAME_BYTES)
    code, text, remedy = sendable(message.code, MAX_NAME_BYTES), sendable(message.message), sendable(message.remedy)
    error = ProtocolError(code, text, remedy, trace_id=trace_id)
    _fail(parts, report.job.id, error)


def _stop(parts: Parts, report: Report) -> None:
    report.member.release(report.now)
    _end(parts, report.job.id, "cancelled")


ACTIONS: dict[type, Callable[[Parts, Report], None]] = {
    Started: _start,
    Advanced: _advance,
    Warned: _warn,
    Logged: _log,
    Meshed: _take_mesh,
    Checkpointed: _keep_checkpoint,
    Paused: _pause,
    PauseFailed: _go_on,
    Finished: _finish,
    Failed: _take_failure,
    Stopped: _stop,
}


def _fail(parts: Parts, job_id: str, error: ProtocolError) -> None:
    if parts.board.get(job_id).wish == "cancel":
        _end(parts, job_id, "cancelled")
    elif error.code in RETRIED:
        _interrupt(parts, job_id, error)
    else:
        _end(parts, job_id, "failed", error=error.to_dict())


def _interrupt(parts: Parts, job_id: str, error: ProtocolError, *, is_workers_loss: bool = True) -> None:
    parts.board.happen(job_id, lambda job: interrupted(job, error, is_workers_loss=is_workers_loss))
    _clean(parts, job_id)


def _end(parts: Parts, job_id: str, state: Any, **changes: Any) -> None:
    parts.board.change(job_id, state, **changes)
    _clean(parts, job_id)


def _clean(parts: Parts, job_id: str) -> None:
    """Drop what an attempt left; the preview of a job that only waits may stay until the next attempt has some."""
    job = parts.board.get(job_id)
    if parts.board.is_saved(job_id):
        parts.store.tidy(job)
    if job.has_ended:
        parts.previews.drop(job_id)
        prune(parts.board, parts.store, parts.settings)
        parts.blobs.sweep([other.spec for other in parts.board.jobs()], unused_s=UNUSED_S)
    else:
        parts.previews.rest(job_id)
