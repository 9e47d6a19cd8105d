# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the `limbeck` command and start a server that outlives Blender, so that closing Blender does not end a job."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import private_files, wire

if TYPE_CHECKING:
    from limbeck_protocol.connection import Endpoint

INSTALL_COMMAND = "python -m pip install ."
"""Run in a clone of Limbeck's repository: no package index has it yet."""
START_TIMEOUT_S = 60.0


def find_command(preferred: str = "") -> Path | None:
    """Return the limbeck program: the preferred one, or one on the search path or in pip's and pipx's user folder.

    Blender started from a desktop icon often has a shorter search path than a terminal has.
    """
    if preferred:
        return Path(preferred) if Path(preferred).is_file() else None
    found = shutil.which("limbeck") or shutil.which("limbeck", path=str(Path.home() / ".local" / "bin"))
    return Path(found) if found else None


@dataclass(frozen=True)
class StartLimit:
    """The circuit breaker: a server that cannot stay up is not respawned for ever."""

    starts: int = 3
    window_s: float = 600.0

    def allows(self, started_at: tuple[float, ...], now: float) -> bool:
        return sum(now - start < self.window_s for start in started_at) < self.starts


@dataclass
class ServerProcess:
    """The one server that this extension may have started, in this Blender or an earlier one. Never waits for it.

    Attributes:
        pid_file: remembers which process is ours, so that a later Blender may stop it; None remembers nothing.
    """

    log_file: Path
    limit: StartLimit = StartLimit()
    clock: Callable[[], float] = time.monotonic
    pid_file: Path | None = None
    _process: subprocess.Popen[bytes] | None = None
    _started_at: tuple[float, ...] = ()
    _is_stopped: bool = False
    _earlier: Endpoint | None = None

    def __post_init__(self) -> None:
        self._earlier = _read_pid(self.pid_file) if self.pid_file is not None else None

    def start(self, command: Path) -> str:
        """Start `limbeck serve`, unless it runs already; return "" or why not."""
        if self.is_running:
            return ""
        if not self.limit.allows(self._started_at, self.clock()):
            return f"The server ended {self.limit.starts} times in a row. Its log: {self.log_file}"
        self._started_at = (*self._started_at, self.clock())
        self._is_stopped = False
        try:
            self._process = _spawn([str(command), "serve"], self.log_file)
        except OSError as error:
            return f"{command} could not be started: {error.strerror}"
        if self.pid_file is not None:
            _write_pid(self.pid_file, self._process.pid)
        return ""

    @property
    def is_running(self) -> bool:
        is_ours = self._process is not None and self._process.poll() is None
        return is_ours or (self._earlier is not None and wire.connection.is_alive(self._earlier))

    @property
    def failure(self) -> str:
        """Return that the server ended on its own, or ""."""
        if self._process is None or self._is_stopped or self._process.poll() is None:
            return ""
        return f"The server ended with status {self._process.returncode}. Its log: {self.log_file}"

    @property
    def is_overdue(self) -> bool:
        return self.is_running and bool(self._started_at) and self.clock() - self._started_at[-1] > START_TIMEOUT_S

    def stop(self) -> None:
        """Ask the server that we started to end; jobs that it runs end with it."""
        if not self.is_running:
            return
        self._is_stopped = True
        if self._process is not None:
            self._process.terminate()
        elif self._earlier is not None:
            os.kill(self._earlier.pid, signal.SIGTERM)  # on Windows this ends the process, as terminate does

    def forgive(self) -> None:
        """Forget past failures: the artist asks for another try."""
        self._started_at = ()


def _write_pid(file: Path, pid: int) -> None:
    """Remember a process of ours; without the file it can only be stopped by the Blender that started it."""
    if wire.PROBLEM:
        return
    entry = {"pid": pid, "process_start": wire.processes.process_start(pid)}
    with contextlib.suppress(OSError):
        private_files.write_list(file, [entry])


def _read_pid(file: Path) -> Endpoint | None:
    """Return the process that an earlier Blender started, if it runs still; a reused pid is another process."""
    entries = [] if wire.PROBLEM else private_files.read_list(file)
    pid, started = (entries[0].get("pid"), entries[0].get("process_start")) if entries else (None, None)
    if not isinstance(pid, int) or not isinstance(started, int) or started == 0:
        return None
    endpoint = wire.connection.Endpoint("", pid=pid, process_start=started)
    return endpoint if wire.connection.is_alive(endpoint) else None


def _spawn(arguments: list[str], log_file: Path) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, which neither Blender's exit nor Ctrl-C in its terminal ends."""
    flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
    with log_file.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 (the artist's own limbeck)
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path.home(),
            creationflags=flags,
            start_new_session=True,
        )
