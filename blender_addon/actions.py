# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a job in which phase, and why not what cannot. Knows no bpy."""

from __future__ import annotations

from typing import Literal

from .job import ENDED, FollowedJob
from .texts import translated

Action = Literal["cancel", "finish", "pause", "resume", "move", "retry", "fork", "fetch", "show_mesh", "dismiss"]
NO_JOB = "Select a job first"
NO_SERVER = "The server cannot be reached just now"
NOT_SENT = "The server does not have the job yet"

_BEGUN = ("starting", "running", "interrupted", "pausing", "paused")
_AT_WORK = ("queued", *_BEGUN)
_ALLOWED: dict[Action, tuple[tuple[str, ...], str]] = {
    "finish": (("running", "pausing", "paused"), "There is nothing to keep yet, or the asset is already being made"),
    "pause": (("queued", "starting", "running"), "Only a job that waits or runs can be paused"),
    "resume": (("paused",), "The job is not paused"),
    "move": (("queued", "interrupted"), "Only a job that waits in line has a place there"),
    "retry": (("failed", "cancelled"), "Only a job that failed or was cancelled can be tried again"),
    "fork": ((*_BEGUN, *ENDED), "The job has not begun yet, so there is nothing to go on from"),
    "fetch": (("done", "undelivered"), "The asset is not made yet"),
    "show_mesh": (_AT_WORK, "The job has no live mesh any more"),
}


def why_not(action: Action, job: FollowedJob | None, *, is_ready: bool) -> str:
    """Return why an action cannot be taken now, as a line for a tooltip, or "" if it can."""
    if job is None:
        return NO_JOB
    if action in ("cancel", "dismiss"):
        return _why_not_end(action, job)
    phases, reason = _ALLOWED[action]
    if job.phase not in phases:
        return reason
    if not job.id:
        return "" if action == "retry" and job.spec is not None else NOT_SENT
    return "" if is_ready else NO_SERVER


def _why_not_end(action: Action, job: FollowedJob) -> str:
    if action == "cancel":
        return "" if job.goes_on else translated("The job has ended: {phase}").format(phase=job.phase_text)
    return "The job goes on; cancel it first" if job.goes_on else ""
