# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client that never blocks and starts no thread: call ``pump`` from a timer or a loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from limbeck_protocol import job_messages as j
from limbeck_protocol.absent import unknown_key
from limbeck_protocol.connection import Endpoint, is_alive
from limbeck_protocol.conversation import ConnectionState, Conversation
from limbeck_protocol.dealer import Dealer
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import (
    Busyness,
    Checkpoints,
    ClientEvent,
    Connected,
    Disconnected,
    Downloaded,
    Estimate,
    JobChanged,
    JobProgress,
    JobWarning,
    LogText,
    PreviewMesh,
    RequestFailed,
    Status,
    StepMesh,
    Submitted,
)
from limbeck_protocol.frames import Packet
from limbeck_protocol.ids import is_token, new_ulid
from limbeck_protocol.inquiries import Inquiries
from limbeck_protocol.job import JobSpec
from limbeck_protocol.messages import Welcome
from limbeck_protocol.reach import Reach

__all__ = [
    "Busyness", "Checkpoints", "Client", "ClientEvent", "Connected", "ConnectionState", "Disconnected",
    "Downloaded", "Estimate", "JobChanged", "JobProgress", "JobWarning", "LogText", "PreviewMesh", "RequestFailed",
    "Status", "StepMesh", "Submitted",
]  # fmt: skip

FIND_AGAIN_S = 0.2
"""How often a client without a session looks where the server is now, and takes a fresh socket if it was cut off."""
GOODBYE_MS = 50
"""How long closing may take to say goodbye to a server that listens; it takes a fraction of a millisecond."""


