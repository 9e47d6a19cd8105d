# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the server is made of, for the functions that work on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from limbeck_server.access import Access
from limbeck_server.blobs import BlobStore
from limbeck_server.board import Board
from limbeck_server.crew import Crew
from limbeck_server.intake import Intake
from limbeck_server.planner import Planner
from limbeck_server.previews import Previews
from limbeck_server.security_log import SecurityLog
from limbeck_server.sessions import Sessions
from limbeck_server.settings import ServerSettings
from limbeck_server.store import Store


@dataclass(frozen=True)
class Parts:
    """The server's parts; ``epoch`` is random per start, ``version`` the package's.

    Attributes:
        counts: what has happened how often since the start, as (metric, label), for metrics.py.
    """

    settings: ServerSettings
    epoch: str
    version: str
    store: Store
    board: Board
    blobs: BlobStore
    previews: Previews
    sessions: Sessions
    crew: Crew
    intake: Intake
    access: Access
    security: SecurityLog
    planner: Planner
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def state(self) -> str:
        """What the server is doing: starting, idle, busy, disk_full, worker_fails or draining."""
        if self.intake.is_draining:
            return "draining"
        if self.intake.is_full or self.board.has_unsaved:
            return "disk_full"
        if self.crew.is_busy:
            return "busy"
        if self.crew.cannot_start:
            return "worker_fails"
        return "idle" if self.crew.is_ready else "starting"
