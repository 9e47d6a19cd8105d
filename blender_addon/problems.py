# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a followed job on this side, each with what to do about it. Knows no bpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import fixes
from .job import Problem

if TYPE_CHECKING:
    from limbeck_protocol.errors import ProtocolError

CANCELLED_ELSEWHERE = Problem("The job was cancelled elsewhere", "Retry goes on from where it was")
NEVER_SENT = Problem("The connection was lost before the server answered", "Generate again", fix=fixes.RETRY)
NO_JOB_ID = Problem("The server sent a job id that is none", "Update the server")


def refused(error: ProtocolError | None) -> Problem:
    """Return the problem of an error that the server sent, or of a failed job without one."""
    return Problem("The job failed") if error is None else Problem(error.message, error.remedy, error.code)


def undelivered(problem: Problem) -> Problem:
    """Return why an asset is not here, with the way to get it."""
    return replace(problem, fix=fixes.FETCH)


def damaged(code: str, message: str) -> Problem:
    """Return the problem of a mesh that the client has refused."""
    return Problem(message, "The job goes on; later meshes may be good", code)


def too_large(triangles: int, most: int) -> Problem:
    message = f"The mesh has {triangles:,} triangles; the preferences allow {most:,} to be shown live"
    return Problem(message, "Raise Live Triangles in the preferences, or wait for the asset", fix=fixes.PREFERENCES)


def not_shown(reason: str) -> Problem:
    return Problem(f"The live mesh cannot be shown: {reason}", "The job goes on; its asset will come")


def not_imported(reason: str, file: Path) -> Problem:
    return Problem(reason, f"The asset is kept: {file}")


def not_a_glb(form: str, job_id: str) -> Problem:
    return Problem(f"The asset is a file of {form}, not GLB", f"Fetch it with: limbeck get {job_id}")
