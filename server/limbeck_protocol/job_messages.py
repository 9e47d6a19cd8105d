# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The bodies of the messages about jobs that exist, since minor version 1; docs/protocol.md says who sends which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from limbeck_protocol.lines import CheckpointLine, JobLine, ServerState

# sent by clients


@dataclass(frozen=True)
class JobPause:
    """Pauses a job: it writes a checkpoint and frees its device."""

    job: str


@dataclass(frozen=True)
class JobResume:
    """Puts a paused job back in the queue."""

    job: str


@dataclass(frozen=True)
class JobFinish:
    """Stops a job's optimisation and makes its asset of what there is."""

    job: str


@dataclass(frozen=True)
class JobMove:
    """Changes a waiting job's priority, its place among those of its priority (``first`` or ``last``), or both."""

    job: str
    priority: int | None = None
    to: str = ""


@dataclass(frozen=True)
class JobRetry:
    """Submits a failed or cancelled job again, from its newest checkpoint unless ``from_start``."""

    job: str
    key: str
    from_start: bool = False


@dataclass(frozen=True)
class JobFork:
    """Submits a job that goes on from another's checkpoint.

    Attributes:
        job: the other one.
        key: as for a submission.
        step: of the checkpoint; None is the newest.
        changes: fields of the job description; ``overrides`` are added to those that there are.
    """

    job: str
    key: str
    step: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobLog:
    """Asks for the end of a job's log."""

    job: str


@dataclass(frozen=True)
class JobCheckpoints:
    """Asks which checkpoints of a job there are (since minor version 2)."""

    job: str


@dataclass(frozen=True)
class JobEstimate:
    """Asks how long a job would take and how much memory, going by this server's own (since minor version 2).

    Attributes:
        recipe: its name.
        prior, device, overrides: as in the job description.
        steps: None is the recipe's own number, as far as finished jobs tell it.
        faces: None is any.
    """

    recipe: str
    prior: str = "embedded"
    steps: int | None = None
    device: str = "auto"
    faces: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Top:
    """Asks what the server is doing."""


# sent by the server


@dataclass(frozen=True)
class JobLogReply:
    """Answers job.log, with up to 1 MiB of UTF-8 lines in the buffer ``text``; without lines there is no buffer."""

    job: str


@dataclass(frozen=True)
class JobCheckpointsReply:
    """Answers job.checkpoints, in the order of steps."""

    job: str
    checkpoints: tuple[CheckpointLine, ...] = ()


@dataclass(frozen=True)
class JobEstimateReply:
    """Answers job.estimate.

    Attributes:
        from_jobs: how many finished jobs it is the median of; 0 means that nothing is known yet.
        device: what such jobs computed on, or what was asked for if that is not known.
        seconds, memory_mb: None where nothing is known; memory is the worker's peak in MB (10^6 bytes).
        steps: what it is for, None if the recipe's own number is not known.
        is_exact: whether those jobs had the same overrides, and the same faces if they were given.
        planned_seconds, planned_memory_mb: what the plan of such a run says, a guess from its configuration alone: the
            peak of the GPU's memory, or of the host's where no GPU computes.
        planned_profile: how the run would be made to fit its memory, in words.
        planned_refusal: why it could not be run, as when it does not fit.
        is_planning: True while the plan is being made: ask again in a second. None where no plans are made.
    """

    from_jobs: int
    device: str
    seconds: float | None = None
    memory_mb: float | None = None
    steps: int | None = None
    is_exact: bool = False
    planned_seconds: float | None = None
    planned_memory_mb: float | None = None
    planned_profile: str | None = None
    planned_refusal: str | None = None
    is_planning: bool | None = None


@dataclass(frozen=True)
class WorkerLine:
    """One worker; ``state`` is starting, idle, busy or resting, ``memory_mb`` in MB (10^6 bytes)."""

    device: str
    state: str
    pid: int = 0
    memory_mb: float = 0.0
    job: str | None = None
    attempt: int = 0
    stage: str = ""
    step: int = 0
    steps: int = 0


@dataclass(frozen=True)
class TopReply:
    """Answers top: the queue in its order, of which ``waiting`` says how long it is."""

    server: ServerState
    workers: tuple[WorkerLine, ...]
    queue: tuple[JobLine, ...]
    waiting: int
    clients: int
