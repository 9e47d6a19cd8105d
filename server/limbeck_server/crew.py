# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The worker of this machine: started, watched, restarted after a crash, and ended when it does not obey."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, Packet
from limbeck_server.executors.local import LocalWorker, WorkerOrders
from limbeck_server.key_files import KeyPair
from limbeck_server.settings import ServerSettings
from limbeck_server.worker_messages import CancelJob, MeshCredit, RunJob, WorkerHello, WorkerReady

log = logging.getLogger("limbeck.server")
HELLO_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Assignment:
    """The attempt at a job that a worker is busy with."""

    job: str
    attempt: int


@dataclass(frozen=True)
class Loss:
    """A worker process that ended while it had an assignment, because it was told to or not."""

    assignment: Assignment
    exit_code: int
    was_cancelled: bool


@dataclass(frozen=True)
class HomeAddress:
    """Where workers dial, and the keys for it."""

    address: str
    server_keys: KeyPair
    worker_keys: KeyPair


class Crew:
    """One worker process. ``post`` sends (peer, message, header, arrays) through the workers' socket."""

    def __init__(self, settings: ServerSettings, home: HomeAddress, post: Callable[..., None]) -> None:
        """Prepare; ``tick`` starts the process."""
        self._settings = settings
        self._home = home
        self._post = post
        self._process: LocalWorker | None = None
        self._token = ""
        self._peer: bytes | None = None
        self._is_ready = False
        self._deaths = 0
        self._start_at = self._started_at = 0.0
        self._cancelled_at: float | None = None
        self._is_terminating = False
        self.assignment: Assignment | None = None

    @property
    def can_take_job(self) -> bool:
        """Whether the worker is ready and has nothing to do."""
        return self._is_ready and self.assignment is None

    @property
    def is_ready(self) -> bool:
        """Whether the worker has dialled home and loaded its engine."""
        return self._is_ready

    @property
    def has_died(self) -> bool:
        """Whether the process has ended and ``tick`` has not noticed yet."""
        return self._process is not None and self._process.exit_code is not None

    @property
    def log_file(self) -> Path:
        """What the worker process prints."""
        return self._settings.state_folder / "logs" / "worker.log"

    def run(self, assignment: Assignment, order: RunJob, spec: Any) -> None:
        """Give the worker a job."""
        self.assignment = assignment
        self._order(order, {"spec": spec})

    def cancel(self, now: float) -> None:
        """Ask the worker to stop what it does; ``tick`` sees to it."""
        if self._cancelled_at is None:
            self._cancelled_at = now
            self._order(CancelJob())

    def credit(self) -> None:
        """Let the worker send another preview."""
        self._order(MeshCredit())

    def release(self, *, has_succeeded: bool = False, is_leaving: bool = False) -> None:
        """Note that the worker has ended its assignment; one that is leaving gets no other."""
        self.assignment = self._cancelled_at = None
        self._is_terminating = False
        self._deaths = 0 if has_succeeded else self._deaths
        self._is_ready = self._is_ready and not is_leaving

    def is_from_worker(self, peer: bytes, packet: Packet, message: Any) -> bool:
        """Say whether a message comes from the worker that was started last; its greetings are dealt with here."""
        if isinstance(message, WorkerHello):
            if secrets.compare_digest(message.token.encode(), self._token.encode()):
                self._peer = peer
            return False
        if peer == self._peer and isinstance(message, WorkerReady):
            self._is_ready = True
            log.info("worker ready", extra={"pid": self._process.pid if self._process else 0})
            return False
        if peer != self._peer or self.assignment is None:
            return False
        return (packet.header.job, packet.header.att) == (self.assignment.job, self.assignment.attempt)

    def tick(self, now: float) -> Loss | None:
        """Start, restart or stop the process as need be; return what a death has cost."""
        if self._process is None:
            if now >= self._start_at:
                self._start(now)
            return None
        self._insist(now)
        exit_code = self._process.exit_code
        return None if exit_code is None else self._bury(now, exit_code)

    def stop(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        self._is_ready = False

    def _start(self, now: float) -> None:
        self._token = secrets.token_hex(16)
        home = self._home
        orders = WorkerOrders(home.address, self._token, self._settings.engine, os.getpid())
        if home.address.startswith("tcp:"):
            keys = home.server_keys.public, home.worker_keys.public, home.worker_keys.secret
            orders = WorkerOrders(home.address, self._token, self._settings.engine, os.getpid(), *keys)
        try:
            self._process = LocalWorker(orders, self.log_file)
        except (OSError, ProtocolError) as error:
            self._deaths += 1
            self._start_at = now + self._delay_s
            log.error("worker not started", extra={"reason": str(error)})
            return
        self._started_at = now
        log.info("worker started", extra={"pid": self._process.pid})

    def _insist(self, now: float) -> None:
        """End a worker that never dialled home or does not stop when told to: politely first."""
        if self._process is None:
            return
        grace = self._settings.cancel_grace_s
        waited = now - self._cancelled_at if self._cancelled_at is not None else 0.0
        is_mute = self._peer is None and now - self._started_at > HELLO_TIMEOUT_S
        if is_mute or waited > grace + self._settings.terminate_grace_s:
            self._process.kill()
        elif waited > grace and not self._is_terminating:
            self._is_terminating = True
            self._process.terminate()

    def _bury(self, now: float, exit_code: int) -> Loss | None:
        lost, was_cancelled = self.assignment, self._cancelled_at is not None
        self._deaths += 1
        self._start_at = now + self._delay_s
        extra = {"exit_code": exit_code, "job": lost.job if lost else None, "restart_in_s": self._delay_s}
        log.warning("worker ended", extra=extra)
        self.stop()
        self._peer = None
        self.release()
        return None if lost is None else Loss(lost, exit_code, was_cancelled)

    @property
    def _delay_s(self) -> float:
        delays = self._settings.restart_delays_s
        return delays[min(self._deaths, len(delays)) - 1]

    def _order(self, message: object, arrays: dict[str, Any] | None = None) -> None:
        if self._peer is not None and self.assignment is not None:
            header = Header("", job=self.assignment.job, att=self.assignment.attempt)
            self._post(self._peer, message, header, arrays)
