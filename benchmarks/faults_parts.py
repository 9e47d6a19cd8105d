# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""For faults.py: a server that can be killed, and a watcher that writes down every event with its number."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from limbeck_protocol.connection import FILE_NAME, Endpoint, read_connection_file
from limbeck_protocol.envelope import SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.messages import Failure, Hello, JobEvent, JobWatch, Pong, Progress, Welcome

ENGINE_FOLDER = Path(__file__).parents[1] / "tests" / "server"
CHECKPOINT_S = 0.25
STEP_S = 0.02
CODE = """
import sys
from pathlib import Path
from limbeck_server.logs import open_log
from limbeck_server.service import serve
from limbeck_server.settings import ServerSettings
folder = Path(sys.argv[1])
open_log(folder / "state")
serve(ServerSettings(folder / "data", folder / "state", folder / "run", engine="synthetic_engine:engine",
                     checkpoint_s=float(sys.argv[2])), lambda: False, lambda endpoint: None)
"""


def wait_for(condition: Callable[[], bool], turn: Callable[[], None], patience_s: float) -> None:
    """Take turns until the condition is true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true within {patience_s} s")
        turn()


class Server:
    """A server process in a folder."""

    def __init__(self, folder: Path) -> None:
        """Begin without a process."""
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start a process; it need not listen yet when this returns."""
        paths = [str(ENGINE_FOLDER), os.environ.get("PYTHONPATH", "")]
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "SYNTHETIC_STEP_S": str(STEP_S)}
        command = [sys.executable, "-c", CODE, str(self.folder), str(CHECKPOINT_S)]
        with (self.folder / "server.out").open("ab") as out:
            self._process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it at once; what it has to save is saved."""
        self.kill()

    def find(self) -> Endpoint | None:
        """Return where the running process listens, or None if it does not yet."""
        try:
            endpoint = read_connection_file(self.folder / "run" / FILE_NAME)
        except (OSError, ProtocolError):
            return None
        return endpoint if endpoint.pid == self.pid else None


@dataclass
class Seen:
    """What was heard of one job: its events by arrival, and the steps of its progress."""

    events: list[tuple[int, JobEvent]] = field(default_factory=list)
    step: int = 0

    @property
    def last(self) -> int:
        """Number of the newest event."""
        return max((seq for seq, _ in self.events), default=0)


class Recorder:
    """Watches every job through all kills, with a socket of its own and no tolerance: doubles are kept as they come."""

    def __init__(self, server: Server) -> None:
        """Begin without a connection."""
        self._server = server
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._connected_to = ""
        self._is_welcome = False
        self._asked: set[str] = set()
        self._killed_at = 0.0
        self._progress_at = 0.0
        self.seen: dict[str, Seen] = defaultdict(Seen)
        self.lost_steps: list[int] = []

    def note_kill(self) -> None:
        """Note that something was killed now."""
        self._killed_at = time.monotonic()

    def has_progress_since_kill(self) -> bool:
        """Say whether any job has advanced since the last kill."""
        return self._progress_at > self._killed_at

    def turn(self, jobs: set[str]) -> None:
        """Connect to the newest server, watch what is not watched, and hear what there is."""
        endpoint = self._server.find()
        if endpoint is not None and endpoint.epoch != self._connected_to:
            self._connect(endpoint)
        if self._socket is None:
            return
        for job in jobs if self._is_welcome else ():
            if job not in self._asked and not self._has_ended(job):  # twice would be answered twice
                self._asked.add(job)
                self._send(JobWatch(job, self.seen[job].last, previews=False))
        while self._socket.poll(0):
            self._hear(self._socket.recv_multipart())

    def _has_ended(self, job: str) -> bool:
        events = self.seen[job].events
        return bool(events) and events[-1][1].state in ("succeeded", "failed", "cancelled")

    def _connect(self, endpoint: Endpoint) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(endpoint.address)
        self._connected_to, self._is_welcome = endpoint.epoch, False
        self._asked.clear()
        self._send(Hello("recorder", "faults", 1))

    def _send(self, message: object) -> None:
        if self._socket is not None:
            self._socket.send_multipart(write_message(message, Header("", id=new_ulid())))

    def _hear(self, frames: list[bytes]) -> None:
        packet = decode_packet(frames)
        message: Any = read_message(packet, SERVER_MESSAGES)
        if isinstance(message, Welcome):
            self._is_welcome = True
        elif isinstance(message, JobEvent):
            self._note(self.seen[packet.header.job or ""], packet.header.seq or 0, message)
        elif isinstance(message, Progress):
            seen = self.seen[packet.header.job or ""]
            if message.stage == "optimising":
                seen.step = message.step
                self._progress_at = time.monotonic()
        elif isinstance(message, Failure) and message.code == "E_NOT_FOUND":
            raise AssertionError(f"an acknowledged job is not known: {message}")
        elif isinstance(message, Pong):
            pass

    def _note(self, seen: Seen, seq: int, event: JobEvent) -> None:
        if event.state == "running" and event.kind == "state":
            self.lost_steps.append(max(0, seen.step - event.step))
            seen.step = event.step
        seen.events.append((seq, event))
