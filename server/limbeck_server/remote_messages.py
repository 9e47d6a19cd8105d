# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker on another machine and its server say besides worker_messages.py: who comes, who leaves, and files.

Workers on the server's machine share its disk; all others send and get files in parts of at most 1 MiB, one request a
part. The header of a request has an id, that of the answer names it in ``re``.
"""

from __future__ import annotations

from dataclasses import dataclass

from limbeck_server.worker_messages import FROM_WORKER, TO_WORKER

PROTOCOL = 1
"""Of these messages and worker_messages.py together. Server and worker must have the same."""

# from a worker


@dataclass(frozen=True)
class WorkerJoin:
    """Comes in; whoever held the same seat before is gone.

    Attributes:
        protocol: PROTOCOL.
        version: of the worker's package, for people.
        seat: chosen by whoever starts workers, one for each that may run at a time; lasts from process to process.
        life: random per process.
        host, device, pid: for people.
        last: how the process before it in this seat ended, if that is known.
    """

    protocol: int
    version: str
    seat: str
    life: str
    host: str = ""
    device: str = ""
    pid: int = 0
    last: str = ""


@dataclass(frozen=True)
class Leaving:
    """Takes no more jobs, and hands back the one that it has."""


@dataclass(frozen=True)
class Gone:
    """The last message of a process that ends as it should."""


@dataclass(frozen=True)
class FetchPart:
    """Asks for a part of a file that the job needs: one of its uploaded blobs, or a checkpoint."""

    sha256: str
    offset: int


@dataclass(frozen=True)
class PutPart:
    """Brings a part of a file for the attempt's folder, in the buffer ``data``; parts come in order."""

    file: str
    size: int
    sha256: str
    offset: int


# to a worker


@dataclass(frozen=True)
class Welcomed:
    """The worker is one of the crew, and gets jobs once it says that it is ready."""

    epoch: str


@dataclass(frozen=True)
class Refused:
    """The worker may not come in, and need not try again as it is."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Unknown:
    """The server does not know who speaks, because it was restarted or gave the worker up: join again."""


@dataclass(frozen=True)
class Heard:
    """Answers a beat."""


@dataclass(frozen=True)
class EndWorker:
    """The process is to end at once, whatever it does."""


@dataclass(frozen=True)
class Part:
    """A part of a file, in the buffer ``data``; ``size`` is the whole file's."""

    offset: int
    size: int


@dataclass(frozen=True)
class PartStored:
    """A part has come; ``is_complete`` if with it the file is whole, checked and on the disk."""

    received: int
    is_complete: bool


@dataclass(frozen=True)
class PartRefused:
    """The request for a part cannot be met."""

    code: str
    message: str
    remedy: str


FROM_REMOTE: dict[str, type] = FROM_WORKER | {
    "worker.join": WorkerJoin,
    "worker.leaving": Leaving,
    "worker.gone": Gone,
    "worker.fetch": FetchPart,
    "worker.put": PutPart,
}
TO_REMOTE: dict[str, type] = TO_WORKER | {
    "worker.welcomed": Welcomed,
    "worker.refused": Refused,
    "worker.unknown": Unknown,
    "worker.heard": Heard,
    "worker.end": EndWorker,
    "worker.part": Part,
    "worker.stored": PartStored,
    "worker.part_refused": PartRefused,
}
REMOTE_NAMES = {cls: name for table in (FROM_REMOTE, TO_REMOTE) for name, cls in table.items()}
