# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server: one loop over the clients' socket, the workers' socket and the gatekeeper. It never imports torch."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import zmq
from numpy.typing import NDArray

from limbeck import __version__
from limbeck_protocol.connection import FILE_NAME, Endpoint, endpoint_to_json
from limbeck_protocol.envelope import read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.processes import process_start
from limbeck_server.access import Access, has_remote_keys
from limbeck_server.blobs import BlobStore
from limbeck_server.board import Board
from limbeck_server.crew import Crew
from limbeck_server.executors.local import HomeAddress
from limbeck_server.executors.ray_placer import RayPlacer, require_ray
from limbeck_server.files import make_folder, make_private_folder, write_atomically
from limbeck_server.intake import Intake
from limbeck_server.key_files import KeyPair, new_key_pair, server_key_pair
from limbeck_server.keys import Gatekeeper, HandshakeWatch
from limbeck_server.lock import FolderLock
from limbeck_server.metrics import MetricsServer, open_metrics
from limbeck_server.parts import Parts
from limbeck_server.planner import Planner
from limbeck_server.previews import Previews
from limbeck_server.reception import Reception
from limbeck_server.remote_door import RemoteDoor, bind_remote
from limbeck_server.security_log import SecurityLog
from limbeck_server.sessions import Sessions
from limbeck_server.settings import CORE_ENGINE, ServerSettings
from limbeck_server.socket_files import remove_socket
from limbeck_server.store import Store
from limbeck_server.transport import bind_router, check_address, client_side, receive, send
from limbeck_server.work import assign_next, put_back_running, recover, take_loss, take_worker_message
from limbeck_server.worker_messages import FROM_WORKER, NAMES

log = logging.getLogger("limbeck.server")
MAX_WORKER_MESSAGES_A_TURN = 256
BUSY_POLL_MS = 20
IDLE_POLL_MS = 200


def serve(settings: ServerSettings, should_stop: Callable[[], bool], on_ready: Callable[[Endpoint], None]) -> None:
    """Run a server until ``should_stop`` says so; ``on_ready`` is told where it listens.

    Raises:
        ProtocolError: E_SERVER_RUNNING, E_INSECURE_BIND, E_ADDRESS, E_INSECURE_FOLDER, E_NO_CURVE, E_FILE, E_DISK_FULL.
    """
    check_address(settings.client_address, has_keys=has_remote_keys(settings.config_folder))
    require_ray(settings)
    with _folders(settings), _sockets(settings) as sockets, _metrics(settings.metrics) as metrics:
        parts = _make_parts(settings, sockets)
        with _connection_file(settings, parts, sockets) as endpoint:
            log.info(
                "server started", extra={"address": endpoint.address, "epoch": parts.epoch, "version": __version__}
            )
            on_ready(endpoint)
            _run(parts, sockets, metrics, should_stop)


@dataclass(frozen=True)
class Sockets:
    """The server's sockets, the addresses that they got, and the keys for them."""

    clients: zmq.Socket[bytes]
    workers: zmq.Socket[bytes]
    remote: zmq.Socket[bytes] | None
    remote_address: str | None
    gatekeeper: Gatekeeper
    handshakes: tuple[HandshakeWatch, ...]
    access: Access
    security: SecurityLog
    client_address: str
    home: HomeAddress
    server_keys: KeyPair
    client_keys: KeyPair


def _run(parts: Parts, sockets: Sockets, metrics: MetricsServer | None, should_stop: Callable[[], bool]) -> None:
    reception = Reception(parts, sockets.clients)
    door = RemoteDoor(parts, sockets.remote) if sockets.remote is not None else None
    placer = (
        RayPlacer(parts, sockets.server_keys.public, sockets.remote_address or "") if parts.settings.is_ray else None
    )
    poller = zmq.Poller()
    watched = [sockets.clients, sockets.workers, sockets.gatekeeper.socket, *(w.socket for w in sockets.handshakes)]
    for socket in [*watched, *([] if sockets.remote is None else [sockets.remote])]:
        poller.register(socket, zmq.POLLIN)
    is_pressed = True

    def turn() -> None:
        nonlocal is_pressed
        poller.poll(BUSY_POLL_MS if is_pressed or parts.state != "idle" else IDLE_POLL_MS)
        sockets.gatekeeper.answer()
        for watch in sockets.handshakes:
            watch.note_failures()
        now = time.monotonic()
        _hear_workers(parts, sockets.workers, now)
        if door is not None:
            door.hear_all(now)
        if placer is not None:
            placer.tend(now)
        reception.answer_all(now)
        _tend_workers(parts, sockets.workers, now)
        parts.board.save_again(now)
        parts.intake.tend(now)
        assign_next(parts, now)
        is_pressed = reception.tell_all(now) or (door is not None and door.is_pressed)
        if metrics is not None:
            metrics.update(parts, now)

    try:
        while not should_stop():
            turn()
        _drain(parts, turn)
    finally:
        put_back_running(parts)
        parts.crew.stop()
        parts.planner.close()
        if placer is not None:
            placer.close()
        if door is not None:
            door.close()
        reception.tell_all(time.monotonic())
        reception.say_bye("the server stopped")
        parts.store.close()
        log.info("server stopped")


def _drain(parts: Parts, turn: Callable[[], None]) -> None:
    """Take no more jobs, and give those that run the time to write a checkpoint."""
    parts.intake.is_draining = True
    log.info("server stops", extra={"jobs": sum(member.assignment is not None for member in parts.crew.members)})
    for member in parts.crew.members:
        member.pause()
    deadline = time.monotonic() + parts.settings.drain_s
    while parts.crew.is_busy and time.monotonic() < deadline:
        turn()


