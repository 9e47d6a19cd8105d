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
from concurrent.futures import Future
from typing import Any

import zmq
from numpy.typing import NDArray

from limbeck_protocol.envelope import read_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame, Packet, decode_packet
from limbeck_server.dialling import dial
from limbeck_server.engine import EnginePreview
from limbeck_server.executors.local import WorkerOrders
from limbeck_server.mailbox import Order
from limbeck_server.postbox import Postbox, frames_of
from limbeck_server.pulse import Pulse
from limbeck_server.remote_home import RemoteHome
from limbeck_server.remote_messages import (
    TO_REMOTE,
    EndWorker,
    Gone,
    Leaving,
    Part,
    PartRefused,
    PartStored,
    Refused,
    Unknown,
    Welcomed,
)
from limbeck_server.transport import receive_parts
from limbeck_server.worker_messages import (
    Advanced,
    CancelJob,
    FinishJob,
    MeshCredit,
    PauseJob,
    RunJob,
    WorkerHello,
    WorkerReady,
)
from limbeck_server.worker_orders import Rest, Wishes, attempt_of, read_order

log = logging.getLogger("limbeck.worker")
POLL_MS = 20
"""How long progress may wait for newer progress; everything else rings the bell."""
BEAT_S = 1.0
REFUSED, ENDED, STUCK = 4, 5, 6
"""How a process ends whose server is elsewhere and refuses it, has ended it, or does not want what it cannot stop."""


