# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the server and its workers say to each other, framed as for clients; the header names job and attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# from a worker


@dataclass(frozen=True)
class WorkerHello:
    """Dials home; the token was given to the process when it was started."""

    token: str
    pid: int


@dataclass(frozen=True)
class WorkerReady:
    """The engine is loaded; jobs may come."""


@dataclass(frozen=True)
class Started:
    """The engine has begun."""


@dataclass(frozen=True)
class Advanced:
    """The latest progress."""

    stage: str
    step: int
    steps: int
    message: str = ""


@dataclass(frozen=True)
class Warned:
    """The engine warns."""

    code: str
    message: str


@dataclass(frozen=True)
class Meshed:
    """The newest preview, packed, in buffers of at most 1 MiB; uses up the credit."""

    step: int
    vertices: int
    faces: int


@dataclass(frozen=True)
class Finished:
    """The asset lies complete in the attempt's folder."""

    file: str
    size: int
    sha256: str
    summary: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The engine failed; ``is_leaving`` if the worker ends itself now, because its memory or device is spent."""

    code: str
    message: str
    remedy: str
    is_leaving: bool = False
    trace_id: str | None = None


@dataclass(frozen=True)
class Stopped:
    """The engine was stopped because the job was cancelled."""


# to a worker


@dataclass(frozen=True)
class RunJob:
    """Run the job in the buffer ``spec``, writing to ``folder``; uploaded files are in ``blobs``."""

    folder: str
    blobs: str


@dataclass(frozen=True)
class CancelJob:
    """Stop at the next point where that is possible."""


@dataclass(frozen=True)
class MeshCredit:
    """One more preview may be sent."""


FROM_WORKER: dict[str, type] = {
    "worker.hello": WorkerHello,
    "worker.ready": WorkerReady,
    "worker.started": Started,
    "worker.advanced": Advanced,
    "worker.warned": Warned,
    "worker.meshed": Meshed,
    "worker.finished": Finished,
    "worker.failed": Failed,
    "worker.stopped": Stopped,
}
TO_WORKER: dict[str, type] = {"worker.run": RunJob, "worker.cancel": CancelJob, "worker.credit": MeshCredit}
NAMES = {cls: name for table in (FROM_WORKER, TO_WORKER) for name, cls in table.items()}
