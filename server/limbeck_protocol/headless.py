# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Driving a server from a script: submit, stream, save. ``aio.py`` is the same for asyncio (docs/headless.md)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from limbeck_protocol import blocking
from limbeck_protocol.client import Client
from limbeck_protocol.errors import JobError
from limbeck_protocol.events import (
    Checkpoints,
    ClientEvent,
    Downloaded,
    Estimate,
    JobChanged,
    JobProgress,
    JobWarning,
    PreviewMesh,
    RequestFailed,
    Status,
    StepMesh,
    Submitted,
)
from limbeck_protocol.job import TERMINAL_STATES, JobSpec
from limbeck_protocol.lines import CheckpointLine, JobLine
from limbeck_protocol.mesh_codec import MeshData

JobNews = JobChanged | JobProgress | JobWarning | PreviewMesh
"""What a job's stream yields; the last one is a JobChanged in a terminal state."""
Event = TypeVar("Event", bound=ClientEvent)
TRANSFER_TIMEOUT_S = 3600.0


def default_client_id() -> str:
    """Return an id that other scripts of this process's kind on this machine do not have."""
    host = "".join(c if c.isascii() and c.isalnum() else "-" for c in socket.gethostname())[:40]
    return f"script-{host}-{os.getpid()}"


class Server:
    """A connection to this user's server, or to the one that LIMBECK_CONNECTION names. Use as a context manager."""

    def __init__(self, client_id: str | None = None, app: str = "script", timeout_s: float = 10.0) -> None:
        """Connect.

        Args:
            client_id: stable for one installation, if a key should mean the same job in its next run.
            app: name and version, for the server's log.
            timeout_s: how long the server may take to answer.

        Raises:
            ProtocolError: E_NO_SERVER if there is none or it does not answer, or the server's refusal.
        """
        self.client: Client = blocking.connect(app, client_id or default_client_id(), timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, job: JobSpec | str, key: str | None = None) -> Job:
        """Submit a job, a prompt alone if that is enough, and return it.

        Args:
            job: the description; its blobs must hold their data.
            key: the same key submits the same job once, in later runs as well if the client id is the same.

        Raises:
            ProtocolError: why the server refuses it.
        """
        request = self.client.submit(JobSpec(job) if isinstance(job, str) else job, key)
        return Job(self, self.answer(request, Submitted).job)

    def job(self, job_id: str) -> Job:
        """Return a job that was submitted before, by anybody."""
        return Job(self, job_id)

    def jobs(self) -> tuple[JobLine, ...]:
        """Return the newest jobs, newest first.

        Raises:
            ProtocolError: if the server does not answer.
        """
        return self.answer(self.client.status(), Status).jobs

    def estimate(self, recipe: str, **options: Any) -> Estimate:
        """Return what a job would take, by this server's finished jobs; ``options`` are those of ``Client.estimate``.

        Raises:
            ProtocolError: if the server does not answer.
        """
        return self.answer(self.client.estimate(recipe, **options), Estimate)

    def close(self) -> None:
        """Leave; jobs go on."""
        self.client.close()

    def answer(self, request: str, kind: type[Event]) -> Event:
        """Wait for the answer to a request of ``client``.

        Raises:
            ProtocolError: the server's refusal, or E_TIMEOUT.
        """
        with closing(blocking.events(self.client, TRANSFER_TIMEOUT_S)) as happening:
            for event in happening:
                found = answer_to(event, request, kind)
                if found is not None:
                    return found
        raise AssertionError("events() ends only by raising")


