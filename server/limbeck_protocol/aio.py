# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Driving a server from asyncio: as ``headless.py``, and any number of jobs at once over one connection.

One task pumps the client and hands each event to whoever waits for it. There are no threads, and it runs on the event
loops of every platform, because it asks the socket a hundred times a second instead of registering it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from limbeck_protocol.absent import lost_server, silent_server
from limbeck_protocol.blocking import PATIENCE_S, POLL_S, client_of_server
from limbeck_protocol.client import Client
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import (
    Checkpoints,
    ClientEvent,
    Downloaded,
    Estimate,
    JobChanged,
    Status,
    StepMesh,
    Submitted,
)
from limbeck_protocol.headless import JobNews, answer_to, default_client_id, has_ended, news_of, raise_failure
from limbeck_protocol.job import JobSpec
from limbeck_protocol.lines import CheckpointLine, JobLine
from limbeck_protocol.mesh_codec import MeshData

Event = TypeVar("Event", bound=ClientEvent)
Inbox = asyncio.Queue[ClientEvent | ProtocolError]


class Server:
    """A connection to this user's server, or to the one that LIMBECK_CONNECTION names. Use with ``async with``."""

    def __init__(self, client_id: str | None = None, app: str = "script", timeout_s: float = 10.0) -> None:
        """Take what ``headless.Server`` takes; entering the context connects."""
        self._names = (app, client_id or default_client_id())
        self._timeout_s = timeout_s
        self._inboxes: list[Inbox] = []
        self._client: Client | None = None
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ProtocolError: E_NO_SERVER if there is none or it does not answer, or the server's refusal.
        """
        self._client = client_of_server(*self._names)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        while self._client.state != "ready":
            self._client.pump()
            if self._client.refusal is not None or loop.time() > deadline:
                self._client.close()
                silent = silent_server(self._client.endpoint, self._client.reach, self._timeout_s)
                raise self._client.refusal or silent
            await asyncio.sleep(POLL_S)
        self._pump = asyncio.create_task(self._pump_for_ever(self._client))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; jobs go on."""
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
        self.client.close()

    @property
    def client(self) -> Client:
        """The client underneath."""
        if self._client is None:
            raise ProtocolError(
                "E_NO_SERVER", "expected a connection, got none", "use: async with aio.connect() as ..."
            )
        return self._client

    async def submit(self, job: JobSpec | str, key: str | None = None) -> Job:
        """Submit a job, a prompt alone if that is enough, and return it.

        Raises:
            ProtocolError: why the server refuses it.
        """
        description = JobSpec(job) if isinstance(job, str) else job
        submitted = await self.ask(lambda client: client.submit(description, key), Submitted)
        return Job(self, submitted.job)

    def job(self, job_id: str) -> Job:
        """Return a job that was submitted before, by anybody."""
        return Job(self, job_id)

    async def jobs(self) -> tuple[JobLine, ...]:
        """Return the newest jobs, newest first."""
        return (await self.ask(lambda client: client.status(), Status)).jobs

    async def estimate(self, recipe: str, **options: Any) -> Estimate:
        """Return what a job would take, by finished jobs; ``options`` are those of ``Client.estimate``."""
        return await self.ask(lambda client: client.estimate(recipe, **options), Estimate)

    async def ask(self, send: Callable[[Client], str], kind: type[Event]) -> Event:
        """Make a request and return its answer.

        Raises:
            ProtocolError: the server's refusal.
        """
        with self.listening() as inbox:
            request = send(self.client)
            while True:
                answer = answer_to(await next_event(inbox), request, kind)
                if answer is not None:
                    return answer

    @contextmanager
    def listening(self) -> Any:
        """Give an inbox that gets every event from now on."""
        inbox: Inbox = asyncio.Queue()
        self._inboxes.append(inbox)
        try:
            yield inbox
        finally:
            self._inboxes.remove(inbox)

    async def _pump_for_ever(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        ready_at = loop.time()
        while True:
            events = client.pump(0.02)
            ready_at = loop.time() if client.state == "ready" else ready_at
            failure = client.refusal
            if failure is None and loop.time() - ready_at > PATIENCE_S:
                failure = lost_server(client.endpoint, PATIENCE_S)
            for inbox in self._inboxes:
                for event in events:
                    inbox.put_nowait(event)
                if failure is not None:
                    inbox.put_nowait(failure)
            await asyncio.sleep(0 if events else POLL_S)


class Job:
    """One job of a server; ``id`` names it in every later session."""

    def __init__(self, server: Server, job_id: str) -> None:
        """Take the server that has it."""
        self._server = server
        self.id = job_id

    async def stream(self, *, previews: bool = True) -> AsyncIterator[JobNews]:
        """Yield the job's news until it has ended; errors are those of ``headless.Job.stream``."""
        with self._server.listening() as inbox:
            client = self._server.client
            request = client.watch(self.id, previews=previews)
            try:
                while True:
                    news = news_of(await next_event(inbox), self.id, request)
                    if news is not None:
                        yield news
                        if has_ended(news):
                            return
            finally:
                client.unwatch(self.id)  # whoever stops listening is told no more

    async def wait(self) -> JobChanged:
        """Wait until the job has succeeded and return its end, with the summary."""
        end: JobNews | None = None
        async for news in self.stream(previews=False):
            end = news
        if not isinstance(end, JobChanged):
            raise AssertionError("stream() ends with the job's end or raises")
        return end

    async def cancel(self) -> None:
        """Cancel the job: at once if it waits, at its next step if it runs."""
        with self._server.listening() as inbox:
            request = self._server.client.cancel(self.id)
            while True:
                event = await next_event(inbox)
                raise_failure(event, request)
                if isinstance(event, JobChanged) and event.job == self.id:
                    return

    async def checkpoints(self) -> tuple[CheckpointLine, ...]:
        """Return the steps at which the job can be looked at and forked, in their order."""
        return (await self._server.ask(lambda client: client.checkpoints(self.id), Checkpoints)).checkpoints

    async def mesh(self, step: int) -> MeshData:
        """Return the mesh that the job had at a step; E_NOT_FOUND if that step has none."""
        return (await self._server.ask(lambda client: client.fetch_mesh(self.id, step), StepMesh)).mesh

    async def fork(
        self, changes: Mapping[str, Any] | None = None, *, step: int | None = None, key: str | None = None
    ) -> Job:
        """Submit a job that goes on from a checkpoint, and return it; the arguments are those of ``Client.fork``."""
        send = partial(Client.fork, job_id=self.id, changes=changes or {}, step=step, key=key)
        return Job(self._server, (await self._server.ask(send, Submitted)).job)

    async def save(self, path: str | Path, artifact: str = "asset") -> Path:
        """Download the result; one that was interrupted goes on where it stopped."""
        await self._server.ask(lambda client: client.fetch(self.id, Path(path), artifact, keep_part=True), Downloaded)
        return Path(path)


async def next_event(inbox: Inbox) -> ClientEvent:
    """Return what comes next.

    Raises:
        ProtocolError: if the connection is lost for good.
    """
    event = await inbox.get()
    if isinstance(event, ProtocolError):
        raise event
    return event


def connect(client_id: str | None = None, app: str = "script", timeout_s: float = 10.0) -> Server:
    """Return a connection that ``async with`` makes."""
    return Server(client_id, app, timeout_s)
