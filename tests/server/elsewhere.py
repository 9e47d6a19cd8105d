# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers as on another machine: processes with folders of their own, and raw sockets with a worker's key."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import zmq

from limbeck_protocol.client import Busyness, Client
from limbeck_protocol.connection import Endpoint, endpoint_to_json, read_connection_file
from limbeck_protocol.envelope import read_message, write_message
from limbeck_protocol.frames import Header, Packet, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_server.files import write_atomically
from limbeck_server.key_files import Role, authorize, new_key_pair
from limbeck_server.remote_messages import PROTOCOL, REMOTE_NAMES, TO_REMOTE, Gone, Welcomed, WorkerJoin
from limbeck_server.worker_messages import RunJob, WorkerReady
from server.harness import PATIENCE_S, Place, RunningServer, first, wait_until

WORK = "from limbeck_server.cli import main; main()"
STATIC = ("--executor", "static", "--worker-bind", "tcp://127.0.0.1:*", "--bind", "tcp://127.0.0.1:*")


@dataclass(frozen=True)
class Machine:
    """A folder for all that one worker machine has, and its ``limbeck worker``."""

    place: Place
    process: subprocess.Popen[str]

    @property
    def worker(self) -> psutil.Process:
        """The process that runs jobs."""
        return wait_until(lambda: next(iter(psutil.Process(self.process.pid).children()), None))

    def stop(self, number: int = signal.SIGINT) -> str:
        """Stop ``limbeck worker`` and return what it said."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=PATIENCE_S)[1]

    def vanish(self) -> None:
        """Let the machine fall silent, as if its plug was pulled: nothing is said any more, and nothing closed."""
        for process in (self.worker, psutil.Process(self.process.pid)):
            process.send_signal(signal.SIGSTOP)


def key_file(server: RunningServer, name: str, role: Role = "worker") -> Path:
    """Make a key at the server, and return the file that its owner gets."""
    pair, endpoint = new_key_pair(), server.place.endpoint
    authorize(server.place.root / "config", name, pair.public, role)
    path = server.place.root / f"{name}.json"
    theirs = Endpoint(endpoint.workers, endpoint.server_key, pair.public, pair.secret)
    write_atomically(path, endpoint_to_json(theirs), mode=0o600)
    return path


def workers_address(server: RunningServer) -> str:
    return server.place.endpoint.workers


@contextmanager
def machine(root: Path, key: Path, *arguments: str, code: str = WORK) -> Iterator[Machine]:
    """Run ``limbeck worker`` for a while; nothing of it is left afterwards."""
    place = Place(root)
    command = [sys.executable, "-c", code, "worker", "--key", str(key), "--engine", "synthetic_engine:engine"]
    process = subprocess.Popen(
        [*command, *arguments],
        env=os.environ | place.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root.parent,
    )
    children = []
    try:
        yield Machine(place, process)
    finally:
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children()
        process.kill()
        process.communicate()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def worker_states(client: Client) -> list[str]:
    client.top()
    return [worker.state for worker in first(client, Busyness).workers]


def wait_for_workers(client: Client, count: int = 1) -> None:
    """Wait until so many workers are ready."""
    wait_until(lambda: len([state for state in worker_states(client) if state in ("idle", "busy")]) == count)


@dataclass
class Impostor:
    """A raw socket that holds a worker's key and says what it likes."""

    socket: zmq.Socket[bytes]
    heard: list[Any] = field(default_factory=list)
    order: Packet | None = None

    def say(self, message: object, header: Header | None = None, **arrays: Any) -> None:
        self.socket.send_multipart(write_message(message, header, arrays, REMOTE_NAMES))

    def hear(self, *kinds: type) -> Any:
        """Return the next message of these kinds."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.socket.poll(100):
                packet = decode_packet(self.socket.recv_multipart())
                message = read_message(packet, TO_REMOTE)
                if isinstance(message, RunJob):
                    self.order = packet
                if isinstance(message, kinds):
                    return message
        raise AssertionError(f"expected {kinds}, heard nothing")

    def join(self, seat: str = "seat", protocol: int = PROTOCOL) -> None:
        self.say(WorkerJoin(protocol, "9", seat, new_ulid(), "host", "device", 1))

    def take_job(self) -> Header:
        """Join, wait for a job, and return the header for messages about it."""
        self.join()
        self.hear(Welcomed)
        self.say(WorkerReady())
        self.hear(RunJob)
        assert self.order is not None
        return Header("", job=self.order.header.job, att=self.order.header.att, id="ask")


@contextmanager
def impostor(server: RunningServer, key: Path) -> Iterator[Impostor]:
    """Give a raw socket to the workers' door."""
    endpoint = read_connection_file(key)
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.curve_serverkey = (endpoint.server_key or "").encode()
        socket.curve_publickey = (endpoint.client_public or "").encode()
        socket.curve_secretkey = (endpoint.client_secret or "").encode()
        socket.connect(workers_address(server))
        liar = Impostor(socket)
        yield liar
        socket.linger = 1000
        liar.say(Gone())  # or the next test's job would be given to one that is not there
