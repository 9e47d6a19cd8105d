# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a server: find one, connect without waiting, start one where none runs, say how things stand."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import fixes, server_process, wire
from .endpoints import endpoint_of, is_local, missing_file, problem_of
from .job import Problem
from .questions import Questions
from .status import StatusLine, status_line

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.connection import Endpoint
    from limbeck_protocol.events import ClientEvent

    from .status import LinkState

LOOK_INTERVAL_S = 1.0
LOOK_INTERVAL_WHILE_STARTING_S = 0.1
PATIENCE_S = 5.0
"""A first connection that takes longer is not on its way: the panel says what is known of it."""
SILENCE_S = 15.0
"""The same where ZeroMQ answers and Limbeck does not: a busy server may take a while."""
APP = "limbeck-blender"

LOCKED = (
    "The server is on another computer, and Blender was started with --offline-mode: start it without, "
    "or use a server on this computer"
)
_HOPELESS = ("broken", "blocked", "file", "unreachable", "stranger", "version", "key", "refused")
_REFUSALS: dict[str, LinkState] = {"E_VERSION": "version", "E_AUTH": "key"}


@dataclass(frozen=True)
class Settings:
    """What the preferences say."""

    connection_file: str = ""
    server_command: str = ""
    start_server: bool = True
    online_access: bool = False
    live_triangles: int = 200_000
    live_rate_hz: float = 5.0
    is_online_access_locked: bool = False


