# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers as child processes on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from limbeck_server.files import make_folder

MAX_LOG_BYTES = 5_000_000
KILL_WAIT_S = 1.0


@dataclass(frozen=True)
class WorkerOrders:
    """What a worker must know to dial home; it gets this as one line of JSON on its standard input.

    Standard input then stays open: its end tells the worker, on every platform, that the server is gone.
    """

    address: str
    token: str = field(repr=False)
    engine: str
    server_pid: int
    server_key: str = ""
    public: str = ""
    secret: str = field(default="", repr=False)


class LocalWorker:
    """One worker process."""

    def __init__(self, orders: WorkerOrders, log_file: Path, environment: Mapping[str, str]) -> None:
        """Start the process; ``environment`` is added to this one's.

        Raises:
            OSError: if it cannot be started.
            ProtocolError: E_FILE if the log's folder cannot be made.
        """
        make_folder(log_file.parent)
        is_long = log_file.exists() and log_file.stat().st_size > MAX_LOG_BYTES
        with log_file.open("wb" if is_long else "ab") as log:
            # -P: never import from the folder that the server happens to be started in
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "limbeck_server.worker"],
                stdin=subprocess.PIPE,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                # Ctrl-C is the server's business
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self.pid = self._process.pid
        self._write_orders(orders)

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it, and wait a moment for that: a process that hangs in a driver must not hang the server."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_WAIT_S)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _write_orders(self, orders: WorkerOrders) -> None:
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return  # it ended at once, which whoever watches it will see
