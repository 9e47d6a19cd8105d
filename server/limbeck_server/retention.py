# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How much history is kept: so many ended jobs, so many bytes of milestones and of all files; the oldest go first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from limbeck_protocol.errors import ProtocolError
from limbeck_server.board import Board
from limbeck_server.jobs import KEPT_CHECKPOINTS, Job
from limbeck_server.kept_files import milestone_bytes, thinned
from limbeck_server.settings import ServerSettings
from limbeck_server.store import Store

log = logging.getLogger("limbeck.server")


def artifact_bytes(job: Job) -> int:
    """Return how much room a job's asset and checkpoints take."""
    return sum(checkpoint.all_bytes for checkpoint in job.checkpoints) + (job.asset.size if job.asset else 0)


def surplus(jobs: Sequence[Job], max_history: int, max_artifact_bytes: int) -> list[Job]:
    """Return the ended jobs that are to go, oldest first; jobs that have not ended take room but never go."""
    ended = [job for job in jobs if job.has_ended]
    total = sum(artifact_bytes(job) for job in jobs)
    going = []
    for number, job in enumerate(ended):
        if len(ended) - number <= max_history and total <= max_artifact_bytes:
            break
        going.append(job)
        total -= artifact_bytes(job)
    return going


def without_milestones(job: Job) -> Job:
    """Return a job whose newest checkpoints alone are left."""
    return replace(job, checkpoints=thinned(job.checkpoints, 0, KEPT_CHECKPOINTS))


def robbed(jobs: Sequence[Job], max_milestone_bytes: int, max_artifact_bytes: int) -> list[Job]:
    """Return the ended jobs that are to lose their milestones, oldest first: those go before whole jobs do."""
    milestones = sum(milestone_bytes(job.checkpoints) for job in jobs)
    total = sum(artifact_bytes(job) for job in jobs)
    losing = []
    for job in jobs:
        if milestones <= max_milestone_bytes and total <= max_artifact_bytes:
            break
        if job.has_ended and milestone_bytes(job.checkpoints):
            losing.append(job)
            milestones -= milestone_bytes(job.checkpoints)
            total -= artifact_bytes(job) - artifact_bytes(without_milestones(job))
    return losing


def prune(board: Board, store: Store, settings: ServerSettings) -> None:
    """Take milestones and jobs away that are beyond the caps; where that fails it is tried again after the next job."""
    for job in robbed(board.jobs(), settings.max_milestone_mb * 1_000_000, settings.max_artifact_bytes):
        changed = board.happen(job.id, without_milestones)
        if board.is_saved(job.id):  # until then the rows name their files
            store.tidy(changed)
        log.info("milestones dropped", extra={"job": job.id})
    for job in surplus(board.jobs(), settings.max_history, settings.max_artifact_bytes):
        if not board.is_saved(job.id):
            continue
        try:
            board.forget(job)
        except ProtocolError as error:
            log.warning("job not forgotten", extra={"job": job.id, "code": error.code, "reason": error.message})
            return
        log.info("job forgotten", extra={"job": job.id})
