# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One attempt at a job, in the worker: from the order and the checkpoints it came with to how it ended."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import spec_hash
from limbeck_protocol.limits import MAX_SUMMARY_BYTES
from limbeck_protocol.strict_json import dump_json, is_deeper_than
from limbeck_server.blobs import fill_blobs
from limbeck_server.checkpoints import CheckpointWriter, Pace, Saved, first_whole
from limbeck_server.courier import Courier
from limbeck_server.engine import (
    Controls,
    Engine,
    EngineCheckpoint,
    EngineEvent,
    EngineFinished,
    EnginePreview,
    EngineProgress,
    EngineWarning,
)
from limbeck_server.failures import SPENT_CODES, failure_of
from limbeck_server.mailbox import Order
from limbeck_server.plain_text import line_of, sendable
from limbeck_server.remote_home import ConnectionLostError
from limbeck_server.worker_link import WorkerLink
from limbeck_server.worker_messages import (
    Advanced,
    Failed,
    Finished,
    Paused,
    PauseFailed,
    Started,
    Stopped,
    Warned,
)

log = logging.getLogger("limbeck.worker")
Ending = Finished | Failed | Stopped | Paused
MAX_SUMMARY_DEPTH = 8
BEFORE_STEPS = ("loading", "compiling")


def run_order(order: Order, engine: Engine, link: WorkerLink, kept: dict[str, Any], courier: Courier) -> Ending:
    """Run one attempt and return how it ended; ``kept`` is the engine's own from job to job."""

    def tell(saved: Saved) -> None:
        if saved.checkpoint is not None:
            link.send(saved.checkpoint, order)
        if saved.error is not None:
            missing = "no checkpoint" if saved.checkpoint is None else f"no mesh of step {saved.checkpoint.step}"
            link.send(Warned(saved.error.code, f"{missing}: {saved.error.message}"), order)

    link.pulse.begin()
    writer, handler = None, _job_log(link, order)
    try:
        courier.fetch(order)
        job = fill_blobs(order.spec, order.blobs)
        resume, problems = first_whole(order.resume)
        for problem in problems:
            link.send(Warned("W_CHECKPOINT_DAMAGED", f"{problem}; going on from {_where(resume)}"), order)
        notes = {"job": order.job, "attempt": order.attempt, "spec_hash": spec_hash(order.spec)}
        pace, spent_s = Pace(order.checkpoint_s, order.milestones), resume.seconds if resume else 0.0
        writer = CheckpointWriter(order.folder, notes, pace, tell, spent_s, lambda files: courier.deliver(order, files))
        link.send(Started(resume.step if resume else 0), order)
        controls = Controls(
            Path(resume.path) if resume else None,
            writer.is_due,
            lambda: link.is_finishing(order),
            kept,
            writer.is_milestone,
        )
        with closing(engine(job, order.folder, controls)) as events:
            ending = _follow(events, order, link, writer)
        if isinstance(ending, Finished):
            courier.deliver(order, (ending.file,))
        return ending
    except ConnectionLostError:  # nobody waits for this attempt any more
        return Stopped()
    except Exception as error:  # noqa: BLE001 - the engine's code is not ours, and the worker has to live on
        kept.clear()
        return failed(error)
    finally:
        if writer is not None:
            writer.close()
        logging.getLogger().removeHandler(handler)
        link.pulse.end()


def _job_log(link: WorkerLink, order: Order) -> logging.Handler:
    """Send what is logged in this process to the job's log."""
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: link.log(order, line_of(record))
    logging.getLogger().addHandler(handler)
    return handler


def _where(resume: Any) -> str:
    return f"step {resume.step}" if resume else "the beginning"


def _follow(
    events: Generator[EngineEvent, None, None], order: Order, link: WorkerLink, writer: CheckpointWriter
) -> Ending:
    stage, shown = "loading", None
    for event in events:
        link.pulse.note()
        if link.is_cancelled(order):
            return Stopped()
        match event:
            case EngineProgress():
                stage = event.stage
                link.advance(order, Advanced(stage, event.step, event.steps, sendable(event.message)))
            case EnginePreview():
                shown = event
                link.show(order, event)
            case EngineWarning():
                link.send(Warned(event.code, sendable(event.message)), order)
            case EngineCheckpoint():
                writer.take(event, shown)
            case EngineFinished():
                return finish(event.file, event.summary, order.folder)
        if link.is_pausing(order) and _pause(event, stage, order, link, writer):
            return Paused()
    return Failed("E_ENGINE", "the engine ended without an asset", "report it")


def _pause(event: EngineEvent, stage: str, order: Order, link: WorkerLink, writer: CheckpointWriter) -> bool:
    """Say whether the engine can be stopped now without losing anything."""
    if stage in BEFORE_STEPS:
        return True
    if not isinstance(event, EngineCheckpoint):
        writer.ask()
        return False
    saved = writer.flush()
    if saved is not None and saved.checkpoint is None and saved.error is not None:
        link.take_back_pause(order)
        link.send(PauseFailed(saved.error.code, saved.error.message, saved.error.remedy), order)
        return False
    return True


def finish(file: Path, summary: dict[str, Any], folder: Path) -> Finished:
    """Make the asset durable and return its size and hash.

    Raises:
        ProtocolError: E_ENGINE if the file is not in the job's folder, or the summary is none that can be sent.
        OSError: if it cannot be read.
    """
    if file.resolve().parent != folder.resolve():
        raise ProtocolError("E_ENGINE", f"expected an asset in the job's folder, got {file}", "report it")
    _require_sendable(summary)
    digest = hashlib.sha256()
    with file.open("r+b") as asset:
        while chunk := asset.read(1 << 20):
            digest.update(chunk)
        os.fsync(asset.fileno())
    return Finished(file.name, file.stat().st_size, digest.hexdigest(), summary)


def _require_sendable(summary: dict[str, Any]) -> None:
    try:
        is_small = len(dump_json(summary)) <= MAX_SUMMARY_BYTES and not is_deeper_than(summary, MAX_SUMMARY_DEPTH)
    except ProtocolError as error:
        raise ProtocolError("E_ENGINE", f"the engine's summary cannot be sent: {error.message}", "report it") from error
    if not is_small:
        message = f"expected a summary of at most {MAX_SUMMARY_BYTES} bytes and {MAX_SUMMARY_DEPTH} levels, got more"
        raise ProtocolError("E_ENGINE", message, "report it")


def failed(error: Exception) -> Failed:
    """Return how a job ends with an exception; what was not foreseen leaves its traceback in the worker's log."""
    failure = failure_of(error)
    if failure.is_typed:
        log.warning("job failed: %s", error)
        return Failed(failure.code, sendable(failure.message), sendable(failure.remedy))
    trace_id = new_ulid()
    log.error("job failed, trace id %s", trace_id, exc_info=error)
    is_bug = failure.code == "E_INTERNAL"
    remedy = "report it with the worker's log, which has this trace id" if is_bug else failure.remedy
    return Failed(
        failure.code, sendable(failure.message), remedy, is_leaving=failure.code in SPENT_CODES, trace_id=trace_id
    )