class Link:
    """At most one client, to the server that the settings name or that runs on this computer."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        process: server_process.ServerProcess,
        clock: Callable[[], float] = time.monotonic,
        questions: Questions | None = None,
    ) -> None:
        self.questions = questions or Questions()
        self.client: Client | None = None
        self.process = process
        self.settings = Settings()  # as they were at the last look
        self._settings = settings
        self._clock = clock
        self._client_id = f"blender-{uuid.uuid4().hex}"
        self._endpoint: Endpoint | None = None
        self._connected_by = ""
        self._command: Path | None = None
        self._look_at = self._connecting_since = 0.0
        self._is_restarting = False
        self._file_problem: Problem | None = None
        self._start_problem: Problem | None = None
        self._is_blocked = False

    @property
    def may_rest(self) -> bool:
        """Return whether the server has nothing to say and nothing is to be said to it."""
        return self.client is not None and self.client.is_quiet

    def pump(self, budget_s: float, *, is_wanted: bool) -> list[ClientEvent]:
        """Look for a server now and then; return what the client has to say."""
        if wire.PROBLEM:
            return []
        if self._clock() >= self._look_at:
            self._look(is_wanted)
            interval = LOOK_INTERVAL_WHILE_STARTING_S if self._is_starting else LOOK_INTERVAL_S
            self._look_at = self._clock() + interval
        if self.client is None:
            return []
        if self.is_ready:
            self.questions.ask(self.client)
        return [event for event in self.client.pump(budget_s) if not self.questions.take(event)]

    @property
    def is_ready(self) -> bool:
        return self.client is not None and self.client.state == "ready"

    @property
    def recipes(self) -> tuple[str, ...]:
        """Return the names of the recipes that the server offers."""
        server = self.client.server if self.client is not None else None
        return server.recipes if server is not None else ()

    @property
    def failure(self) -> Problem | None:
        """Return why no server will come, for a job that waits for one."""
        if self.client is not None:
            refusal = self.client.refusal
            return self._start_problem if refusal is None else problem_of(refusal)
        if self.process.is_running:
            remedy = f"Read its log: {self.process.log_file}"
            overdue = Problem("The server does not answer", remedy, "E_NO_ANSWER", fixes.LOG)
            return overdue if self.process.is_overdue else None
        if self.process.failure:
            return Problem(self.process.failure, fix=fixes.LOG)
        return self._start_problem or self._file_problem

    @property
    def status(self) -> StatusLine:
        state = self._state
        if state == "broken":
            return status_line(state, wire.PROBLEM)
        if state == "blocked":
            is_locked = self._settings().is_online_access_locked
            return replace(status_line(state, LOCKED), fix="") if is_locked else status_line(state)
        if state in ("version", "key", "refused") and self.client is not None and self.client.refusal is not None:
            return status_line(state, self.client.refusal.remedy)
        problem = self.failure if state == "absent" else self._file_problem if state == "file" else None
        line = status_line(state, "; ".join(filter(None, (problem.message, problem.remedy))) if problem else "")
        return replace(line, fix=problem.fix or line.fix) if problem else line

    @property
    def shown(self) -> object:
        """Return what panels show of the link; they are drawn again when it changes."""
        return self.status, self.can_start_server, self.process.is_running, self.questions.changes

    @property
    def can_start_server(self) -> bool:
        return self._state == "absent" and self._command is not None and not self._settings().connection_file

    @property
    def needs_install(self) -> bool:
        return self._state == "absent" and self._command is None and not self._settings().connection_file

    @property
    def why_no_server(self) -> str:
        """Return why a job cannot be sent, or "" if it can, now or once a server has started."""
        state = self._state
        if state == "absent":
            return "" if self.can_start_server and self._settings().start_server else "No server runs"
        return self.status.text if state in _HOPELESS else ""

    @property
    def why_not_start(self) -> str:
        """Return why Start Server would do nothing, or ""."""
        if self._settings().connection_file:
            return "The preferences name a connection file: that server is used, and none is started here"
        if self.client is not None or self.process.is_running:
            return "A server runs already"
        return "" if self._command is not None else "The limbeck command is not found: install the server first"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the keys in use, for the diagnostics to leave out."""
        end = self._endpoint
        keys = (end.server_key, end.client_public, end.client_secret) if end is not None else ()
        return tuple(filter(None, keys))

    @property
    def address(self) -> str:
        """Return where the server is, or "" while none is known."""
        return self._endpoint.address if self._endpoint is not None else ""

    def start_server(self) -> None:
        """Start a server on this computer, unless one runs."""
        self._start_problem = None
        if self._command is not None:
            error = self.process.start(self._command)
            self._start_problem = Problem(error) if error else None
        self._look_at = 0.0

    def restart_server(self) -> None:
        """Stop the server that we started, and start it again once it has ended."""
        self.process.forgive()
        self.process.stop()
        self._is_restarting = True
        self._look_at = 0.0

    def reconnect(self) -> None:
        """Leave the server and look for it anew, at once."""
        self.close()
        self._look_at = 0.0

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        self.client = self._endpoint = None
        self.questions.forget()

    @property
    def _is_starting(self) -> bool:
        return self.client is None and self.process.is_running

    @property
    def _state(self) -> LinkState:
        if wire.PROBLEM:
            return "broken"
        if self._is_blocked:
            return "blocked"
        if self.client is None:
            return self._unlinked_state
        if self.client.state == "connecting":
            return self._connecting_state(self.client)
        if self.client.state != "refused":
            return self.client.state
        code = self.client.refusal.code if self.client.refusal is not None else ""
        return _REFUSALS.get(code, "refused")

    @property
    def _unlinked_state(self) -> LinkState:
        if self._file_problem is not None and self._settings().connection_file:
            return "file"
        return "starting" if self.process.is_running or self._is_restarting else "absent"

    def _connecting_state(self, client: Client) -> LinkState:
        waited_s = self._clock() - self._connecting_since
        if waited_s < PATIENCE_S or self.process.is_running:
            return "connecting"
        if client.reach == "silent":
            return "stranger" if waited_s > SILENCE_S else "connecting"
        return "stranger" if client.reach in ("stranger", "connected") else "unreachable"

    def _look(self, is_wanted: bool) -> None:
        known, self.settings = self.settings, self._settings()
        settings = self.settings
        if self.is_ready and settings == known and not self._is_restarting:
            return
        if self.client is None:
            self._command = server_process.find_command(settings.server_command)
        if self._is_restarting and not self.process.is_running:
            self._is_restarting = False
            self.start_server()
        endpoint = self._find_endpoint()
        if self.client is not None and self._has_lost_its_point(endpoint, settings, is_wanted):
            self.close()
        if self.client is None and endpoint is not None:
            self._connect(endpoint, settings)
        elif is_wanted and endpoint is None and self.client is not None and self.process.failure:
            self.start_server()

    def _has_lost_its_point(self, endpoint: Endpoint | None, settings: Settings, is_wanted: bool) -> bool:
        """Return whether the client may not be used, is refused, or is not wanted and its server is gone."""
        if self.client is None:
            return False
        is_elsewhere = settings.connection_file != self._connected_by
        if is_wanted and not self._is_blocked:
            return is_elsewhere and self.client.state == "connecting"
        if self.client.state == "refused":
            return endpoint != self._endpoint
        return is_elsewhere or self._is_blocked or (endpoint is None and self.client.state != "ready")

    def _connect(self, endpoint: Endpoint, settings: Settings) -> None:
        try:
            self.client = wire.client.Client(
                endpoint, app=APP, client_id=self._client_id, find_endpoint=self._find_endpoint, wants_edges=True
            )
        except wire.errors.ProtocolError as error:
            self._file_problem = problem_of(error)
            return
        self._endpoint, self._connected_by = endpoint, settings.connection_file
        self._connecting_since = self._clock()

    def _find_endpoint(self) -> Endpoint | None:
        """Return the server that may be used now; remember why a known one may not."""
        settings = self._settings()
        try:
            endpoint = endpoint_of(settings.connection_file)
        except FileNotFoundError:
            self._file_problem, self._is_blocked = missing_file(settings.connection_file), False
            return None
        except wire.errors.ProtocolError as error:
            self._file_problem = problem_of(error)
            return None
        self._file_problem = None
        self._is_blocked = endpoint is not None and not settings.online_access and not is_local(endpoint.address)
        return None if self._is_blocked else endpoint
