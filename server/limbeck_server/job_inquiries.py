# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What clients can ask about jobs: a list of them, the checkpoints of one, and what another would take."""

from __future__ import annotations

from collections.abc import Iterable

from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.limits import KIB, MAX_STATUS_JOBS, STATUS_PROMPT_CHARACTERS
from limbeck_protocol.lines import CheckpointLine
from limbeck_protocol.strict_json import dump_json
from limbeck_protocol.typed import to_plain
from limbeck_server.estimates import estimate, with_plan
from limbeck_server.jobs import line_of
from limbeck_server.kept_files import SavedCheckpoint
from limbeck_server.parts import Parts
from limbeck_server.replies import Reply
from limbeck_server.sessions import Session

MAX_LINES_BYTES = 56 * KIB
"""Room for lines in a header of 64 KiB."""


def report_status(parts: Parts, session: Session, request: m.StatusRequest, _packet: Packet) -> Reply:
    """List the newest jobs, those before one, or one job."""
    server, positions = m.ServerState(parts.state, parts.epoch, parts.version), parts.board.positions()
    if request.job is not None:
        line = line_of(parts.board.told(request.job), 1000, positions.get(request.job), session.client)
        return Reply(m.StatusReply(server, (line,)))
    known = sorted(parts.board.jobs(), key=lambda job: job.id, reverse=True)  # as pages go, whatever the clock did
    found = [job for job in known if request.before is None or job.id < request.before]
    shown = (parts.board.told(job.id) for job in found[:MAX_STATUS_JOBS])
    lines = fitting(line_of(job, STATUS_PROMPT_CHARACTERS, positions.get(job.id), session.client) for job in shown)
    return Reply(m.StatusReply(server, lines, more=len(found) > len(lines)))


def fitting(lines: Iterable[m.JobLine]) -> tuple[m.JobLine, ...]:
    """Return as many lines as a header has room for."""
    fit, size = [], 0
    for line in lines:
        size += len(dump_json(to_plain(line))) + 1
        if size > MAX_LINES_BYTES:
            break
        fit.append(line)
    return tuple(fit)


def list_checkpoints(parts: Parts, _session: Session, request: j.JobCheckpoints, _packet: Packet) -> Reply:
    """List the checkpoints that a job can be forked from, in the order of steps."""
    job = parts.board.told(request.job)
    lines = (_line_of(checkpoint) for checkpoint in job.checkpoints)
    return Reply(j.JobCheckpointsReply(job.id, tuple(sorted(lines, key=lambda line: line.step))))


def estimate_job(parts: Parts, _session: Session, request: j.JobEstimate, _packet: Packet) -> Reply:
    """Say what a job would take: by what finished ones took, and by its plan."""
    if request.steps is not None and request.steps < 1:
        raise ProtocolError("E_SCHEMA", f"expected 1 step or more, got {request.steps}", "leave it out", field="steps")
    return Reply(with_plan(estimate(parts.board.jobs(), request), parts.planner, request))


def _line_of(checkpoint: SavedCheckpoint) -> CheckpointLine:
    mesh = checkpoint.mesh
    counts = (mesh.vertices, mesh.faces) if mesh else (0, 0)
    seconds = None if checkpoint.seconds is None else round(checkpoint.seconds, 2)
    return CheckpointLine(
        checkpoint.step,
        checkpoint.attempt,
        seconds,
        *counts,
        has_mesh=mesh is not None,
        is_milestone=checkpoint.milestone > 0,
    )
