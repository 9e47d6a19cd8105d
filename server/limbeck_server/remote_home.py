# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker knows of a server on another machine: whether it is there, and what was asked of it."""

from __future__ import annotations

import platform
import threading
import time
from concurrent.futures import Future
from typing import Any

from limbeck import __version__
from limbeck_protocol.frames import Packet
from limbeck_protocol.ids import new_ulid
from limbeck_server.remote_messages import PROTOCOL, WorkerJoin

SILENCE_S = 15.0
"""Without a word from the server for so long, the worker dials anew."""
STOP_S = 60.0
"""How long the engine may take to leave an attempt that the server has given up; then the process ends."""


class ConnectionLostError(Exception):
    """The server that an attempt was made for does not know of it any more."""


class RemoteHome:
    """Used by the link's thread, but for ``asked``."""

    def __init__(self, seat: str, device: str, last: str, pid: int) -> None:
        """Begin outside."""
        self._join = WorkerJoin(PROTOCOL, __version__, seat, new_ulid(), platform.node(), device, pid, last)
        self._heard_at = time.monotonic()
        self._lock = threading.Lock()
        self._answers: dict[str, Future[tuple[Any, Packet]]] = {}
        self._abandoned_at: float | None = None
        self.is_in = False

    def join(self) -> WorkerJoin:
        """Return what to say first; until the answer comes, nothing else is worth saying."""
        self.is_in = False
        return self._join

    def note(self) -> None:
        """Note that the server said something."""
        self._heard_at = time.monotonic()

    def is_silent(self, now: float) -> bool:
        """Say whether the connection should be made anew; once, then there is patience again."""
        if now - self._heard_at < SILENCE_S:
            return False
        self._heard_at = now
        return True

    def asked(self) -> tuple[str, Future[tuple[Any, Packet]]]:
        """Return the id for a request, and where its answer will be; any thread may ask."""
        request, answer = new_ulid(), Future[tuple[Any, Packet]]()
        with self._lock:
            self._answers[request] = answer
        return request, answer

    def answer(self, message: Any, packet: Packet) -> None:
        """Hand an answer to who asked."""
        with self._lock:
            asked = self._answers.pop(packet.header.re or "", None)
        if asked is not None:
            asked.set_result((message, packet))

    def abandon(self, *, has_attempt: bool) -> None:
        """Fail all requests, because the server is another, or has given this worker up."""
        self._abandoned_at = time.monotonic() if has_attempt else None
        with self._lock:
            answers, self._answers = self._answers, {}
        for asked in answers.values():
            asked.set_exception(ConnectionLostError())

    def note_idle(self) -> None:
        """Note that no attempt runs."""
        self._abandoned_at = None

    def is_stuck(self, now: float) -> bool:
        """Say whether an abandoned attempt does not end."""
        return self._abandoned_at is not None and now - self._abandoned_at > STOP_S
