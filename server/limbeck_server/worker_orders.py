# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker was told: the attempt to run, with the folders for it, and how the server wants it to end."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.ids import is_ulid
from limbeck_protocol.job import SHA256, job_from_dict
from limbeck_protocol.limits import MAX_SPEC_BYTES, MAX_SPEC_DEPTH
from limbeck_protocol.strict_json import load_json_object
from limbeck_server.mailbox import Attempt, Order
from limbeck_server.worker_messages import RunJob


@dataclass
class Wishes:
    """Which attempt the server wants to end, and how."""

    cancel: Attempt | None = None
    pause: Attempt | None = None
    finish: Attempt | None = None


@dataclass
class Rest:
    """Whether the engine has something to do, and whether the server has yet to hear that it has not."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    order: Order | None = None
    is_idle: bool = False
    is_ready_due: bool = False
    is_leaving: bool = False

    def take_due(self) -> bool:
        """Say whether the server should hear now that the engine is ready; once."""
        with self.lock:
            is_due = self.is_idle and self.is_ready_due
            self.is_ready_due = self.is_ready_due and not is_due
            return is_due

    def begin(self, order: Order | None) -> None:
        """Note what the engine does now."""
        with self.lock:
            self.is_idle, self.order = order is None, order


def read_order(packet: Packet, message: RunJob, own_folder: str) -> Order:
    """Return the attempt to run.

    Args:
        packet: holds the job's description.
        message: the order.
        own_folder: where a worker keeps files that does not share the server's disk, else empty.

    Raises:
        ProtocolError: E_SCHEMA or whatever is wrong with the description.
    """
    spec = job_from_dict(load_json_object(packet.arrays["spec"].tobytes(), MAX_SPEC_BYTES, MAX_SPEC_DEPTH))
    job, attempt = attempt_of(packet)
    folder, blobs, resume = Path(message.folder), Path(message.blobs), message.resume
    if own_folder:
        if not is_ulid(job):
            raise ProtocolError("E_SCHEMA", f"expected a job's id, got {job[:64]!r}", field="job")
        folder, blobs = Path(own_folder) / "attempts" / f"{job}-{attempt}", Path(own_folder) / "files"
        known = (file for file in resume if SHA256.match(file.sha256))
        resume = tuple(replace(file, path=str(blobs / file.sha256)) for file in known)
    return Order(job, attempt, spec, folder, blobs, resume, message.checkpoint_s, message.milestones)


def attempt_of(packet: Packet) -> Attempt:
    """Return the attempt that a message is about."""
    return (packet.header.job or "", packet.header.att or 0)
