# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The workers of this server: which one is free, which one has a job, and who it is that speaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from limbeck_protocol.frames import Packet
from limbeck_server.devices import Device, find_devices
from limbeck_server.executors.local import HomeAddress, launch_worker
from limbeck_server.life import Loss
from limbeck_server.member import Member
from limbeck_server.settings import ServerSettings
from limbeck_server.worker_messages import Beat, WorkerHello, WorkerReady

log = logging.getLogger("limbeck.server")


class Crew:
    """One worker process for each device of this machine, if there are to be any, and those that dial in from others.

    The routing ids of the two sockets are told apart by their lengths: see remote_door.py.
    """

    def __init__(self, settings: ServerSettings, home: HomeAddress, post: Callable[..., None]) -> None:
        """Prepare; ``tick`` starts the processes."""
        devices: tuple[Device, ...] = find_devices(settings.workers) if settings.has_local_workers else ()
        self._own = tuple(
            Member(settings, device, post, partial(launch_worker, settings, home, device)) for device in devices
        )
        self._remote: dict[bytes, Member] = {}
        self._seats: dict[str, bytes] = {}
        self._given_up: list[Member] = []

    @property
    def members(self) -> tuple[Member, ...]:
        """All of them."""
        return (*self._own, *self._remote.values(), *self._given_up)

    def enrol(self, seat: str, peer: bytes, member: Member) -> None:
        """Add a worker that has dialled in from elsewhere; whoever had its seat or spoke from there is condemned."""
        before = self._remote.get(peer)
        if before is not None:  # ``tick`` has yet to say what that costs
            self._given_up.append(before)
        self._remote[peer], self._seats[seat] = member, peer

    def in_seat(self, seat: str) -> Member | None:
        """Return the worker from elsewhere that has a seat."""
        return self._remote.get(self._seats.get(seat, b""))

    @property
    def remote_count(self) -> int:
        """How many workers are elsewhere."""
        return len(self._remote)

    def free(self) -> Member | None:
        """Return a worker that can take a job."""
        return next((member for member in self.members if member.can_take_job), None)

    def at(self, job_id: str) -> Member | None:
        """Return the worker that has a job."""
        having = (m for m in self.members if m.assignment is not None and m.assignment.job == job_id)
        return next(having, None)

    def speaking_from(self, peer: bytes) -> Member | None:
        """Return the worker that speaks from a routing id; one elsewhere that was given up is none."""
        member = self._remote.get(peer)
        if member is not None:
            return None if member.has_died else member
        return next((member for member in self._own if member.is_at(peer)), None)

    @property
    def is_busy(self) -> bool:
        """Whether any worker has a job."""
        return any(member.assignment is not None for member in self.members)

    @property
    def is_ready(self) -> bool:
        """Whether any worker could take a job, or would be started for one."""
        return any(member.is_ready or member.is_resting for member in self.members)

    @property
    def cannot_start(self) -> bool:
        """Whether there is no worker, because none of this machine's can be started."""
        return not self.is_ready and bool(self._own) and all(member.cannot_start for member in self._own)

    @property
    def has_died(self) -> bool:
        """Whether a process has ended and ``tick`` has not noticed yet."""
        return any(member.has_died for member in self._own)

    def speaker(self, peer: bytes, packet: Packet, message: Any, now: float) -> Member | None:
        """Return the worker that speaks about the attempt that it has; greetings and beats are dealt with here."""
        if isinstance(message, WorkerHello):
            any(member.greet(peer, message.token) for member in self._own)
            return None
        member = self.speaking_from(peer)
        if member is None:
            return None
        is_beat = isinstance(message, Beat)
        member.hear(now, message if is_beat else None, is_ready=isinstance(message, WorkerReady))
        if is_beat or isinstance(message, WorkerReady):
            return None
        return member if has_attempt(member, packet) else None

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
        self._forget_the_gone()
        return losses

    def stop(self) -> None:
        """End all processes of this machine at once; those elsewhere wait for the next server."""
        for member in self._own:
            member.stop()

    def _forget_the_gone(self) -> None:
        self._given_up = [member for member in self._given_up if member.has_process]
        gone = [peer for peer, member in self._remote.items() if not member.has_process]
        for peer in gone:
            del self._remote[peer]
        if gone:
            self._seats = {seat: peer for seat, peer in self._seats.items() if peer in self._remote}


def has_attempt(member: Member, packet: Packet) -> bool:
    """Say whether a message is about the attempt that its sender has."""
    given = member.assignment
    return given is not None and (packet.header.job, packet.header.att) == (given.job, given.attempt)
