# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What answers list: one line for the server, for a job, for a checkpoint. docs/protocol.md says where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limbeck_protocol.job import JobState


@dataclass(frozen=True)
class JobLine:
    """One job in a list; everything from ``created`` on is None where the server is older than minor version 2.

    Attributes:
        position: 1 for the next of those that wait, None for others.
        created, ended: when it was submitted and when it ended, in Unix seconds; ``ended`` is None before that.
        error: ``code`` and ``message`` (at most 120 characters) of one that failed.
        mine: whether this client submitted it, under its present id.
        parent: the job that it was forked or retried from.
    """

    job: str
    state: JobState
    step: int
    steps: int
    prompt: str
    recipe: str
    position: int | None = None
    created: float | None = None
    ended: float | None = None
    error: dict[str, Any] | None = None
    mine: bool | None = None
    parent: str | None = None


@dataclass(frozen=True)
class ServerState:
    """The server in a status answer; ``state`` is starting, idle, busy, disk_full, worker_fails or draining."""

    state: str
    epoch: str
    version: str


@dataclass(frozen=True)
class CheckpointLine:
    """A checkpoint that a job can be forked from.

    Attributes:
        step: how many steps were done; ``job.fork`` takes it.
        attempt: which attempt at the job wrote it.
        seconds: how long the job had run by then, without what was lost on the way; None if that is not known.
        vertices, faces: of its mesh, 0 without one.
        has_mesh: whether ``mesh-STEP`` can be downloaded.
        is_milestone: whether it stays as long as the job; the others make room for newer ones.
    """

    step: int
    attempt: int
    seconds: float | None = None
    vertices: int = 0
    faces: int = 0
    has_mesh: bool = False
    is_milestone: bool = False
