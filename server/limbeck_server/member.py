# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One worker: started, watched, restarted after a crash, and ended when it is stuck, idle or does not obey."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header
from limbeck_server.devices import Device
from limbeck_server.executors.local import LocalWorker, WorkerOrders
from limbeck_server.key_files import KeyPair
from limbeck_server.settings import ServerSettings
from limbeck_server.worker_messages import Beat, CancelJob, FinishJob, MeshCredit, PauseJob, RunJob

log = logging.getLogger("limbeck.server")
HELLO_TIMEOUT_S = 60.0
LATE_TURN_S = 5.0
"""If the server itself did nothing for this long, silence until then says nothing about the worker."""
STUCK_FACTOR = 10.0


@dataclass(frozen=True)
class Assignment:
    """The attempt at a job that a worker is busy with."""

    job: str
    attempt: int


@dataclass(frozen=True)
class Loss:
    """A worker process that ended while it had an assignment; ``reason`` says how, for people."""

    assignment: Assignment
    reason: str
    was_cancelled: bool


@dataclass(frozen=True)
class HomeAddress:
    """Where workers dial, and the keys for it."""

    address: str
    server_keys: KeyPair
    worker_keys: KeyPair


@dataclass
class Life:
    """What is known of one process, from its start on.

    Attributes:
        peer: its routing id, once it has dialled home.
        heard_at, busy_at: when it last said something, and when it last had work; monotonic seconds.
        cancelled_at: when it was told to end its assignment.
        verdict: why the server ends it.
    """

    process: LocalWorker
    token: str
    started_at: float
    heard_at: float
    busy_at: float
    peer: bytes | None = None
    is_ready: bool = False
    beat: Beat = Beat(0.0, 0.0, 0.0)
    cancelled_at: float | None = None
    is_terminating: bool = False
    verdict: str = ""


