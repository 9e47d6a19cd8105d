# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The socket that workers on other machines dial: who comes in, and what their messages are allowed to do.

Whoever holds a worker's key can run the jobs that it is given, and spoil those; it can do nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import zmq
from numpy.typing import NDArray

from limbeck_protocol.envelope import read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, Packet, decode_packet
from limbeck_protocol.ids import is_token
from limbeck_protocol.limits import MIB
from limbeck_server.access import Principal, has_remote_keys
from limbeck_server.budget import Budget
from limbeck_server.crew import has_attempt
from limbeck_server.deliveries import Deliveries, is_deliverable
from limbeck_server.devices import Device
from limbeck_server.executors.remote import RemoteWorker
from limbeck_server.key_files import KeyPair
from limbeck_server.member import Member
from limbeck_server.parts import Parts
from limbeck_server.remote_messages import (
    FROM_REMOTE,
    PROTOCOL,
    REMOTE_NAMES,
    EndWorker,
    FetchPart,
    Gone,
    Heard,
    Leaving,
    PartRefused,
    PartStored,
    PutPart,
    Refused,
    Unknown,
    Welcomed,
    WorkerJoin,
)
from limbeck_server.settings import ServerSettings
from limbeck_server.transport import Received, bind_router, check_address, receive_from, send
from limbeck_server.work import take_worker_message
from limbeck_server.worker_messages import Beat, Checkpointed, Finished, WorkerHello

log = logging.getLogger("limbeck.server")
MAX_MESSAGES_A_TURN = 256
MAX_REMOTE_WORKERS = 4096
CHECKPOINTS_PER_S = 20.0
"""Each costs a commit to the database; an honest worker sends one a minute."""
TAG = b"remote"
"""Before the routing ids of this socket, so that they are none of the other socket's."""


@dataclass(frozen=True)
class Guest:
    """Who joined from where, and how often it may still cost us something."""

    member: Member
    owner: str
    life: str
    checkpoints: Budget


