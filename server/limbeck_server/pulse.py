# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How long the engine has been silent, and how long it usually is: what tells a stuck run from a slow one."""

from __future__ import annotations

import statistics
import time
from collections import deque

import psutil

from limbeck_server.worker_messages import Beat

REMEMBERED = 64


class Pulse:
    """Noted by the engine's thread, read by the link's; both only assign or append."""

    def __init__(self) -> None:
        """Begin without a job."""
        self._noted_at: float | None = None
        self._intervals: deque[float] = deque(maxlen=REMEMBERED)
        self._process = psutil.Process()

    def begin(self) -> None:
        """Note that a job begins."""
        self._intervals.clear()
        self._noted_at = time.monotonic()

    def note(self) -> None:
        """Note that the engine said something."""
        now = time.monotonic()
        if self._noted_at is not None:
            self._intervals.append(now - self._noted_at)
        self._noted_at = now

    def keep(self) -> None:
        """Note that something moves, though it is not the engine that speaks."""
        if self._noted_at is not None:
            self._noted_at = time.monotonic()

    def end(self) -> None:
        """Note that there is no job."""
        self._noted_at = None

    def beat(self) -> Beat:
        """Return the sign of life."""
        noted_at, intervals = self._noted_at, list(self._intervals)
        quiet_s = 0.0 if noted_at is None else time.monotonic() - noted_at
        usual_s = statistics.median(intervals) if intervals else 0.0
        return Beat(round(quiet_s, 3), round(usual_s, 3), round(self._process.memory_info().rss / 1e6, 1))
