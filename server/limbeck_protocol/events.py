# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What ``Client.pump`` returns: everything that an application learns from the server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobState
from limbeck_protocol.job_messages import WorkerLine
from limbeck_protocol.lines import CheckpointLine, JobLine, ServerState
from limbeck_protocol.mesh_codec import MeshData
from limbeck_protocol.messages import Welcome


@dataclass(frozen=True)
class Connected:
    """The server answered; also after a reconnection, with watches resumed."""

    server: Welcome


@dataclass(frozen=True)
class Disconnected:
    """The server is silent, gone or refuses us; jobs go on. ``Client.state`` says whether the client tries again.

    ``is_final`` where it does not, because the server refuses it: ``Client.refusal``.
    """

    reason: str
    is_final: bool = False


@dataclass(frozen=True)
class Submitted:
    """The server has the job; submitting again with the same key returns the same job."""

    request: str
    job: str


@dataclass(frozen=True)
class JobChanged:
    """A watched job's state, or the answer to a request that changes a job.

    Attributes:
        error: set when failed, and when interrupted: why the attempt was cut short.
        summary: set when succeeded: what ``limbeck generate --json`` prints; ``file`` is the path on the server.
    """

    job: str
    state: JobState
    step: int
    steps: int
    error: ProtocolError | None = None
    summary: dict[str, Any] | None = None


@dataclass(frozen=True)
class JobProgress:
    """Progress of a watched job, at most four times a second; ``stage`` as in EngineProgress."""

    job: str
    stage: str
    step: int
    steps: int
    message: str


@dataclass(frozen=True)
class JobWarning:
    """Something the user should know about a watched job that goes on."""

    job: str
    code: str
    message: str


@dataclass(frozen=True)
class PreviewMesh:
    """The newest mesh of a watched job; ``seq`` grows, gaps mean that older ones were skipped.

    ``has_same_faces`` as the preview before it: ``mesh.faces`` is the very same array then.
    """

    job: str
    seq: int
    step: int
    mesh: MeshData
    has_same_faces: bool = False


@dataclass(frozen=True)
class Downloaded:
    """A fetched file is complete, checked against its SHA-256 and in place."""

    request: str
    job: str
    path: Path


@dataclass(frozen=True)
class Status:
    """The answer to a status request: the server and its newest jobs, newest first."""

    request: str
    server: ServerState
    jobs: tuple[JobLine, ...]


@dataclass(frozen=True)
class LogText:
    """The end of a job's log: lines with a time each."""

    request: str
    job: str
    text: str


@dataclass(frozen=True)
class Busyness:
    """The answer to ``Client.top``: the workers, and the queue in its order (``waiting`` says how long it is)."""

    request: str
    server: ServerState
    workers: tuple[WorkerLine, ...]
    queue: tuple[JobLine, ...]
    waiting: int
    clients: int


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a job that it can be forked from, in the order of steps."""

    request: str
    job: str
    checkpoints: tuple[CheckpointLine, ...]


@dataclass(frozen=True)
class StepMesh:
    """The mesh that a job had at a step, with its edges; checked as previews are."""

    request: str
    job: str
    step: int
    mesh: MeshData


@dataclass(frozen=True)
class Estimate:
    """What a job would take, by the server's finished jobs; ``seconds`` and ``memory_mb`` are None if it has none.

    Attributes:
        from_jobs: how many jobs it is the median of.
        device: what they computed on.
        steps: what it is for; None if the recipe's own number is not known.
        is_exact: whether those jobs had the same overrides, and the same faces if they were given.
        planned_seconds, planned_memory_mb, planned_profile, planned_refusal: what the run's plan says, a guess.
        is_planning: whether the plan is being made: ask again in a second.
    """

    request: str
    seconds: float | None
    memory_mb: float | None
    from_jobs: int
    device: str
    steps: int | None
    is_exact: bool
    planned_seconds: float | None = None
    planned_memory_mb: float | None = None
    planned_profile: str | None = None
    planned_refusal: str | None = None
    is_planning: bool | None = None


@dataclass(frozen=True)
class RequestFailed:
    """The server refused a request, or it could not be done here; nothing was left half-done."""

    request: str
    error: ProtocolError


ClientEvent = (
    Connected
    | Disconnected
    | Submitted
    | JobChanged
    | JobProgress
    | JobWarning
    | PreviewMesh
    | Downloaded
    | Status
    | LogText
    | Busyness
    | Checkpoints
    | StepMesh
    | Estimate
    | RequestFailed
)