class RemoteDoor:
    """Hears remote workers and speaks to them, from the server's own loop."""

    def __init__(self, parts: Parts, socket: zmq.Socket[bytes]) -> None:
        """Begin to hear those who dial."""
        self.socket = socket
        self._parts = parts
        self._guests: dict[bytes, Guest] = {}
        settings = parts.settings
        self._deliveries = Deliveries(parts.store, parts.blobs, settings.max_worker_mb * MIB, settings.least_free_bytes)

    def hear_all(self, now: float) -> None:
        """Act on the messages that wait, but on no more than some."""
        self._deliveries.settle()
        for _ in range(MAX_MESSAGES_A_TURN):
            received = receive_from(self.socket)
            if received is None:
                break
            self._hear(received, now)
        if len(self._guests) > 2 * self._parts.crew.remote_count + 16:
            self._guests = {peer: guest for peer, guest in self._guests.items() if guest.member.has_process}

    @property
    def is_pressed(self) -> bool:
        """Whether somebody waits for what a thread is doing."""
        return self._deliveries.is_settling

    def close(self) -> None:
        """Finish what is being made durable."""
        self._deliveries.close()

    def _hear(self, received: Received, now: float) -> None:
        peer = TAG + received.peer
        owner = self._parts.access.worker(received.key)
        if owner is None:
            self._lock_out(peer)
            return
        guest = self._guests.get(peer)
        if guest is not None and guest.owner != owner.name:  # routing ids are the senders' choice; keys are not
            log.warning("worker message dropped", extra={"key": owner.name, "reason": "another key joined from there"})
            return
        member = self._parts.crew.speaking_from(peer)
        try:
            packet = decode_packet(received.frames)
            self._act(peer, owner, member, packet, now)
        except ProtocolError as error:
            log.warning("worker message dropped", extra={"code": error.code, "reason": error.message})
            if error.code == "E_VERSION":
                self._post(peer, Refused(error.code, error.message, error.remedy))
        except Exception:  # a bug in one job must not end the others
            log.exception("worker message failed")
            if member is not None:
                member.condemn("was ended because the server failed on what it said")

    def _act(self, peer: bytes, owner: Principal, member: Member | None, packet: Packet, now: float) -> None:
        message = read_message(packet, FROM_REMOTE)
        if isinstance(message, WorkerJoin):
            self._join(peer, owner, message, now)
        elif member is None:
            self._post(peer, Unknown())
        elif isinstance(message, Leaving):
            member.is_leaving = True
        elif isinstance(message, Gone):
            member.condemn("was stopped by its user", is_blameless=True)
        elif isinstance(message, FetchPart | PutPart):
            member.hear(now)
            self._carry(peer, member, packet, message)
        elif not isinstance(message, WorkerHello):
            self._report(peer, packet, message, now)

    def _join(self, peer: bytes, owner: Principal, message: WorkerJoin, now: float) -> None:
        refusal = self._refusal(message)
        if refusal is not None:
            log.warning("worker refused", extra={"key": owner.name, "code": refusal.code, "reason": refusal.message})
            self._post(peer, refusal)
            return
        if not message.seat:  # it only asks whether it might
            self._post(peer, Welcomed(self._parts.epoch))
            return
        seat = f"{owner.name}:{message.seat}"
        self._clear_seat(seat, message)
        speaker = self._parts.crew.speaking_from(peer)
        if speaker is not None:
            speaker.condemn("joined twice")
            return
        device = Device(_label(f"{message.host} {message.device}"))
        member = Member(self._parts.settings, device, self._post)
        process = RemoteWorker(message.pid, lambda: self._post(peer, EndWorker()))
        member.enrol(process, peer, now)
        self._parts.crew.enrol(seat, peer, member)
        self._guests[peer] = Guest(member, owner.name, message.life, Budget(CHECKPOINTS_PER_S))
        log.info("worker joined", extra={"key": owner.name, "seat": message.seat, "device": device.name})
        self._post(peer, Welcomed(self._parts.epoch))

    def _refusal(self, message: WorkerJoin) -> Refused | None:
        if message.protocol != PROTOCOL:
            ours = f"{PROTOCOL} (Limbeck {self._parts.version})"
            theirs = f"{message.protocol} (Limbeck {_label(message.version)})"
            text = f"expected a worker of protocol {ours}, got one of {theirs}"
            return Refused("E_VERSION", text, "install the same release of Limbeck on both machines")
        if not all(not name or is_token(name) for name in (message.seat, message.life)):
            return Refused("E_SCHEMA", "expected a seat and a life of letters and digits, got others", "update Limbeck")
        if self._parts.crew.remote_count >= MAX_REMOTE_WORKERS:
            return Refused("E_QUOTA", f"{MAX_REMOTE_WORKERS} workers are here already", "end some of them")
        return None

    def _clear_seat(self, seat: str, message: WorkerJoin) -> None:
        """End the time of whoever had the seat; the same process coming again has only lost its connection."""
        member = self._parts.crew.in_seat(seat)
        if member is None or member.has_died:
            return
        known = next((guest for guest in self._guests.values() if guest.member is member), None)
        if known is not None and known.life == message.life:
            member.condemn("lost its connection", is_blameless=True)
        else:
            member.condemn(_label(message.last) or "was started anew")

    def _report(self, peer: bytes, packet: Packet, message: Any, now: float) -> None:
        member = self._parts.crew.speaker(peer, packet, message, now)
        if isinstance(message, Beat):
            self._post(peer, Heard())
        if member is None:
            return
        if isinstance(message, Checkpointed | Finished) and not _names_deliverables(message):
            member.condemn("named a file that it cannot have brought")
            return
        if isinstance(message, Checkpointed) and not self._guests[peer].checkpoints.take():
            member.condemn(f"sent more than {CHECKPOINTS_PER_S:.0f} checkpoints a second")
            return
        take_worker_message(self._parts, member, packet, message, now)

    def _carry(self, peer: bytes, member: Member, packet: Packet, request: FetchPart | PutPart) -> None:
        """Take or give a part of a file of the attempt that the worker has."""
        header = Header("", re=packet.header.id)

        def answer(outcome: PartStored | ProtocolError) -> None:
            if isinstance(outcome, ProtocolError):
                self._post(peer, PartRefused(outcome.code, outcome.message, outcome.remedy), header)
            else:
                self._post(peer, outcome, header)

        try:
            if not has_attempt(member, packet):
                raise ProtocolError("E_BAD_STATE", "expected a file of the attempt that the worker has, got another")
            job = self._parts.board.get(packet.header.job or "")
            if isinstance(request, PutPart):
                self._deliveries.put(job, request, packet.arrays.get("data"), answer)
            else:
                part, data = self._deliveries.fetch(job, request)
                self._post(peer, part, header, {"data": data})
        except ProtocolError as error:
            answer(error)

    def _lock_out(self, peer: bytes) -> None:
        member = self._parts.crew.speaking_from(peer)
        if member is not None:
            self._parts.security.note("revoked worker key dropped", device=member.device.name)
            member.condemn("was ended because its key was revoked", is_blameless=True)

    def _post(
        self, peer: bytes, message: object, header: Header | None = None, arrays: dict[str, NDArray] | None = None
    ) -> None:
        frames = write_message(message, header, arrays, REMOTE_NAMES)
        send(self.socket, peer.removeprefix(TAG), frames)


def _names_deliverables(message: Checkpointed | Finished) -> bool:
    mesh = message.mesh if isinstance(message, Checkpointed) else None
    return all(is_deliverable(made.file, made.sha256) for made in (message, mesh) if made is not None)


def _label(text: str) -> str:
    """Return what a worker says about itself as one short line."""
    return "".join(character for character in text if character.isprintable())[:64].strip()


def bind_remote(
    context: zmq.Context[zmq.Socket[bytes]], settings: ServerSettings, keys: KeyPair
) -> tuple[zmq.Socket[bytes], str]:
    """Return the socket for workers on other machines, and its address.

    Raises:
        ProtocolError: as ``bind_router`` does.
    """
    address = settings.remote_worker_address or ""
    # ray's workers get keys that the server makes for each
    has_keys = settings.is_ray or has_remote_keys(settings.config_folder, workers=True)
    check_address(address, has_keys=has_keys, role="worker")
    return bind_router(context, address, keys, "remote workers", has_heartbeat=True, has_keys=has_keys)
