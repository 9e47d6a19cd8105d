# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""For faults.py: a client that keeps a queue filled, and pauses, resumes, finishes, forks and cancels at random."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from faults_parts import Recorder, Server, wait_for

from limbeck_protocol.client import Client, Connected, JobChanged, RequestFailed, Submitted
from limbeck_protocol.job import JobSpec

WAITING = 5
STEPS = (20, 120)
MISCHIEF = 0.15
"""Chance, each turn of a fifth of a second, that something is asked of some job."""
ENDS = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Wanted:
    """A job that was submitted, under its request's id."""

    seed: int
    steps: int


class Load:
    """The client and what it was promised."""

    def __init__(self, server: Server, rng: random.Random) -> None:
        """Connect."""
        self._rng = rng
        wait_for(lambda: server.find() is not None, lambda: time.sleep(0.01), 60.0)
        endpoint = server.find()
        assert endpoint is not None
        self._client = Client(endpoint, app="faults", client_id="faults", find_endpoint=server.find)
        self._server = server
        self._sent: dict[str, Wanted] = {}
        self._epoch = ""
        self._acted_at = 0.0
        self.acknowledged: dict[str, Wanted] = {}
        self.cancelled: set[str] = set()
        self.refused: list[str] = []
        self.is_closing = False

    def is_ready(self) -> bool:
        """Say whether the server that runs now has answered."""
        endpoint = self._server.find()
        return endpoint is not None and endpoint.epoch == self._epoch

    def turn(self, duration_s: float, recorder: Recorder) -> None:
        """Pump for so long, and keep the queue filled."""
        deadline = time.monotonic() + duration_s
        while True:
            for event in self._client.pump():
                self._take(event)
            recorder.turn(set(self.acknowledged))
            if time.monotonic() - self._acted_at > 0.2:
                self._acted_at = time.monotonic()
                self._act(recorder)
            if time.monotonic() >= deadline:
                return
            time.sleep(0.005)

    def has_ended(self, recorder: Recorder) -> bool:
        """Say whether every acknowledged job has reached its end."""
        return not self._sent and not self._open(recorder)

    def close(self) -> None:
        """Leave."""
        self._client.close()

    def _open(self, recorder: Recorder) -> list[str]:
        return [job for job in self.acknowledged if state_of(recorder, job) not in ENDS]

    def _take(self, event: object) -> None:
        if isinstance(event, Connected):
            self._epoch = event.server.epoch
        elif isinstance(event, Submitted):
            self.acknowledged[event.job] = self._sent.pop(event.request, Wanted(0, 0))
        elif isinstance(event, RequestFailed):
            wanted = self._sent.pop(event.request, None)
            if wanted is not None or event.error.code not in ("E_BAD_STATE", "E_NOT_FOUND"):
                self.refused.append(str(event.error))
        elif isinstance(event, JobChanged):
            pass

    def _act(self, recorder: Recorder) -> None:
        waiting = self._open(recorder)
        if self.is_closing:
            for job in waiting:
                if state_of(recorder, job) == "paused":
                    self._client.resume(job)
            return
        if len(waiting) + len(self._sent) < WAITING:
            wanted = Wanted(self._rng.randrange(1000), self._rng.randint(*STEPS))
            request = self._client.submit(JobSpec("trace", seed=wanted.seed, steps=wanted.steps))
            self._sent[request] = wanted
        elif waiting and self._rng.random() < MISCHIEF:
            self._meddle(self._rng.choice(waiting), recorder)

    def _meddle(self, job: str, recorder: Recorder) -> None:
        if state_of(recorder, job) == "paused":
            self._client.resume(job)
            return
        choice = self._rng.choice(["pause", "pause", "finish", "cancel"])
        if choice == "pause":
            self._client.pause(job)
        elif choice == "finish":
            self._client.finish(job)
        else:
            self.cancelled.add(job)
            self._client.cancel(job)


def state_of(recorder: Recorder, job: str) -> str:
    """Return the state that was heard of last."""
    events = recorder.seen[job].events
    return events[-1][1].state if events else ""
