# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The worker's connection home, in a thread of its own, so that the engine never waits for it nor it for the engine."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zmq
from numpy.typing import NDArray

from limbeck_protocol.envelope import read_message, write_views
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame, Header, Packet, decode_packet
from limbeck_protocol.job import job_from_dict
from limbeck_protocol.limits import (
    MAX_MESSAGE_FRAME_BYTES,
    MAX_SPEC_BYTES,
    MAX_SPEC_DEPTH,
)
from limbeck_protocol.strict_json import load_json_object
from limbeck_server.engine import EnginePreview
from limbeck_server.executors.local import WorkerOrders
from limbeck_server.mailbox import Attempt, Bell, Mailbox, Order
from limbeck_server.mesh_packer import MeshPacker
from limbeck_server.pulse import Pulse
from limbeck_server.transport import receive_parts
from limbeck_server.worker_messages import (
    NAMES,
    TO_WORKER,
    Advanced,
    CancelJob,
    Failed,
    Finished,
    FinishJob,
    Logged,
    MeshCredit,
    Paused,
    PauseJob,
    RunJob,
    Started,
    Stopped,
    Warned,
    WorkerHello,
)

log = logging.getLogger("limbeck.worker")
POLL_MS = 20
"""How long progress may wait for newer progress; everything else rings the bell."""
BEAT_S = 1.0
MAX_LINES = 100
"""Lines of a job's log between two beats; the rest are counted."""
OUTDATING = (Started, Finished, Failed, Stopped, Paused)
"""After these nobody wants the mesh from before."""


@dataclass
class Wishes:
    """Which attempt the server wants to end, and how."""

    cancel: Attempt | None = None
    pause: Attempt | None = None
    finish: Attempt | None = None


