# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker's engine leaves for the thread that sends it, and the bell that wakes that thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

from limbeck_protocol.frames import Frame
from limbeck_protocol.job import JobSpec
from limbeck_server.engine import EnginePreview
from limbeck_server.worker_messages import ResumeFile

Attempt = tuple[str, int]


@dataclass(frozen=True)
class Order:
    """A job to run, at one attempt."""

    job: str
    attempt: int
    spec: JobSpec
    folder: Path
    blobs: Path
    resume: tuple[ResumeFile, ...] = ()
    checkpoint_s: float = 60.0
    milestones: int = 0

    @property
    def key(self) -> Attempt:
        """What tells this attempt from all others."""
        return (self.job, self.attempt)


@dataclass
class Mailbox:
    """The latest of some things, all of others; a preview as the engine made it, for most are never sent."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    letters: list[list[Frame]] = field(default_factory=list)
    progress: list[Frame] | None = None
    preview: tuple[Order, EnginePreview] | None = None
    lines: list[str] = field(default_factory=list)
    dropped: int = 0
    logging: Order | None = None


class Bell:
    """Wakes a thread that polls; any thread may ring. A pair of sockets, because Windows polls nothing else."""

    def __init__(self) -> None:
        """Open the pair."""
        self._ear, self._rope = socket.socketpair()
        self._ear.setblocking(False)
        self._rope.setblocking(False)

    def fileno(self) -> int:
        """Return what to poll for reading."""
        return self._ear.fileno()

    def ring(self) -> None:
        """Wake the thread, or let it poll again at once."""
        with contextlib.suppress(BlockingIOError):  # so many rings that nobody has heard are heard all the same
            self._rope.send(b"!")

    def hush(self) -> None:
        """Forget all rings until now."""
        with contextlib.suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass

    def close(self) -> None:
        """Close the pair."""
        self._ear.close()
        self._rope.close()