class Client(Inquiries):
    """A session with a server that survives the server's restarts and the application's pauses.

    Every request method returns at once with the request's id; what comes of it is among the events of a later
    ``pump``. A request made before the connection stands is sent when it does.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        app: str,
        client_id: str,
        find_endpoint: Callable[[], Endpoint | None] | None = None,
        wants_edges: bool = False,
    ) -> None:
        """Begin to connect.

        Args:
            endpoint: where the server is, from ``discover()``.
            app: name and version of the application, for the server's log.
            client_id: stable for one installation of the application; 1 to 128 of A-Z a-z 0-9 . _ : -
            find_endpoint: asked for the endpoint again when the connection is lost, such as ``discover``.
            wants_edges: whether previews should bring ``edges`` and ``corner_edges`` when their topology is new.

        Raises:
            ValueError: if the client id has another form.
            ProtocolError: E_CONNECTION_FILE if the endpoint's address or keys are damaged.
        """
        if not is_token(client_id):
            raise ValueError(f"expected a client id of 1 to 128 letters, digits and . _ : -, got {client_id!r}")
        self._endpoint = endpoint
        self._find_endpoint = find_endpoint
        self._conversation = Conversation(app, client_id, wants_edges=wants_edges)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer: Dealer | None = None
        self._find_at = 0.0
        self._reach: Reach = "unknown"
        try:
            self._connect()
        except ProtocolError:
            self._context.destroy(linger=0)
            raise

    @property
    def state(self) -> ConnectionState:
        """What the connection is doing; refused is final, see ``refusal``."""
        return self._conversation.state

    @property
    def refusal(self) -> ProtocolError | None:
        """Why the server refuses this client (E_VERSION, E_AUTH), or None."""
        return self._conversation.refusal

    @property
    def server(self) -> Welcome | None:
        """The server's welcome, once it has answered."""
        return self._conversation.server

    @property
    def endpoint(self) -> Endpoint:
        """Where the client looks for the server now."""
        return self._endpoint

    @property
    def reach(self) -> Reach:
        """How far the connection has come where the server does not answer; of use while ``state`` is not ready."""
        return self._reach

    @property
    def is_quiet(self) -> bool:
        """Whether a ``pump`` would find nothing to read; a tenth of its cost, for applications with nothing to do.

        Pump at least once a second all the same: time passes only there.
        """
        return self._dealer is not None and self.state == "ready" and not self._dealer.has_messages

    def pump(self, budget_s: float = 0.004) -> list[ClientEvent]:
        """Send, receive and decode for about ``budget_s`` and return what happened; the only method that does work."""
        if self._dealer is None or self._conversation.state == "refused":
            return self._conversation.take_events()
        deadline = time.perf_counter() + budget_s
        self._conversation.tick(time.monotonic())
        self._watch_connection(self._dealer, time.monotonic())
        if self._conversation.needs_socket:
            self._reconnect()
        self._send()
        while time.perf_counter() < deadline and self.state != "refused" and (frames := self._receive()):
            self._conversation.receive(frames)
            self._send()
        return self._conversation.take_events()

    def put_back(self, events: Sequence[ClientEvent]) -> None:
        """Give back events that the caller has not looked at; the next ``pump`` returns them first."""
        self._conversation.put_back(events)

    def submit(self, job: JobSpec, key: str | None = None, priority: int | None = None) -> str:
        """Submit a job, after uploading the blobs that it holds. Leads to Submitted or RequestFailed.

        Args:
            job: its blobs must hold their data.
            key: the same key submits the same job once, however often it is sent; None takes the request's id.
            priority: jobs of higher priority go first.

        Raises:
            JobError: if the description is too large or a blob's content is not at hand.
        """
        return self._conversation.submit(job, key, priority)

    def cancel(self, job_id: str, attempt: int | None = None) -> str:
        """Cancel a job, or only one attempt at it. Leads to JobChanged, later with cancelled if it is watched."""
        return self._conversation.cancel(job_id, attempt)

    def pause(self, job_id: str) -> str:
        """Let a job write a checkpoint and free its device. Leads to JobChanged, later with paused if watched."""
        return self._conversation.change(j.JobPause(job_id))

    def resume(self, job_id: str) -> str:
        """Put a paused job back in the queue. Leads to JobChanged."""
        return self._conversation.change(j.JobResume(job_id))

    def finish(self, job_id: str) -> str:
        """Stop a job's optimisation and make its asset of what there is. Leads to JobChanged."""
        return self._conversation.change(j.JobFinish(job_id))

    def move(self, job_id: str, *, priority: int | None = None, to: str = "") -> str:
        """Give a waiting job another priority, or the ``first`` or ``last`` place of its own. Leads to JobChanged."""
        return self._conversation.change(j.JobMove(job_id, priority, to))

    def retry(self, job_id: str, key: str | None = None, *, from_start: bool = False) -> str:
        """Submit a failed or cancelled job again, from its newest checkpoint if it has one. Leads to Submitted."""
        return self._conversation.descend(j.JobRetry(job_id, key or new_ulid(), from_start))

    def fork(self, job_id: str, changes: Mapping[str, Any], *, step: int | None = None, key: str | None = None) -> str:
        """Submit a job that goes on from another's checkpoint, with other settings. Leads to Submitted.

        Args:
            job_id: the other job.
            changes: fields of the job description as JSON values; ``overrides`` are added to those that there are.
            step: of the checkpoint; None is the newest.
            key: as for ``submit``.
        """
        return self._conversation.descend(j.JobFork(job_id, key or new_ulid(), step, dict(changes)))

    def watch(self, job_id: str, previews: bool = True) -> str:
        """Follow a job until it ends. Leads to JobChanged, then JobProgress, JobWarning, PreviewMesh, JobChanged."""
        return self._conversation.watch(job_id, previews=previews)

    def limit_previews(self, rate_hz: float) -> None:
        """Have at most so many previews of each watched job a second; the newest each time. 0 is no limit."""
        self._conversation.limit_previews(1.0 / rate_hz if rate_hz > 0 else 0.0)

    def unwatch(self, job_id: str) -> str:
        """Stop following a job; the job goes on."""
        return self._conversation.unwatch(job_id)

    def fetch(self, job_id: str, path: Path, artifact: str = "asset", *, keep_part: bool = False) -> str:
        """Download a job's result to ``path``, in place once it is complete. Leads to Downloaded or RequestFailed.

        With ``keep_part`` an interrupted download leaves its part beside ``path``, and the next one goes on from there.
        """
        return self._conversation.fetch(job_id, Path(path), artifact, keep_part=keep_part)

    def fetch_mesh(self, job_id: str, step: int) -> str:
        """Download the mesh that a job had at a step, into memory. Leads to StepMesh or RequestFailed."""
        return self._conversation.fetch_mesh(job_id, step)

    def ask(self, question: object, event: Callable[[str, Any, Packet], ClientEvent], expected: type) -> str:
        """Ask any other question: see ``Inquiries``, which has a method for each."""
        return self._conversation.ask(question, event, expected)

    def close(self) -> None:
        """Leave without waiting for anything; jobs go on. The client cannot be used any more."""
        self._conversation.close()
        self._send()
        self._disconnect(linger_ms=GOODBYE_MS if self.state == "ready" else 0)
        self._context.destroy()

    def _connect(self) -> None:
        self._dealer = Dealer(self._context, self._endpoint)
        now = time.monotonic()
        self._find_at = now + FIND_AGAIN_S
        self._conversation.begin(now)

    def _disconnect(self, linger_ms: int = 0) -> None:
        if self._dealer is not None:
            self._dealer.close(linger_ms)
        self._dealer = None

    def _reconnect(self) -> None:
        self._endpoint = self._find_again() or self._endpoint
        self._disconnect()
        try:
            self._connect()
        except ProtocolError as error:
            self._conversation.refuse(error)

    def _find_again(self) -> Endpoint | None:
        try:
            return self._find_endpoint() if self._find_endpoint is not None else None
        except ProtocolError:  # a connection file that cannot be trusted; the known endpoint may still come back
            return None

    def _watch_connection(self, dealer: Dealer, now: float) -> None:
        """Notice at once that the server has gone, and soon that it is back, perhaps elsewhere and with other keys."""
        dealer.look()
        if dealer.reach != "unknown":  # a fresh socket knows nothing: keep the last
            self._reach = dealer.reach
        if dealer.was_refused:
            self._take_refusal(dealer)
        elif self.state == "ready":
            if dealer.was_cut:
                self._take_last_words()
                self._conversation.lose("the connection was cut off")
        elif now >= self._find_at:
            self._find_at = now + FIND_AGAIN_S
            found = self._find_again()
            self._conversation.needs_socket |= dealer.was_cut or (found is not None and found != self._endpoint)

    def _take_refusal(self, dealer: Dealer) -> None:
        found = self._find_again()
        if found is not None and found != self._endpoint:  # the server was restarted with other keys
            self._conversation.needs_socket = True
        elif self._endpoint.pid and not is_alive(self._endpoint):  # it is being restarted, and has yet to say its keys
            dealer.was_refused, dealer.was_cut = False, True
        else:
            self._conversation.refuse(unknown_key(self._endpoint))

    def _take_last_words(self) -> None:
        while self.state == "ready" and (frames := self._receive()):
            self._conversation.receive(frames)

    def _receive(self) -> list[bytes] | None:
        return self._dealer.receive() if self._dealer is not None else None

    def _send(self) -> None:
        outbox = self._conversation.exchange.outbox
        while outbox and self._dealer is not None and self._dealer.send(outbox[0]):
            outbox.popleft()
