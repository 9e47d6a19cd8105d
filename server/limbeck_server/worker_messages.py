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
class Beat:
    """A sign of life, from another thread than the engine's.

    Attributes:
        quiet_s: since the engine last said something; 0 without a job.
        usual_s: median of how long it takes to say something.
        memory_mb: resident memory, in MB (10^6 bytes).
    """

    quiet_s: float
    usual_s: float
    memory_mb: float


@dataclass(frozen=True)
class Started:
    """The engine has begun, after the steps that the checkpoint had done."""

    step: int = 0


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
class Logged:
    """Lines for the job's log; ``dropped`` counts those that came too fast."""

    lines: tuple[str, ...]
    dropped: int = 0


@dataclass(frozen=True)
class Meshed:
    """The newest preview, in buffers of at most 1 MiB: vertices, colours and what the server lacks of faces and edges.

    It uses up the credit.

    Attributes:
        has_faces: whether the faces are others than those of the attempt's mesh before, and therefore come too.
        crc32: of vertices and colours back to back.
        whole_crc32: of vertices, faces and colours, if there are faces.
        edges: how many come with it, 0 if none do.
    """

    step: int
    vertices: int
    faces: int
    has_faces: bool
    crc32: int
    whole_crc32: int | None = None
    edges: int = 0


@dataclass(frozen=True)
class MeshFile:
    """A mesh lies complete in the attempt's folder, packed as on the wire: see ``mesh_codec.pack_mesh``."""

    file: str
    size: int
    sha256: str
    vertices: int
    faces: int
    edges: int = 0


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint lies complete in the attempt's folder.

    Attributes:
        seconds: how long the job had run by then, without what was lost on the way.
        milestone: its number, from 1 on, if it is to be kept; else 0.
        mesh: of that step, only with a milestone.
    """

    file: str
    step: int
    size: int
    sha256: str
    seconds: float = 0.0
    milestone: int = 0
    mesh: MeshFile | None = None


@dataclass(frozen=True)
class Paused:
    """The engine was stopped, after a checkpoint if it had anything to keep."""


@dataclass(frozen=True)
class PauseFailed:
    """The checkpoint could not be written; the engine goes on."""

    code: str
    message: str
    remedy: str


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
class ResumeFile:
    """A checkpoint that the attempt may go on from, by its path; a worker elsewhere fetches it by its hash.

    The job had run for ``seconds`` when it was made.
    """

    path: str
    sha256: str
    step: int
    seconds: float = 0.0


@dataclass(frozen=True)
class RunJob:
    """Run the job in the buffer ``spec``, writing to ``folder``; uploaded files are in ``blobs``.

    A worker elsewhere gets no paths, uses folders of its own, and fetches what it needs (remote_messages.py).

    Attributes:
        resume: checkpoints to go on from, the newest first; the next is for when one is damaged.
        checkpoint_s: how often to write another, in seconds.
        finish: stop optimising at once, and keep what there is.
        milestones: how many checkpoints to keep with their meshes, evenly spread over all steps.
        edges: whether anybody wants the first preview's edges.
    """

    folder: str
    blobs: str
    resume: tuple[ResumeFile, ...] = ()
    checkpoint_s: float = 60.0
    finish: bool = False
    milestones: int = 0
    edges: bool = False


@dataclass(frozen=True)
class CancelJob:
    """Stop at the next point where that is possible."""


@dataclass(frozen=True)
class PauseJob:
    """Write a checkpoint and stop."""


@dataclass(frozen=True)
class FinishJob:
    """Stop optimising and make the asset of what there is."""


@dataclass(frozen=True)
class MeshCredit:
    """One more preview may be sent, with its edges if anybody wants them."""

    edges: bool = False


FROM_WORKER: dict[str, type] = {
    "worker.hello": WorkerHello,
    "worker.ready": WorkerReady,
    "worker.beat": Beat,
    "worker.started": Started,
    "worker.advanced": Advanced,
    "worker.warned": Warned,
    "worker.logged": Logged,
    "worker.meshed": Meshed,
    "worker.checkpointed": Checkpointed,
    "worker.paused": Paused,
    "worker.pause_failed": PauseFailed,
    "worker.finished": Finished,
    "worker.failed": Failed,
    "worker.stopped": Stopped,
}
TO_WORKER: dict[str, type] = {
    "worker.run": RunJob,
    "worker.cancel": CancelJob,
    "worker.pause": PauseJob,
    "worker.finish": FinishJob,
    "worker.credit": MeshCredit,
}
NAMES = {cls: name for table in (FROM_WORKER, TO_WORKER) for name, cls in table.items()}
