# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What one remote key may have at the server: jobs that wait or run, and uploaded bytes. Admins have no quota."""

from __future__ import annotations

from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.messages import BlobPut
from limbeck_server.access import job_named_by
from limbeck_server.jobs import Job
from limbeck_server.parts import Parts
from limbeck_server.sessions import Session

RETRY_AFTER_MS = 60_000


def owner_of(parts: Parts, message: Any) -> str | None:
    """Return the scoped id of the client whose job a message names, or None if it names none that exists."""
    job_id = job_named_by(message)
    if job_id is None:
        return None
    try:
        return parts.board.get(job_id).client
    except ProtocolError:
        return None


def require_job_quota(parts: Parts, session: Session, key: str) -> None:
    """Refuse one job too many; a submission that is repeated is none.

    Raises:
        ProtocolError: E_QUOTA.
    """
    if session.principal.role == "admin":
        return
    theirs = _jobs_of(parts, session)
    unfinished = sum(not job.has_ended for job in theirs)
    is_new = not any((job.client, job.key) == (session.client, key) for job in theirs)
    if is_new and unfinished >= parts.settings.max_client_jobs:
        message = f"expected at most {parts.settings.max_client_jobs} jobs of one key to wait or run, got one more"
        raise _over_quota(message, "wait for some to end, or cancel some")


def require_byte_quota(parts: Parts, session: Session, request: BlobPut) -> None:
    """Refuse an upload that would take a key beyond its bytes.

    Raises:
        ProtocolError: E_QUOTA.
    """
    if session.principal.role == "admin" or request.offset > 0:
        return
    specs = [job.spec for job in _jobs_of(parts, session)]
    used = parts.blobs.used_bytes(session.principal.name, specs, besides=request.sha256)
    if used + request.size > parts.settings.max_client_mb * 1_000_000:
        message = (
            f"expected at most {parts.settings.max_client_mb} MB uploaded by one key, got {request.size} bytes more"
        )
        raise _over_quota(message, "ask whoever runs the server to raise max_client_mb")


def _jobs_of(parts: Parts, session: Session) -> list[Job]:
    return [job for job in parts.board.jobs() if session.principal.owns(job.client)]


def _over_quota(message: str, remedy: str) -> ProtocolError:
    return ProtocolError("E_QUOTA", message, remedy, retryable=True, retry_after_ms=RETRY_AFTER_MS)