class Member:
    """A worker for one device. ``post`` sends (peer, message, header, arrays) through the workers' socket."""

    def __init__(self, settings: ServerSettings, home: HomeAddress, device: Device, post: Callable[..., None]) -> None:
        """Prepare; ``tick`` starts the process."""
        self._settings = settings
        self._home = home
        self._post = post
        self._life: Life | None = None
        self._deaths = 0
        self._start_at = 0.0
        self._ticked_at = 0.0
        self.device = device
        self.is_resting = False
        self.assignment: Assignment | None = None

    @property
    def can_take_job(self) -> bool:
        """Whether the worker is ready and has nothing to do."""
        return self.is_ready and self.assignment is None

    @property
    def is_ready(self) -> bool:
        """Whether the worker has dialled home and loaded its engine."""
        return self._life is not None and self._life.is_ready

    @property
    def has_died(self) -> bool:
        """Whether the process has ended and ``tick`` has not noticed yet."""
        return self._life is not None and self._life.process.exit_code is not None

    @property
    def pid(self) -> int:
        """The process, 0 if there is none."""
        return self._life.process.pid if self._life else 0

    @property
    def memory_mb(self) -> float:
        """What the process last said that it uses."""
        return self._life.beat.memory_mb if self._life else 0.0

    @property
    def state(self) -> str:
        """Return what the worker is doing: busy, idle, resting or starting."""
        if self.assignment is not None:
            return "busy"
        return "resting" if self.is_resting else "idle" if self.is_ready else "starting"

    def is_at(self, peer: bytes) -> bool:
        """Say whether this is the worker that speaks from there."""
        return self._life is not None and self._life.peer == peer

    def greet(self, peer: bytes, token: str) -> bool:
        """Say whether a worker that dials home is this one's process."""
        if self._life is None or not secrets.compare_digest(token.encode(), self._life.token.encode()):
            return False
        self._life.peer = peer
        return True

    def hear(self, now: float, beat: Beat | None = None, *, is_ready: bool = False) -> None:
        """Note a sign of life."""
        if self._life is not None:
            self._life.heard_at = now
            self._life.beat = beat or self._life.beat
            if is_ready:
                self._life.is_ready, self._life.busy_at = True, now
                log.info("worker ready", extra={"pid": self.pid, "device": self.device.name})

    def run(self, assignment: Assignment, order: RunJob, spec: Any) -> None:
        """Give the worker a job."""
        self.assignment = assignment
        if self._life is not None:
            self._life.beat = Beat(0.0, 0.0, self._life.beat.memory_mb)
        self._order(order, {"spec": spec})

    def cancel(self, now: float) -> None:
        """Ask the worker to stop what it does; ``tick`` sees to it."""
        if self._life is not None and self._life.cancelled_at is None:
            self._life.cancelled_at = now
            self._order(CancelJob())

    def pause(self) -> None:
        """Ask the worker to write a checkpoint and stop."""
        self._order(PauseJob())

    def finish(self) -> None:
        """Ask the worker to make its asset of what there is."""
        self._order(FinishJob())

    def credit(self, *, wants_edges: bool = False) -> None:
        """Let the worker send another preview, with its edges if anybody wants them."""
        self._order(MeshCredit(wants_edges))

    def release(self, now: float, *, has_succeeded: bool = False, is_leaving: bool = False) -> None:
        """Note that the worker has ended its assignment; one that is leaving gets no other."""
        self.assignment = None
        self._deaths = 0 if has_succeeded else self._deaths
        if self._life is not None:
            self._life.cancelled_at, self._life.is_terminating = None, False
            self._life.busy_at = now
            self._life.is_ready = self._life.is_ready and not is_leaving

    def rest(self) -> None:
        """End the process, which gives back all its memory; it is started again when there is work."""
        log.info("worker rests", extra={"pid": self.pid, "device": self.device.name})
        self.stop()
        self.is_resting = True

    def tick(self, now: float, stage: str, *, is_needed: bool) -> Loss | None:
        """Start, restart or stop the process as need be; return what a death has cost.

        Args:
            now: monotonic seconds.
            stage: of the job that it runs.
            is_needed: whether jobs wait.
        """
        is_late, self._ticked_at = now - self._ticked_at > LATE_TURN_S, now
        if self._life is None:
            self.is_resting = self.is_resting and not is_needed
            if not self.is_resting and now >= self._start_at:
                self._start(now)
            return None
        if is_late:
            self._life.heard_at = now
        self._judge(self._life, now, stage)
        exit_code = self._life.process.exit_code
        if exit_code is not None:
            return self._bury(self._life, now, exit_code)
        if self.can_take_job and not is_needed and now - self._life.busy_at > self._settings.idle_s:
            self.rest()
        return None

    def condemn(self, reason: str) -> None:
        """End the process because it cannot be talked to; ``tick`` finds it dead, and the job goes to another."""
        if self._life is not None:
            self._life.verdict = reason
            self._life.process.kill()

    def stop(self) -> None:
        """End the process at once."""
        if self._life is not None:
            self._life.process.kill()
            self._life = None

    @property
    def log_file(self) -> Path:
        """What the worker process prints."""
        return self._settings.state_folder / "logs" / f"{self.device.log_name}.log"

    def _start(self, now: float) -> None:
        token, home = secrets.token_hex(16), self._home
        keys = (home.server_keys.public, home.worker_keys.public, home.worker_keys.secret)
        is_open = home.address.startswith("tcp:")
        orders = WorkerOrders(
            home.address, token, self._settings.engine, os.getpid(), *(keys if is_open else ("", "", ""))
        )
        try:
            process = LocalWorker(orders, self.log_file, self.device.environment)
        except (OSError, ProtocolError) as error:
            self._deaths += 1
            self._start_at = now + self._delay_s
            log.error("worker not started", extra={"reason": str(error)})
            return
        self._life = Life(process, token, now, now, now)
        log.info("worker started", extra={"pid": process.pid, "device": self.device.name})

    def _judge(self, life: Life, now: float, stage: str) -> None:
        """End a process that never dialled home, is stuck, or does not stop when told to: politely first."""
        settings = self._settings
        waited = now - life.cancelled_at if life.cancelled_at is not None else 0.0
        verdict = self._verdict(life, now, stage)
        if verdict or waited > settings.cancel_grace_s + settings.terminate_grace_s:
            life.verdict = verdict
            life.process.kill()
        elif waited > settings.cancel_grace_s and not life.is_terminating:
            life.is_terminating = True
            life.process.terminate()

    def _verdict(self, life: Life, now: float, stage: str) -> str:
        settings = self._settings
        if life.peer is None:
            return "never dialled home" if now - life.started_at > HELLO_TIMEOUT_S else ""
        silent_s = now - life.heard_at
        if silent_s > settings.silence_s:
            return f"showed no sign of life for {silent_s:.0f} s"
        usual_s = STUCK_FACTOR * life.beat.usual_s
        patience_s = max(settings.stuck_step_s, usual_s) if stage == "optimising" else settings.stuck_stage_s
        is_stuck = self.assignment is not None and life.beat.quiet_s > patience_s
        return f"made no progress for {life.beat.quiet_s:.0f} s" if is_stuck else ""

    def _bury(self, life: Life, now: float, exit_code: int) -> Loss | None:
        lost, was_cancelled = self.assignment, life.cancelled_at is not None
        self._deaths += 1
        self._start_at = now + self._delay_s
        extra = {"exit_code": exit_code, "job": lost.job if lost else None, "restart_in_s": self._delay_s}
        log.warning("worker ended", extra=extra)
        self.stop()
        self.assignment = None
        return None if lost is None else Loss(lost, life.verdict or _how(exit_code), was_cancelled)

    @property
    def _delay_s(self) -> float:
        delays = self._settings.restart_delays_s
        return delays[min(self._deaths, len(delays)) - 1]

    def _order(self, message: object, arrays: dict[str, Any] | None = None) -> None:
        if self._life is not None and self._life.peer is not None and self.assignment is not None:
            header = Header("", job=self.assignment.job, att=self.assignment.attempt)
            self._post(self._life.peer, message, header, arrays)


def _how(exit_code: int) -> str:
    memory = "; the system may have run out of memory" if exit_code == -9 else ""
    return f"ended (signal {-exit_code}){memory}" if exit_code < 0 else f"ended (status {exit_code})"
