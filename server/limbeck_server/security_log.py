# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Security events: every kind is logged, but a flood of one kind cannot push everything else out of the log."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("limbeck.security")
WINDOW_S = 10.0
LINES_A_WINDOW = 20


@dataclass
class Window:
    """A few seconds of one kind of event: when they began, how many lines were written, how many were not."""

    began_at: float
    lines: int = 0
    held_back: int = 0


class SecurityLog:
    """Writes events to the server's log.

    Attributes:
        counts: how often each event has happened, for the metrics.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the clock, in seconds."""
        self._clock = clock
        self._windows: dict[str, Window] = {}
        self.counts: Counter[str] = Counter()

    def note(self, event: str, **who: str) -> None:
        """Log an event; beyond LINES_A_WINDOW they are counted, and the next line says how many were ``held_back``."""
        self.counts[event] += 1
        now = self._clock()
        window = self._windows.setdefault(event, Window(now))
        if window.lines >= LINES_A_WINDOW and now - window.began_at < WINDOW_S:
            window.held_back += 1
            return
        if now - window.began_at >= WINDOW_S:
            window.began_at, window.lines = now, 0
        log.warning(event, extra={"security": True, "held_back": window.held_back, **who})
        window.lines, window.held_back = window.lines + 1, 0
