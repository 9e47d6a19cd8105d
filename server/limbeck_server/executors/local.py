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

from limbeck_server.devices import Device
from limbeck_server.files import make_folder
from limbeck_server.key_files import KeyPair
from limbeck_server.settings import ServerSettings

MAX_LOG_BYTES = 5_000_000
KILL_WAIT_S = 1.0
LEAVE = b"leave\n"


@dataclass(frozen=True)
class WorkerOrders:
    """What a worker must know to dial home; it gets this as one line of JSON on its standard input.

    Standard input then stays open: its end tells the worker, on every platform, that whoever started it is gone, and
    the line LEAVE that it should hand back what it does and end.

    Attributes:
        server_pid: of whoever started it: the server, or ``limbeck worker``.
        seat: of a worker on another machine than its server's (remote_messages.py); empty on the same.
        device, last: as in WorkerJoin.
        folder: where a worker elsewhere keeps files while it needs them.
    """

    address: str
    token: str = field(repr=False)
    engine: str
    server_pid: int
    server_key: str = ""
    public: str = ""
    secret: str = field(default="", repr=False)
    seat: str = ""
    device: str = ""
    last: str = ""
    folder: str = ""


@dataclass(frozen=True)
class HomeAddress:
    """Where workers on this machine dial, and the keys for it."""

    address: str
    server_keys: KeyPair
    worker_keys: KeyPair


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

    def leave(self) -> None:
        """Ask a worker whose server is elsewhere to hand back what it does, and to end."""
        if self._process.stdin is not None:
            with suppress(OSError):  # it has ended already
                self._process.stdin.write(LEAVE)
                self._process.stdin.flush()

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


def launch_worker(settings: ServerSettings, home: HomeAddress, device: Device, token: str) -> LocalWorker:
    """Start a worker for a device of this machine.

    Raises:
        OSError, ProtocolError: as LocalWorker does.
    """
    keys = (home.server_keys.public, home.worker_keys.public, home.worker_keys.secret)
    is_open = home.address.startswith("tcp:")
    orders = WorkerOrders(home.address, token, settings.engine, os.getpid(), *(keys if is_open else ("", "", "")))
    log_file = settings.state_folder / "logs" / f"{device.log_name}.log"
    return LocalWorker(orders, log_file, device.environment)
