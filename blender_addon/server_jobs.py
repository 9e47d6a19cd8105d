# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that the server has, whoever sent them: asked for at the connection and now and then. Knows no bpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import wire

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.events import RequestFailed, Status
    from limbeck_protocol.messages import JobLine

BUSY_INTERVAL_S = 2.0
IDLE_INTERVAL_S = 5.0


class ServerJobs:
    """The server's newest jobs, as it said last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lines: tuple[JobLine, ...] = ()
        self._clock = clock
        self._request = ""
        self._asked_at = float("-inf")
        self._positions: dict[str, int | None] = {}

    def refresh(self, client: Client, *, is_busy: bool) -> None:
        """Ask again when the last answer is old."""
        interval_s = BUSY_INTERVAL_S if is_busy else IDLE_INTERVAL_S
        if client.state == "ready" and not self._request and self._clock() - self._asked_at >= interval_s:
            self._asked_at = self._clock()
            self._request = client.status()

    def ask_soon(self) -> None:
        """Ask at the next refresh, because something has changed; an older question does not count any more."""
        self._request, self._asked_at = "", float("-inf")

    def handle(self, event: Status | RequestFailed) -> None:
        """Take the answer to our own question; others are ignored."""
        if event.request != self._request:
            return
        self._request = ""
        if isinstance(event, wire.events.Status):
            self.lines = event.jobs
            self._positions = {line.job: line.position for line in event.jobs}

    def position_of(self, job_id: str) -> int | None:
        """Return the place in the queue of a job that waits: 1 is the next."""
        return self._positions.get(job_id)

    def clear(self) -> None:
        """Forget everything: the server may be another one."""
        self.lines, self._positions = (), {}
        self.ask_soon()
