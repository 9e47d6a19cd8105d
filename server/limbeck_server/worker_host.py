# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers for a server on another machine: one process a device, started again when it ends."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from limbeck_protocol.connection import Endpoint
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_server.devices import Device
from limbeck_server.executors.local import LocalWorker, WorkerOrders
from limbeck_server.files import make_folder
from limbeck_server.life import how_it_ended
from limbeck_server.lock import FolderLock
from limbeck_server.probe import ask_to_come_in
from limbeck_server.worker_link import ENDED, REFUSED

log = logging.getLogger("limbeck.worker")
TURN_S = 0.1
LEAVE_S = 40.0
"""How long a worker has to write its checkpoint and hand it over when it is stopped."""
RESTART_DELAYS_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0
"""A process that has lived for so long is not one of a row of failures."""
MAX_HOSTS = 64


@dataclass
class Seat:
    """One device's worker, from process to process."""

    orders: WorkerOrders
    device: Device
    log_file: Path
    process: LocalWorker | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    deaths: int = 0

    def tend(self, now: float) -> int | None:
        """Start the process if it does not run, and return how it ended if it has since."""
        if self.process is None:
            if now >= self.start_at:
                self._start(now)
            return None
        code = self.process.exit_code
        if code is None:
            return None
        self.end()
        has_been_steady = now - self.started_at > STEADY_S or code in (0, ENDED)
        self.deaths = 0 if has_been_steady else self.deaths + 1
        self.start_at = now + RESTART_DELAYS_S[min(self.deaths, len(RESTART_DELAYS_S) - 1)]
        how = "" if code in (0, ENDED) else how_it_ended(code)
        self.orders = replace(self.orders, last=how)
        log.warning("worker %s; another starts", how or "was ended by its server")
        return code

    def leave(self) -> None:
        """Ask the process to hand back what it does."""
        if self.process is not None:
            self.process.leave()

    def end(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    @property
    def has_ended(self) -> bool:
        """Whether there is no process, or it has ended."""
        return self.process is None or self.process.exit_code is not None

    def _start(self, now: float) -> None:
        self.started_at = now
        self.process = LocalWorker(self.orders, self.log_file, self.device.environment)


@dataclass(frozen=True)
class Host:
    """What workers on this machine need.

    Attributes:
        endpoint: where the server waits for workers, and a worker's key for it.
        devices: one worker for each.
        engine: ``module:function``.
        folder: for files while they are needed; the first free one of ``folder``, ``folder-2``, ... is taken.
        state_folder: for logs.
    """

    endpoint: Endpoint
    devices: Sequence[Device]
    engine: str
    folder: Path
    state_folder: Path
    name: str = field(default_factory=new_ulid)


def run_host(
    host: Host, should_stop: Callable[[], bool], say: Callable[[str], None], on_ready: Callable[[], None] = lambda: None
) -> None:
    """Keep workers running until ``should_stop`` says so; then let them hand back what they do.

    ``on_ready`` is called once the server has let this machine in and its workers are to be started.

    Raises:
        ProtocolError: E_VERSION, E_AUTH, E_QUOTA or E_ADDRESS if the server refuses them; E_FILE, E_DISK_FULL.
    """
    folder, lock = _own_folder(host.folder)
    try:
        ask_to_come_in(host.endpoint, should_stop, say)
        if should_stop():
            return
        seats = [_seat(host, folder, number, device) for number, device in enumerate(host.devices)]
        say(f"{len(seats)} worker(s) for {host.endpoint.address} (Ctrl-C hands back what they do)")
        on_ready()
        try:
            _keep(seats, host, should_stop, say)
            _let_leave(seats)
        finally:
            for seat in seats:
                seat.end()
    finally:
        lock.release()


def _keep(seats: list[Seat], host: Host, should_stop: Callable[[], bool], say: Callable[[str], None]) -> None:
    while not should_stop():
        for seat in seats:
            if seat.tend(time.monotonic()) in (REFUSED, ENDED):
                ask_to_come_in(host.endpoint, should_stop, say)
        time.sleep(TURN_S)


def _let_leave(seats: list[Seat]) -> None:
    for seat in seats:
        seat.leave()
    deadline = time.monotonic() + LEAVE_S
    while time.monotonic() < deadline and not all(seat.has_ended for seat in seats):
        time.sleep(TURN_S)


def _seat(host: Host, folder: Path, number: int, device: Device) -> Seat:
    endpoint = host.endpoint
    keys = endpoint.server_key or "", endpoint.client_public or "", endpoint.client_secret or ""
    orders = WorkerOrders(
        endpoint.address,
        "",
        host.engine,
        os.getpid(),
        *keys,
        seat=f"{host.name}.{number}",
        device=device.name,
        folder=str(make_folder(folder / str(number), mode=0o700)),
    )
    log_name = device.log_name.replace("worker", folder.name, 1)
    return Seat(orders, device, host.state_folder / "logs" / f"{log_name}.log")


def _own_folder(folder: Path) -> tuple[Path, FolderLock]:
    """Return the first folder that no other host of this machine holds, and the lock on it."""
    for number in range(1, MAX_HOSTS + 1):
        candidate = make_folder(folder if number == 1 else folder.with_name(f"{folder.name}-{number}"), mode=0o700)
        try:
            return candidate, FolderLock(candidate)
        except ProtocolError:
            continue
    message = f"expected fewer than {MAX_HOSTS} 'limbeck worker' beside one another, got as many"
    raise ProtocolError("E_FILE", message, "give --workers N to one of them instead")
