# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The workers of this server: which one is free, which one has a job, and who it is that speaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from limbeck_protocol.frames import Packet
from limbeck_server.devices import Device, find_devices
from limbeck_server.member import HomeAddress, Loss, Member
from limbeck_server.settings import ServerSettings
from limbeck_server.worker_messages import Beat, WorkerHello, WorkerReady

log = logging.getLogger("limbeck.server")


class Crew:
    """One worker process for each device."""

    def __init__(self, settings: ServerSettings, home: HomeAddress, post: Callable[..., None]) -> None:
        """Prepare; ``tick`` starts the processes."""
        devices: tuple[Device, ...] = find_devices(settings.workers)
        self.members = tuple(Member(settings, home, device, post) for device in devices)

    def free(self) -> Member | None:
        """Return a worker that can take a job."""
        return next((member for member in self.members if member.can_take_job), None)

    def at(self, job_id: str) -> Member | None:
        """Return the worker that has a job."""
        having = (m for m in self.members if m.assignment is not None and m.assignment.job == job_id)
        return next(having, None)

    @property
    def is_busy(self) -> bool:
        """Whether any worker has a job."""
        return any(member.assignment is not None for member in self.members)

    @property
    def is_ready(self) -> bool:
        """Whether any worker could take a job, or would be started for one."""
        return any(member.is_ready or member.is_resting for member in self.members)

    @property
    def has_died(self) -> bool:
        """Whether a process has ended and ``tick`` has not noticed yet."""
        return any(member.has_died for member in self.members)

    def speaker(self, peer: bytes, packet: Packet, message: Any, now: float) -> Member | None:
        """Return the worker that speaks about the attempt that it has; greetings and beats are dealt with here."""
        if isinstance(message, WorkerHello):
            any(member.greet(peer, message.token) for member in self.members)
            return None
        member = next((member for member in self.members if member.is_at(peer)), None)
        if member is None:
            return None
        is_beat = isinstance(message, Beat)
        member.hear(now, message if is_beat else None, is_ready=isinstance(message, WorkerReady))
        if member.assignment is None or is_beat or isinstance(message, WorkerReady):
            return None
        given = (member.assignment.job, member.assignment.attempt)
        return member if (packet.header.job, packet.header.att) == given else None

    def tick(self, now: float, stages: Mapping[str, str], waiting: int) -> list[Loss]:
        """Look after every process; return what deaths have cost.

        Args:
            now: monotonic seconds.
            stages: of the jobs that run, by id.
            waiting: how many jobs wait.
        """
        losses = []
        for member in self.members:
            stage = stages.get(member.assignment.job, "") if member.assignment else ""
            loss = member.tick(now, stage, is_needed=waiting > 0)
            losses += [] if loss is None else [loss]
            waiting -= member.assignment is None
        return losses

    def stop(self) -> None:
        """End all processes at once."""
        for member in self.members:
            member.stop()
