# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How much history is kept: so many jobs that have ended, and so many bytes of their files; the oldest go first."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from limbeck_protocol.errors import ProtocolError
from limbeck_server.board import Board
from limbeck_server.jobs import Job
from limbeck_server.settings import ServerSettings

log = logging.getLogger("limbeck.server")


def artifact_bytes(job: Job) -> int:
    """Return how much room a job's asset and checkpoints take."""
    return sum(checkpoint.size for checkpoint in job.checkpoints) + (job.asset.size if job.asset else 0)


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


def prune(board: Board, settings: ServerSettings) -> None:
    """Forget the jobs that are beyond the caps; where that fails it is tried again after the next job."""
    for job in surplus(board.jobs(), settings.max_history, settings.max_artifact_bytes):
        if not board.is_saved(job.id):
            continue
        try:
            board.forget(job)
        except ProtocolError as error:
            log.warning("job not forgotten", extra={"job": job.id, "code": error.code, "reason": error.message})
            return
        log.info("job forgotten", extra={"job": job.id})
