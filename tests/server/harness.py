# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A real server process with the synthetic engine, and ways to wait for things that never wait long."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from limbeck_protocol.client import Client, ClientEvent, Connected, JobChanged, Submitted
from limbeck_protocol.connection import FILE_NAME, Endpoint, read_connection_file
from limbeck_protocol.job import TERMINAL_STATES, JobSpec

HERE = Path(__file__).parent
E = TypeVar("E")
PATIENCE_S = 30.0
SERVE = "from limbeck_server.commands.serve import serve; serve()"


@dataclass(frozen=True)
class Place:
    """The folders of one server."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes commands use these folders and find the synthetic engine."""
        paths = [str(HERE), os.environ.get("PYTHONPATH", "")]
        return {
            "LIMBECK_RUNTIME_DIR": str(self.root / "run"),
            "LIMBECK_CONFIG_DIR": str(self.root / "config"),
            "LIMBECK_DATA_DIR": str(self.root / "data"),
            "LIMBECK_STATE_DIR": str(self.root / "state"),
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }

    @property
    def connection_file(self) -> Path:
        return self.root / "run" / FILE_NAME

    @property
    def endpoint(self) -> Endpoint:
        return read_connection_file(self.connection_file)

    def find_endpoint(self) -> Endpoint | None:
        """What a client looks for: no endpoint while no server is there."""
        try:
            return self.endpoint
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class RunningServer:
    """A server process and its folders."""

    process: subprocess.Popen[str]
    place: Place

    @property
    def worker(self) -> psutil.Process:
        """The worker's process, once it is there."""
        return wait_until(lambda: next(iter(psutil.Process(self.process.pid).children()), None))

    def client(self, client_id: str = "test") -> Client:
        return Client(self.place.endpoint, app="test", client_id=client_id, find_endpoint=self.place.find_endpoint)

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop the server and return what it said."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=PATIENCE_S)[1]


def start_server(root: Path, *arguments: str, command: Sequence[str] = (sys.executable, "-c", SERVE)) -> RunningServer:
    """Start a server; it listens when this returns."""
    place = Place(root)
    command = [*command, "--engine", "synthetic_engine:engine", *arguments]
    process = subprocess.Popen(
        command, env=os.environ | place.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    server = RunningServer(process, place)
    try:
        wait_until(lambda: process.poll() is not None or is_listening(server))
        assert process.poll() is None, process.communicate()[1]
    except BaseException:
        kill(process)
        raise
    return server


def is_listening(server: RunningServer) -> bool:
    """Say whether the connection file is this process's, not one that an earlier one left."""
    try:
        return server.place.endpoint.pid == server.process.pid
    except FileNotFoundError:
        return False


TRANSPORTS = {"ipc": (), "tcp": ("--bind", "tcp://127.0.0.1:*")}


@contextmanager
def running_server(
    root: Path, *arguments: str, command: Sequence[str] = (sys.executable, "-c", SERVE)
) -> Iterator[RunningServer]:
    """Run a server for a while; nothing of it is left afterwards."""
    server = start_server(root, *arguments, command=command)
    try:
        yield server
    finally:
        children = psutil.Process(server.process.pid).children() if server.process.poll() is None else []
        server.process.terminate()
        try:
            server.process.communicate(timeout=10)
        finally:
            kill(server.process)
            for child in children:
                if child.is_running():
                    child.kill()


def kill(process: subprocess.Popen[str]) -> None:
    """End a process for good."""
    process.kill()
    process.communicate()


def wait_until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
    """Return the condition's first true value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError(f"{condition} did not come true within {timeout_s} s")


def pump_until(
    client: Client, predicate: Callable[[ClientEvent], bool], timeout_s: float = PATIENCE_S
) -> list[ClientEvent]:
    """Pump and return all events up to the first that the predicate accepts."""
    events: list[ClientEvent] = []
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        happened = client.pump()
        for index, event in enumerate(happened, 1):
            events.append(event)
            if predicate(event):
                client.put_back(happened[index:])
                return events
        time.sleep(0.002)
    raise TimeoutError(f"not among {events}")


def first(client: Client, kind: type[E], timeout_s: float = PATIENCE_S) -> E:
    """Return the first event of a kind."""
    event = pump_until(client, lambda event: isinstance(event, kind), timeout_s)[-1]
    assert isinstance(event, kind)
    return event


def submit(client: Client, job: JobSpec, key: str | None = None) -> str:
    """Submit a job and return its id."""
    request = client.submit(job, key)
    event = pump_until(client, lambda e: getattr(e, "request", None) == request)[-1]
    assert isinstance(event, Submitted), event
    return event.job


def run_job(client: Client, job: JobSpec) -> tuple[str, list[ClientEvent]]:
    """Submit and watch a job; return its id and all events up to its end."""
    job_id = submit(client, job)
    client.watch(job_id)
    return job_id, pump_until(client, lambda event: has_ended(event, job_id))


def has_ended(event: ClientEvent, job_id: str) -> bool:
    """Say whether the event is the end of the job."""
    return isinstance(event, JobChanged) and event.job == job_id and event.state in TERMINAL_STATES


def limbeck(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "limbeck_server", *arguments]
    environment = os.environ | place.environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@contextmanager
def connected(server: RunningServer, client_id: str = "test") -> Iterator[Client]:
    """Give a client that is connected."""
    with closing(server.client(client_id)) as client:
        first(client, Connected)
        yield client


def kinds(events: Sequence[ClientEvent], kind: type) -> list:
    """Return the events of a kind."""
    return [event for event in events if isinstance(event, kind)]
