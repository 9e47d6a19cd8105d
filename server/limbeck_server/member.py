# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One worker: started, watched, restarted after a crash, and ended when it is stuck, idle or does not obey."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header
from limbeck_server.devices import Device
from limbeck_server.life import Assignment, Life, Loss, WorkerProcess, how_it_ended
from limbeck_server.settings import ServerSettings
from limbeck_server.worker_messages import Beat, CancelJob, FinishJob, MeshCredit, PauseJob, RunJob

log = logging.getLogger("limbeck.server")
HELLO_TIMEOUT_S = 60.0
LATE_TURN_S = 5.0
"""If the server itself did nothing for this long, silence until then says nothing about the worker."""
STUCK_FACTOR = 10.0
STILLBIRTHS = 3
"""So many processes in a row that end before they can take a job are no accident."""


class Member:
    """A worker for one device. ``post`` sends (peer, message, header, arrays) through the workers' socket.

    Attributes:
        is_leaving: it takes no more jobs.
    """

    def __init__(
        self,
        settings: ServerSettings,
        device: Device,
        post: Callable[..., None],
        launch: Callable[[str], WorkerProcess] | None = None,
    ) -> None:
        """Prepare; ``tick`` launches the process with a token, unless it was started elsewhere: see ``enrol``."""
        self._settings = settings
        self._launch = launch
        self._post = post
        self._life: Life | None = None
        self._deaths = 0
        self._stillbirths = 0
        self._start_at = 0.0
        self._ticked_at = 0.0
        self.device = device
        self.is_resting = False
        self.is_leaving = False
        self.assignment: Assignment | None = None

    @property
    def can_take_job(self) -> bool:
        """Whether the worker is ready and has nothing to do."""
        return self.is_ready and self.assignment is None and not self.is_leaving

    @property
    def is_remote(self) -> bool:
        """Whether the process is started elsewhere, and without this server's disk."""
        return self._launch is None

    @property
    def has_process(self) -> bool:
        """Whether there is a process; a member that is remote is of no use any more without one."""
        return self._life is not None

    @property
    def is_ready(self) -> bool:
        """Whether the worker has dialled home and loaded its engine."""
        return self._life is not None and self._life.is_ready

    @property
    def has_died(self) -> bool:
        """Whether the process has ended and ``tick`` has not noticed yet."""
        return self._life is not None and self._life.process.exit_code is not None

    @property
    def cannot_start(self) -> bool:
        """Whether its last processes all ended before they could take a job, as where an installation is broken."""
        return self._stillbirths >= STILLBIRTHS

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

    def enrol(self, process: WorkerProcess, peer: bytes, now: float) -> None:
        """Take over a process that was started elsewhere and has dialled home."""
        self._life = Life(process, "", now, now, now, peer)

    def is_at(self, peer: bytes) -> bool:
        """Say whether this is the worker that speaks from there."""
        return self._life is not None and self._life.peer == peer

    def greet(self, peer: bytes, token: str) -> bool:
        """Say whether a worker that dials home is this one's process."""
        if self.is_remote or self._life is None:
            return False
        if not secrets.compare_digest(token.encode(), self._life.token.encode()):
            return False
        self._life.peer = peer
        return True

    def hear(self, now: float, beat: Beat | None = None, *, is_ready: bool = False) -> None:
        """Note a sign of life."""
        if self._life is not None:
            self._life.heard_at = now
            self._life.beat = beat or self._life.beat
            if is_ready:
                self._life.is_ready, self._life.busy_at, self._stillbirths = True, now, 0
                log.info("worker ready", extra={"pid": self.pid, "device": self.device.name})

    def run(self, assignment: Assignment, order: RunJob, spec: Any) -> None:
        """Give the worker a job."""
        self.assignment = assignment
        if self._life is not None:
            self._life.beat, self._life.has_worked = Beat(0.0, 0.0, self._life.beat.memory_mb), True
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
        """End the process, which gives back all its memory; it is started again when there is work.

        One that is remote is started again at once by whoever started it, without what its jobs had loaded.
        """
        log.info("worker rests", extra={"pid": self.pid, "device": self.device.name})
        self.stop()
        self.is_resting = not self.is_remote

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
            if self._launch is not None and not self.is_resting and now >= self._start_at:
                self._start(self._launch, now)
            return None
        if is_late:
            self._life.heard_at = now
        self._judge(self._life, now, stage)
        exit_code = self._life.process.exit_code
        if exit_code is not None:
            return self._bury(self._life, now, exit_code)
        has_something = self._life.has_worked or not self.is_remote
        if self.can_take_job and has_something and not is_needed and now - self._life.busy_at > self._settings.idle_s:
            self.rest()
        return None

    def condemn(self, reason: str, *, is_blameless: bool = False) -> None:
        """End the process because it cannot be talked to; ``tick`` finds it dead, and the job goes to another."""
        if self._life is not None:
            self._life.verdict, self._life.is_blameless = reason, is_blameless
            self._life.process.kill()

    def stop(self) -> None:
        """End the process at once."""
        if self._life is not None:
            self._life.process.kill()
            self._life = None

    def _start(self, launch: Callable[[str], WorkerProcess], now: float) -> None:
        token = secrets.token_hex(16)
        try:
            process = launch(token)
        except (OSError, ProtocolError) as error:
            self._deaths += 1
            self._stillbirths += 1
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
        if silent_s > (settings.remote_silence_s if self.is_remote else settings.silence_s):
            return f"showed no sign of life for {silent_s:.0f} s"
        usual_s = STUCK_FACTOR * life.beat.usual_s
        patience_s = max(settings.stuck_step_s, usual_s) if stage == "optimising" else settings.stuck_stage_s
        is_stuck = self.assignment is not None and life.beat.quiet_s > patience_s
        return f"made no progress for {life.beat.quiet_s:.0f} s" if is_stuck else ""

    def _bury(self, life: Life, now: float, exit_code: int) -> Loss | None:
        lost, was_cancelled = self.assignment, life.cancelled_at is not None
        self._deaths += 1
        self._stillbirths += not (life.is_ready or life.has_worked)
        self._start_at = now + self._delay_s
        how = life.verdict or how_it_ended(exit_code)
        extra = {"device": self.device.name, "how": how, "job": lost.job if lost else None}
        extra |= {} if self.is_remote else {"restart_in_s": self._delay_s}
        log.warning("worker ended", extra=extra)
        self.stop()
        self.assignment = None
        return None if lost is None else Loss(lost, how, was_cancelled, life.is_blameless)

    @property
    def _delay_s(self) -> float:
        delays = self._settings.restart_delays_s
        return delays[min(self._deaths, len(delays)) - 1]

    def _order(self, message: object, arrays: dict[str, Any] | None = None) -> None:
        if self._life is not None and self._life.peer is not None and self.assignment is not None:
            header = Header("", job=self.assignment.job, att=self.assignment.attempt)
            self._post(self._life.peer, message, header, arrays)