def _tend_workers(parts: Parts, socket: zmq.Socket[bytes], now: float) -> None:
    if parts.crew.has_died:
        _hear_workers(parts, socket, now)  # their last words come before their death
    stages = {job_id: progress.stage for job_id, progress in parts.board.progress.items()}
    waiting = 0 if parts.intake.is_draining else len(parts.board.queue())
    for loss in parts.crew.tick(now, stages, waiting):
        take_loss(parts, loss)


def _hear_workers(parts: Parts, socket: zmq.Socket[bytes], now: float) -> None:
    for _ in range(MAX_WORKER_MESSAGES_A_TURN):
        received = receive(socket)
        if received is None:
            return
        peer, frames = received
        member = None
        try:
            packet = decode_packet(frames)
            message = read_message(packet, FROM_WORKER)
            member = parts.crew.speaker(peer, packet, message, now)
            if member is not None:
                take_worker_message(parts, member, packet, message, now)
        except ProtocolError as error:
            log.warning("worker message dropped", extra={"code": error.code, "reason": error.message})
        except Exception:  # a bug in one job must not end the others
            log.exception("worker message failed")
            if member is not None:
                member.condemn("was ended because the server failed on what it said")


def _make_parts(settings: ServerSettings, sockets: Sockets) -> Parts:
    def post(peer: bytes, message: object, header: Header, arrays: dict[str, NDArray] | None) -> None:
        send(sockets.workers, peer, write_message(message, header, arrays, NAMES))

    store = Store(settings.data_folder)
    board = Board(store, settings.max_queued)
    blobs = BlobStore(settings.data_folder)
    blobs.sweep([job.spec for job in board.jobs()])
    crew = Crew(settings, sockets.home, post)
    parts = Parts(
        settings,
        new_ulid(),
        __version__,
        store,
        board,
        blobs,
        Previews(),
        Sessions(),
        crew,
        Intake(settings.data_folder, settings.least_free_bytes),
        sockets.access,
        sockets.security,
        Planner(is_on=settings.engine == CORE_ENGINE),
    )
    recover(parts)
    return parts


@contextmanager
def _folders(settings: ServerSettings) -> Iterator[None]:
    """Hold the folders that no two servers may share."""
    with ExitStack() as stack:
        for folder in (make_private_folder(settings.runtime_folder), make_folder(settings.data_folder, mode=0o700)):
            stack.callback(FolderLock(folder).release)
        yield


@contextmanager
def _sockets(settings: ServerSettings) -> Iterator[Sockets]:
    if not zmq.has("curve"):
        remedy = "install pyzmq from its official wheels"
        raise ProtocolError("E_NO_CURVE", "expected a pyzmq with CURVE encryption, got one without", remedy)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=2)
    is_tcp = settings.client_address.startswith("tcp:") or settings.remote_worker_address is not None
    server_keys = server_key_pair(settings.config_folder) if is_tcp else new_key_pair()
    client_keys, worker_keys = new_key_pair(), new_key_pair()
    access, security = Access(settings.config_folder, client_keys.public, worker_keys.public), SecurityLog()
    bound: list[str] = []  # what was not may be another server's
    try:
        doors = {"clients": access.client, "workers": access.own_worker, "remote workers": access.worker}
        gatekeeper = Gatekeeper(context, doors, security)
        has_keys = has_remote_keys(settings.config_folder)
        clients, address = bind_router(
            context, settings.client_address, server_keys, "clients", has_heartbeat=True, has_keys=has_keys
        )
        bound.append(address)
        handshakes = [HandshakeWatch(context, clients, security)]
        # workers are watched as processes; a heartbeat missed in a suspended laptop must not cut one off
        workers, home = bind_router(context, settings.worker_address, server_keys, "workers", has_heartbeat=False)
        bound.append(home)
        home_address = HomeAddress(home, server_keys, worker_keys)
        remote, remote_address = None, None
        if settings.remote_worker_address is not None:
            remote, remote_address = bind_remote(context, settings, server_keys)
            handshakes.append(HandshakeWatch(context, remote, security))
        yield Sockets(
            clients,
            workers,
            remote,
            remote_address,
            gatekeeper,
            tuple(handshakes),
            access,
            security,
            client_side(address),
            home_address,
            server_keys,
            client_keys,
        )
    finally:
        context.destroy(linger=200)  # lets the goodbyes out
        for address in bound:
            remove_socket(address)


@contextmanager
def _metrics(address: str | None) -> Iterator[MetricsServer | None]:
    metrics = open_metrics(address)
    try:
        yield metrics
    finally:
        if metrics is not None:
            metrics.close()


@contextmanager
def _connection_file(settings: ServerSettings, parts: Parts, sockets: Sockets) -> Iterator[Endpoint]:
    is_tcp = sockets.client_address.startswith("tcp:")
    endpoint = Endpoint(
        sockets.client_address,
        sockets.server_keys.public if is_tcp else None,
        sockets.client_keys.public if is_tcp else None,
        sockets.client_keys.secret if is_tcp else None,
        pid=os.getpid(),
        process_start=process_start(os.getpid()),
        started_at=time.time(),
        epoch=parts.epoch,
        version=parts.version,
        workers=client_side(sockets.remote_address or ""),
    )
    path = settings.runtime_folder / FILE_NAME
    write_atomically(path, endpoint_to_json(endpoint), mode=0o600)
    try:
        yield endpoint
    finally:
        path.unlink(missing_ok=True)