class Job:
    """One job of a server; ``id`` names it in every later session."""

    def __init__(self, server: Server, job_id: str) -> None:
        """Take the server that has it."""
        self._server = server
        self.id = job_id

    def stream(self, *, previews: bool = True) -> Iterator[JobNews]:
        """Yield the job's news until it has ended.

        Raises:
            JobError: the job's own error, after its last news, if it failed; E_CANCELLED if it was cancelled.
            ProtocolError: if there is no such job, or the server is away for long.
        """
        client = self._server.client
        request = client.watch(self.id, previews=previews)
        try:
            with closing(blocking.events(client)) as happening:
                for event in happening:
                    news = news_of(event, self.id, request)
                    if news is not None:
                        yield news
                        if has_ended(news):
                            return
        finally:
            client.unwatch(self.id)  # whoever stops listening is told no more

    def wait(self) -> JobChanged:
        """Wait until the job has succeeded and return its end, with the summary.

        Raises:
            JobError, ProtocolError: as ``stream`` does.
        """
        end = None
        for news in self.stream(previews=False):
            end = news
        if not isinstance(end, JobChanged):
            raise AssertionError("stream() ends with the job's end or raises")
        return end

    def cancel(self) -> None:
        """Cancel the job: at once if it waits, at its next step if it runs.

        Raises:
            ProtocolError: if there is no such job, or it is somebody else's.
        """
        request = self._server.client.cancel(self.id)
        self._await(lambda event: isinstance(event, JobChanged) and event.job == self.id, request)

    def checkpoints(self) -> tuple[CheckpointLine, ...]:
        """Return the steps at which the job can be looked at and forked, in their order.

        Raises:
            ProtocolError: if there is no such job.
        """
        return self._server.answer(self._server.client.checkpoints(self.id), Checkpoints).checkpoints

    def mesh(self, step: int) -> MeshData:
        """Return the mesh that the job had at a step.

        Raises:
            ProtocolError: E_NOT_FOUND if that step has none, E_CHECKSUM, E_MESH.
        """
        return self._server.answer(self._server.client.fetch_mesh(self.id, step), StepMesh).mesh

    def fork(self, changes: Mapping[str, Any] | None = None, *, step: int | None = None, key: str | None = None) -> Job:
        """Submit a job that goes on from a checkpoint, and return it; the arguments are those of ``Client.fork``.

        Raises:
            ProtocolError: why the server refuses it.
        """
        request = self._server.client.fork(self.id, changes or {}, step=step, key=key)
        return Job(self._server, self._server.answer(request, Submitted).job)

    def save(self, path: str | Path, artifact: str = "asset") -> Path:
        """Download the result; one that was interrupted goes on where it stopped.

        Raises:
            ProtocolError: E_NOT_FOUND if there is none yet, E_FILE, E_DISK_FULL, E_CHECKSUM.
        """
        request = self._server.client.fetch(self.id, Path(path), artifact, keep_part=True)
        self._await(lambda event: isinstance(event, Downloaded) and event.request == request, request)
        return Path(path)

    def _await(self, is_answer: Callable[[ClientEvent], bool], request: str) -> None:
        with closing(blocking.events(self._server.client, TRANSFER_TIMEOUT_S)) as happening:
            for event in happening:
                raise_failure(event, request)
                if is_answer(event):
                    return


def answer_to(event: ClientEvent, request: str, kind: type[Event]) -> Event | None:
    """Return an event if it answers a request.

    Raises:
        ProtocolError: the server's refusal of that request.
    """
    raise_failure(event, request)
    return event if isinstance(event, kind) and getattr(event, "request", None) == request else None


def news_of(event: ClientEvent, job_id: str, request: str) -> JobNews | None:
    """Return an event if it is about a job.

    Raises:
        ProtocolError: the server's refusal to tell about it.
    """
    raise_failure(event, request)
    return event if isinstance(event, JobNews) and event.job == job_id else None


def has_ended(news: JobNews) -> bool:
    """Say whether this is the end of a job that succeeded.

    Raises:
        JobError: if it failed or was cancelled.
    """
    if not isinstance(news, JobChanged) or news.state not in TERMINAL_STATES:
        return False
    if news.state == "cancelled":
        raise JobError("E_CANCELLED", f"job {news.job} was cancelled", "submit it again")
    if news.error is not None:
        raise JobError(news.error.code, news.error.message, news.error.remedy, trace_id=news.error.trace_id)
    return True


def raise_failure(event: ClientEvent, request: str) -> None:
    """Raise the error of a request, if this is it.

    Raises:
        ProtocolError: that error.
    """
    if isinstance(event, RequestFailed) and event.request == request:
        raise event.error


def connect(client_id: str | None = None, app: str = "script", timeout_s: float = 10.0) -> Server:
    """Return a connection to the server, as ``Server`` does.

    Raises:
        ProtocolError: E_NO_SERVER if there is none or it does not answer, or the server's refusal.
    """
    return Server(client_id, app, timeout_s)