class WorkerLink:
    """Sends what the engine says, keeping only its latest progress and mesh, and hears what the server wants.

    Attributes:
        pulse: what the signs of life are made of.
    """

    def __init__(self, orders: WorkerOrders) -> None:
        """Dial home and say hello."""
        self._orders = orders
        self._postbox = Postbox()
        self._received: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._wishes = Wishes()
        self._beat_at = 0.0
        self.pulse = Pulse()
        self._is_closing = threading.Event()
        self._home = RemoteHome(orders.seat, orders.device, orders.last, os.getpid()) if orders.seat else None
        self._rest = Rest(is_ready_due=self._home is None)
        self.send(WorkerHello(orders.token, os.getpid()) if self._home is None else self._home.join())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def next_order(self) -> Order | None:
        """Say that the engine is ready, and wait for the next job; None if there shall be no more."""
        self._rest.begin(None)
        if self._home is not None:
            self._home.note_idle()
        if self._rest.is_leaving:
            return None
        if self._rest.take_due():
            self.send(WorkerReady())
        order = self._received.get()
        self._rest.begin(order)
        return order

    def leave(self) -> None:
        """Hand back what is being done, and take no more."""
        self._rest.is_leaving = True
        self.send(Leaving())
        self._received.put(None)

    def is_cancelled(self, order: Order) -> bool:
        """Say whether the server wants this attempt to stop."""
        return self._wishes.cancel == order.key

    def is_pausing(self, order: Order) -> bool:
        """Say whether the server wants this attempt to write a checkpoint and stop."""
        return self._wishes.pause == order.key or self._rest.is_leaving

    def is_finishing(self, order: Order) -> bool:
        """Say whether the server wants this attempt to make its asset of what there is."""
        return self._wishes.finish == order.key

    def take_back_pause(self, order: Order) -> None:
        """Go on, because the attempt cannot be paused now."""
        if self.is_pausing(order):
            self._wishes.pause = None

    def log(self, order: Order, line: str) -> None:
        """Add a line to the job's log."""
        self._postbox.log(order, line)

    def send(self, message: object, order: Order | None = None) -> None:
        """Send a message after everything that was sent before."""
        self._postbox.send(message, order)

    def advance(self, order: Order, message: Advanced) -> None:
        """Send progress, unless newer progress overtakes it."""
        self._postbox.advance(order, message)

    def show(self, order: Order, preview: EnginePreview) -> None:
        """Send a preview when the server has credit for it, unless a newer one overtakes it."""
        self._postbox.show(order, preview)

    def ask(self, message: object, order: Order, arrays: dict[str, NDArray] | None) -> Future[tuple[Any, Packet]]:
        """Send a request about an attempt to a server elsewhere, and return where the answer will be."""
        if self._home is None:
            raise ValueError("expected a server elsewhere, got one that shares the disk")
        request, answer = self._home.asked()
        self._postbox.request(message, order, arrays, request)
        return answer

    def close(self) -> None:
        """Send what waits, then hang up."""
        if self._home is not None:
            self.send(Gone())
        self._is_closing.set()
        self._postbox.bell.ring()
        self._thread.join(5.0)

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = dial(context, self._orders)
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._postbox.bell, zmq.POLLIN)
        while True:
            is_closing = self._is_closing.is_set()
            poller.poll(POLL_MS)
            self._postbox.bell.hush()
            while frames := receive_parts(socket):
                self._hear(frames)
            now = time.monotonic()
            if self._home is not None and self._home.is_silent(now):
                log.warning("the server is silent; dialling again")
                poller.unregister(socket)
                socket.close(linger=0)
                socket = dial(context, self._orders)
                poller.register(socket, zmq.POLLIN)
                self._come_in(self._home)
            for frames in [*self._postbox.take_due(), *self._beat(now)]:
                self._post(socket, frames)
            if is_closing:
                context.destroy(linger=2000)
                self._postbox.bell.close()
                return

    def _post(self, socket: zmq.Socket[bytes], frames: list[Frame]) -> None:
        try:
            socket.send_multipart(frames, 0 if self._home is None else zmq.NOBLOCK)
        except zmq.Again:  # a server that takes nothing says nothing, so that this ends soon
            log.warning("message dropped: the server does not keep up")

    def _beat(self, now: float) -> list[list[Frame]]:
        if now - self._beat_at < BEAT_S:
            return []
        self._beat_at = now
        if self._home is not None and self._home.is_stuck(now):
            log.error("the engine does not leave an attempt that nobody waits for; ending")
            os._exit(STUCK)
        if self._home is not None and not self._home.is_in:
            return []
        return [*self._postbox.take_lines(), frames_of(self.pulse.beat(), None)]

    def _hear(self, frames: Sequence[Frame]) -> None:
        try:
            packet = decode_packet(frames)
            message = read_message(packet, TO_REMOTE)
            if self._home is not None:
                self._hear_from_afar(self._home, message, packet)
            if isinstance(message, RunJob):
                order = read_order(packet, message, self._orders.folder)
                self._wishes = Wishes(finish=order.key if message.finish else None)
                self._received.put(order)
                self._postbox.begin(wants_edges=message.edges)
            elif isinstance(message, CancelJob):
                self._wishes.cancel = attempt_of(packet)
            elif isinstance(message, PauseJob):
                self._wishes.pause = attempt_of(packet)
            elif isinstance(message, FinishJob):
                self._wishes.finish = attempt_of(packet)
            elif isinstance(message, MeshCredit):
                self._postbox.grant(wants_edges=message.edges)
        except ProtocolError as error:
            log.warning("message dropped: %s", error)

    def _hear_from_afar(self, home: RemoteHome, message: Any, packet: Packet) -> None:
        home.note()
        if isinstance(message, Welcomed):
            home.is_in, self._rest.is_ready_due = True, True
            if self._rest.take_due():
                self.send(WorkerReady())
        elif isinstance(message, Refused):
            log.error("refused: %s: %s; %s", message.code, message.message, message.remedy)
            os._exit(REFUSED)
        elif isinstance(message, Unknown) and home.is_in:
            log.warning("the server does not know this worker; joining again")
            self._come_in(home)
        elif isinstance(message, EndWorker):
            log.warning("the server ends this process")
            os._exit(ENDED)
        elif isinstance(message, Part | PartStored | PartRefused):
            home.answer(message, packet)

    def _come_in(self, home: RemoteHome) -> None:
        """Say who this is, to a server that does not know; what was done for it before counts no more."""
        with self._rest.lock:
            while not self._received.empty():
                self._received.get()
            order = self._rest.order
            self._wishes = Wishes(cancel=order.key if order is not None else None)
            self._rest.is_ready_due = False
            if self._rest.is_leaving:
                self._received.put(None)
        self._postbox.replace_all(home.join())
        home.abandon(has_attempt=order is not None)