class WorkerLink:
    """Sends what the engine says, keeping only its latest progress and mesh, and hears what the server wants.

    Attributes:
        pulse: what the signs of life are made of.
    """

    def __init__(self, orders: WorkerOrders) -> None:
        """Dial home and say hello."""
        self._orders = orders
        self._mailbox = Mailbox()
        self._bell = Bell()
        self._received: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._wishes = Wishes()
        self._beat_at = 0.0
        self.pulse = Pulse()
        self._has_credit = False
        self._wants_edges = False
        self._has_refused_preview = False
        self._packer = MeshPacker()
        self._is_closing = threading.Event()
        self.send(WorkerHello(orders.token, os.getpid()))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def next_order(self) -> Order:
        """Wait for the next job."""
        return self._received.get()

    def is_cancelled(self, order: Order) -> bool:
        """Say whether the server wants this attempt to stop."""
        return self._wishes.cancel == order.key

    def is_pausing(self, order: Order) -> bool:
        """Say whether the server wants this attempt to write a checkpoint and stop."""
        return self._wishes.pause == order.key

    def is_finishing(self, order: Order) -> bool:
        """Say whether the server wants this attempt to make its asset of what there is."""
        return self._wishes.finish == order.key

    def take_back_pause(self, order: Order) -> None:
        """Go on, because the attempt cannot be paused now."""
        if self.is_pausing(order):
            self._wishes.pause = None

    def log(self, order: Order, line: str) -> None:
        """Add a line to the job's log."""
        with self._mailbox.lock:
            self._mailbox.logging = order
            if len(self._mailbox.lines) < MAX_LINES:
                self._mailbox.lines.append(line[:1000])
            else:
                self._mailbox.dropped += 1

    def send(self, message: object, order: Order | None = None) -> None:
        """Send a message after everything that was sent before."""
        with self._mailbox.lock:
            self._mailbox.letters += [*self._take_progress(), *self._take_lines(), _frames(message, order)]
            if isinstance(message, OUTDATING):
                self._mailbox.preview = None
        self._bell.ring()

    def advance(self, order: Order, message: Advanced) -> None:
        """Send progress, unless newer progress overtakes it."""
        with self._mailbox.lock:
            self._mailbox.progress = _frames(message, order)

    def show(self, order: Order, preview: EnginePreview) -> None:
        """Send a preview when the server has credit for it, unless a newer one overtakes it."""
        with self._mailbox.lock:
            self._mailbox.preview = (order, preview)
        if self._has_credit:
            self._bell.ring()

    def close(self) -> None:
        """Send what waits, then hang up."""
        self._is_closing.set()
        self._bell.ring()
        self._thread.join(5.0)

    def _take_progress(self) -> list[list[Frame]]:
        waiting, self._mailbox.progress = self._mailbox.progress, None
        return [] if waiting is None else [waiting]

    def _take_lines(self) -> list[list[Frame]]:
        box = self._mailbox
        if not box.lines or box.logging is None:
            return []
        frames = _frames(Logged(tuple(box.lines), box.dropped), box.logging)
        box.lines, box.dropped = [], 0
        return [frames]

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = self._dial(context)
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._bell, zmq.POLLIN)
        while True:
            is_closing = self._is_closing.is_set()
            poller.poll(POLL_MS)
            self._bell.hush()
            while frames := receive_parts(socket):
                self._hear(frames)
            for frames in [*self._due(), *self._beat(time.monotonic())]:
                socket.send_multipart(frames)
            if is_closing:
                context.destroy(linger=2000)
                self._bell.close()
                return

    def _dial(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_FRAME_BYTES)
        if self._orders.server_key:
            socket.curve_serverkey = self._orders.server_key.encode()
            socket.curve_publickey = self._orders.public.encode()
            socket.curve_secretkey = self._orders.secret.encode()
        socket.connect(self._orders.address)
        return socket

    def _due(self) -> list[list[Frame]]:
        with self._mailbox.lock:
            due: list[list[Frame]] = [*self._mailbox.letters, *self._take_progress()]
            self._mailbox.letters.clear()
            preview = self._mailbox.preview if self._has_credit else None
            if preview is not None:
                self._mailbox.preview = None
        return due if preview is None else due + self._packed(*preview)

    def _packed(self, order: Order, preview: EnginePreview) -> list[list[Frame]]:
        """Spend the credit on a mesh; one that cannot be sent costs none."""
        try:
            message, arrays = self._packer.pack(preview, wants_edges=self._wants_edges)
        except ProtocolError as error:
            if not self._has_refused_preview:
                self._has_refused_preview = True
                self.send(Warned(error.code, error.message), order)
            return []
        self._has_credit = False
        return [_frames(message, order, arrays)]

    def _beat(self, now: float) -> list[list[Frame]]:
        if now - self._beat_at < BEAT_S:
            return []
        self._beat_at = now
        with self._mailbox.lock:
            return [*self._take_lines(), _frames(self.pulse.beat(), None)]

    def _hear(self, frames: Sequence[Frame]) -> None:
        try:
            packet = decode_packet(frames)
            message = read_message(packet, TO_WORKER)
            if isinstance(message, RunJob):
                self._wishes = Wishes(finish=_attempt(packet) if message.finish else None)
                self._received.put(_order(packet, message))
                self._has_credit, self._has_refused_preview, self._packer = True, False, MeshPacker()
                self._wants_edges = message.edges
            elif isinstance(message, CancelJob):
                self._wishes.cancel = _attempt(packet)
            elif isinstance(message, PauseJob):
                self._wishes.pause = _attempt(packet)
            elif isinstance(message, FinishJob):
                self._wishes.finish = _attempt(packet)
            elif isinstance(message, MeshCredit):
                self._has_credit, self._wants_edges = True, message.edges
        except ProtocolError as error:
            log.warning("message dropped: %s", error)


def _order(packet: Packet, message: RunJob) -> Order:
    spec = job_from_dict(load_json_object(packet.arrays["spec"].tobytes(), MAX_SPEC_BYTES, MAX_SPEC_DEPTH))
    folders = Path(message.folder), Path(message.blobs)
    return Order(*_attempt(packet), spec, *folders, message.resume, message.checkpoint_s, message.milestones)


def _attempt(packet: Packet) -> Attempt:
    return (packet.header.job or "", packet.header.att or 0)


def _frames(message: object, order: Order | None, arrays: dict[str, NDArray] | None = None) -> list[Frame]:
    header = Header("", job=order.job, att=order.attempt) if order else Header("")
    return write_views(message, header, arrays, NAMES)
