# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a server: find one, connect without waiting, start one where none runs, say how things stand."""

from __future__ import annotations

import ipaddress
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import server_process, wire
from .job import Problem
from .status import StatusLine, status_line

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.connection import Endpoint
    from limbeck_protocol.events import ClientEvent

    from .status import LinkState

LOOK_INTERVAL_S = 1.0
LOOK_INTERVAL_WHILE_STARTING_S = 0.1
APP = "limbeck-blender"


@dataclass(frozen=True)
class Settings:
    """What the preferences say."""

    connection_file: str = ""
    server_command: str = ""
    start_server: bool = True
    online_access: bool = False
    live_triangles: int = 200_000
    live_rate_hz: float = 5.0


class Link:
    """At most one client, to the server that the settings name or that runs on this computer."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        process: server_process.ServerProcess,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client: Client | None = None
        self.process = process
        self.settings = Settings()  # as they were at the last look
        self._settings = settings
        self._clock = clock
        self._client_id = f"blender-{uuid.uuid4().hex}"
        self._endpoint: Endpoint | None = None
        self._connected_by = ""
        self._command: Path | None = None
        self._look_at = 0.0
        self._file_problem: Problem | None = None
        self._start_problem: Problem | None = None
        self._is_blocked = False

    def pump(self, budget_s: float, *, is_wanted: bool) -> list[ClientEvent]:
        """Look for a server now and then; return what the client has to say."""
        if wire.PROBLEM:
            return []
        if self._clock() >= self._look_at:
            self._look(is_wanted)
            interval = LOOK_INTERVAL_WHILE_STARTING_S if self._is_starting else LOOK_INTERVAL_S
            self._look_at = self._clock() + interval
        return self.client.pump(budget_s) if self.client is not None else []

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
            return self._start_problem if refusal is None else Problem(refusal.message, refusal.remedy)
        if self.process.is_running:
            overdue = Problem("The server does not answer", f"Read its log: {self.process.log_file}")
            return overdue if self.process.is_overdue else None
        if self.process.failure:
            return Problem(self.process.failure)
        return self._start_problem or self._file_problem

    @property
    def status(self) -> StatusLine:
        state = self._state
        if state == "broken":
            return status_line(state, wire.PROBLEM)
        if state == "blocked":
            return status_line(state, "The server is on another computer: allow online access in Preferences > System")
        if state in ("version", "refused") and self.client is not None and self.client.refusal is not None:
            return status_line(state, self.client.refusal.remedy)
        problem = self.failure if state == "absent" else None
        return status_line(state, "; ".join(filter(None, (problem.message, problem.remedy))) if problem else "")

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
        return self.status.text if state in ("broken", "blocked", "version", "refused") else ""

    def start_server(self) -> None:
        """Start a server on this computer, unless one runs."""
        self._start_problem = None
        if self._command is not None:
            error = self.process.start(self._command)
            self._start_problem = Problem(error) if error else None
        self._look_at = 0.0

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        self.client = self._endpoint = None

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
            return "starting" if self.process.is_running else "absent"
        if self.client.state != "refused":
            return self.client.state
        return "version" if self.client.refusal is not None and self.client.refusal.code == "E_VERSION" else "refused"

    def _look(self, is_wanted: bool) -> None:
        self.settings = settings = self._settings()
        if self.client is None:
            self._command = server_process.find_command(settings.server_command)
        endpoint = self._find_endpoint()
        if self.client is not None and self._has_lost_its_point(endpoint, settings, is_wanted):
            self.close()
        if self.client is None and endpoint is not None:
            self._connect(endpoint, settings)
        elif is_wanted and endpoint is None and self.client is not None and self.process.failure:
            self.start_server()

    def _has_lost_its_point(self, endpoint: Endpoint | None, settings: Settings, is_wanted: bool) -> bool:
        """Return whether the client may not be used, is refused, or is not wanted and its server is gone."""
        if self.client is None or (is_wanted and not self._is_blocked):
            return False
        if self.client.state == "refused":
            return endpoint != self._endpoint
        is_elsewhere = settings.connection_file != self._connected_by
        return is_elsewhere or self._is_blocked or (endpoint is None and self.client.state != "ready")

    def _connect(self, endpoint: Endpoint, settings: Settings) -> None:
        try:
            self.client = wire.client.Client(
                endpoint, app=APP, client_id=self._client_id, find_endpoint=self._find_endpoint
            )
        except wire.errors.ProtocolError as error:
            self._file_problem = Problem(error.message, error.remedy)
            return
        self._endpoint, self._connected_by = endpoint, settings.connection_file

    def _find_endpoint(self) -> Endpoint | None:
        """Return the server that may be used now; remember why a known one may not."""
        settings = self._settings()
        try:
            endpoint = _endpoint_of(settings.connection_file)
        except wire.errors.ProtocolError as error:
            self._file_problem = Problem(error.message, error.remedy)
            return None
        self._file_problem = None
        self._is_blocked = endpoint is not None and not settings.online_access and not is_local(endpoint.address)
        return None if self._is_blocked else endpoint


def is_local(address: str) -> bool:
    """Return whether a ZeroMQ address stays on this computer, where Blender's online access does not matter."""
    if not address.startswith("tcp://"):
        return True
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _endpoint_of(connection_file: str) -> Endpoint | None:
    """Return the endpoint in a file that the artist names, else of the server that runs on this computer."""
    if not connection_file:
        return wire.connection.discover()
    try:
        return wire.connection.read_connection_file(Path(connection_file))
    except FileNotFoundError:
        return None
