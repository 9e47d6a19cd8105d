# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a followed job on this side, each with what to do about it. Knows no bpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import fixes
from .job import Problem
from .texts import translated

if TYPE_CHECKING:
    from limbeck_protocol.errors import ProtocolError


def cancelled_elsewhere() -> Problem:
    return Problem(translated("The job was cancelled elsewhere"), translated("Retry goes on from where it was"))


def never_sent() -> Problem:
    message = translated("The connection was lost before the server answered")
    return Problem(message, translated("Generate again"), fix=fixes.RETRY)


def no_job_id() -> Problem:
    return Problem(translated("The server sent a job id that is none"), translated("Update the server"))


def refused(error: ProtocolError | None) -> Problem:
    """Return the problem of an error that the server sent, or of a failed job without one."""
    return Problem(translated("The job failed")) if error is None else Problem(error.message, error.remedy, error.code)


def undelivered(problem: Problem) -> Problem:
    """Return why an asset is not here, with the way to get it."""
    return replace(problem, fix=fixes.FETCH)


def damaged(code: str, message: str) -> Problem:
    """Return the problem of a mesh that the client has refused."""
    return Problem(message, translated("The job goes on; later meshes may be good"), code)


def too_large(triangles: int, most: int) -> Problem:
    text = translated("The mesh has {triangles} triangles; the preferences allow {most} to be shown live")
    remedy = translated("Raise Live Triangles in the preferences, or wait for the asset")
    return Problem(text.format(triangles=f"{triangles:,}", most=f"{most:,}"), remedy, fix=fixes.PREFERENCES)


def not_shown(reason: str) -> Problem:
    message = translated("The live mesh cannot be shown: {reason}").format(reason=reason)
    return Problem(message, translated("The job goes on; its asset will come"))


def not_imported(reason: str, file: Path) -> Problem:
    return Problem(reason, translated("The asset is kept: {file}").format(file=file))


def not_a_glb(form: str, job_id: str) -> Problem:
    message = translated("The asset is a file of {format}, not GLB").format(format=form)
    return Problem(message, translated("Fetch it with: {command}").format(command=f"limbeck get {job_id}"))
