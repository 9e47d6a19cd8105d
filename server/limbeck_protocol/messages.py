# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The bodies of all messages, as frozen dataclasses; docs/protocol.md says who sends which and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from limbeck_protocol.job import JobState
from limbeck_protocol.lines import JobLine, ServerState

# sent by clients


@dataclass(frozen=True)
class Hello:
    """Opens a session. ``client`` is stable across restarts of the application, so that keys find their job."""

    client: str
    app: str
    minor: int = 0
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ping:
    """Asks for a pong; any message counts as a sign of life."""


@dataclass(frozen=True)
class Bye:
    """Ends a session; from the server: it stops."""

    reason: str = ""


@dataclass(frozen=True)
class JobSubmit:
    """Submits the job description in the buffer ``spec``; the same key with the same description is the same job.

    Jobs of higher priority go first; None is 0.
    """

    key: str
    priority: int | None = None


@dataclass(frozen=True)
class JobCancel:
    """Cancels a job, unless ``attempt`` is given and not the current one; to one that has ended it does nothing."""

    job: str
    attempt: int | None = None


@dataclass(frozen=True)
class JobWatch:
    """Asks for a job's state now, and for its events after ``after``, progress and previews until it ends."""

    job: str
    after: int = 0
    previews: bool = True


@dataclass(frozen=True)
class JobUnwatch:
    """Ends a watch."""

    job: str


@dataclass(frozen=True)
class PreviewDone:
    """Gives back the credit for one preview; there is no answer but, at some time, the newest preview.

    ``topology`` is that of the faces which the client has kept, if it has any (feature ``preview.update``).
    """

    job: str
    preview: int
    topology: int | None = None


@dataclass(frozen=True)
class StatusRequest:
    """Asks for the server's state and its newest jobs, those before a job id, or one job."""

    job: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class BlobOpen:
    """Asks for the size and hash of a job's artifact: ``asset``, or ``mesh-STEP`` of a checkpoint that has a mesh."""

    job: str
    artifact: str = "asset"


@dataclass(frozen=True)
class BlobRead:
    """Asks for a range of at most 1 MiB of an artifact, or of the preview ``preview-SEQ`` that is on offer."""

    job: str
    blob: str
    offset: int
    length: int


@dataclass(frozen=True)
class BlobPut:
    """Uploads a part, in the buffer ``data``, of the blob with this hash; parts follow one another."""

    sha256: str
    size: int
    offset: int


# sent by the server


@dataclass(frozen=True)
class Welcome:
    """Opens a session from the server's side.

    Attributes:
        epoch: random per server start; a new one means that sessions and watches are gone.
        version: of the server's package.
        limits: names and values of limits.py that the client must keep.
        devices: what the workers compute on.
        role: what this client may do: admin, submit or read.
        recipes: names that a job may give as its recipe.
    """

    epoch: str
    session: str
    version: str
    minor: int = 0
    features: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)
    ping_interval_s: float = 2.0
    devices: tuple[str, ...] = ()
    role: str = "admin"
    recipes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pong:
    """Answers a ping."""

    epoch: str


@dataclass(frozen=True)
class JobAccepted:
    """Answers a submission; ``duplicate`` if the key had been used for the same description."""

    job: str
    state: JobState
    duplicate: bool = False


@dataclass(frozen=True)
class JobSnapshot:
    """Answers a watch or a cancellation: the job now. ``event`` is the newest event it includes."""

    job: str
    state: JobState
    event: int = 0
    attempt: int = 0
    stage: str = ""
    step: int = 0
    steps: int = 0
    error: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None


@dataclass(frozen=True)
class JobEvent:
    """A durable event of a watched job; the header's seq numbers them without gaps from 1."""

    kind: str
    state: JobState
    step: int = 0
    steps: int = 0
    code: str = ""
    message: str = ""
    error: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None


@dataclass(frozen=True)
class Progress:
    """Progress of a watched job; only the latest counts."""

    stage: str
    step: int
    steps: int
    message: str = ""


@dataclass(frozen=True)
class Preview:
    """A preview mesh, numbered by the header's seq: in the buffers if ``inline``, else to be pulled as ``preview-SEQ``.

    A pulled blob is vertices, faces and colours back to back; ``crc32`` is of it.

    Attributes:
        topology: grows within a job when the faces are others than before; not there if the server does not say.
        update: true if there are no faces in it, because the client said that it has those of this topology.
        edges: how many edges come with it (feature ``preview.edges``), after the colours; not there if none do.
    """

    step: int
    vertices: int
    faces: int
    inline: bool
    crc32: int = 0
    topology: int | None = None
    update: bool | None = None
    edges: int | None = None


@dataclass(frozen=True)
class StatusReply:
    """Answers a status request; ``more`` if older jobs were left out."""

    server: ServerState
    jobs: tuple[JobLine, ...]
    more: bool = False


@dataclass(frozen=True)
class BlobOpened:
    """Answers blob.open; ``suffix`` is the file's, such as ``.glb``; a mesh, packed as previews are, has counts."""

    size: int
    sha256: str
    suffix: str
    vertices: int | None = None
    faces: int | None = None
    edges: int | None = None


@dataclass(frozen=True)
class BlobChunk:
    """Answers blob.read, with the bytes in the buffer ``data``."""

    blob: str
    offset: int


@dataclass(frozen=True)
class BlobStored:
    """Answers blob.put: how many bytes the server has, from which the client goes on."""

    sha256: str
    received: int
    complete: bool


@dataclass(frozen=True)
class Failure:
    """Answers a request that was refused; the fields are those of ProtocolError.

    Every major version keeps this form for E_VERSION, with ``supported``: the lowest and highest major version served.
    """

    code: str
    message: str
    remedy: str
    field: str | None = None
    retryable: bool = False
    retry_after_ms: int | None = None
    trace_id: str | None = None
    supported: tuple[int, ...] | None = None
