# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client that never blocks and starts no thread: call ``pump`` from a timer or a loop.

The only file here that needs pyzmq.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from limbeck_protocol import job_messages as j
from limbeck_protocol.connection import Endpoint
from limbeck_protocol.conversation import ConnectionState, Conversation
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
from limbeck_protocol.limits import MAX_FRAMES, MAX_MESSAGE_FRAME_BYTES
from limbeck_protocol.messages import Welcome

__all__ = [
    "Busyness", "Checkpoints", "Client", "ClientEvent", "Connected", "ConnectionState", "Disconnected",
    "Downloaded", "Estimate", "JobChanged", "JobProgress", "JobWarning", "LogText", "PreviewMesh", "RequestFailed",
    "Status", "StepMesh", "Submitted",
]  # fmt: skip

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
        self._context = zmq.Context()
        self._socket = self._monitor = None
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

    def pump(self, budget_s: float = 0.004) -> list[ClientEvent]:
        """Send, receive and decode for about ``budget_s`` and return what happened; the only method that does work."""
        if self._socket is None or self._conversation.state == "refused":
            return self._conversation.take_events()
        deadline = time.perf_counter() + budget_s
        self._conversation.tick(time.monotonic())
        self._watch_handshake()
        if self._conversation.needs_socket:
            self._reconnect()
        self._send()
        while time.perf_counter() < deadline and (frames := self._receive()):
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
        self._socket = socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 32)
        socket.setsockopt(zmq.RCVHWM, 32)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_FRAME_BYTES)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 400)  # a server that was restarted is found within half a second
        socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
        try:
            if self._endpoint.server_key is not None:
                self._use_curve(socket)
            socket.connect(self._endpoint.address)
        except (zmq.ZMQError, ValueError) as error:
            self._disconnect()
            message = f"the server's address or keys are damaged: {error}"
            raise ProtocolError("E_CONNECTION_FILE", message, "restart the server: limbeck serve") from error
        self._conversation.begin(time.monotonic())

    def _use_curve(self, socket: zmq.Socket[bytes]) -> None:
        socket.curve_serverkey = (self._endpoint.server_key or "").encode()
        socket.curve_publickey = (self._endpoint.client_public or "").encode()
        socket.curve_secretkey = (self._endpoint.client_secret or "").encode()
        self._monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)

    def _disconnect(self, linger_ms: int = 0) -> None:
        if self._socket is not None:
            if self._monitor is not None:
                self._socket.disable_monitor()
                self._monitor.close(linger=0)
            self._socket.close(linger=linger_ms)
        self._socket = self._monitor = None

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

    def _watch_handshake(self) -> None:
        if self._monitor is None or not self._monitor.poll(0):
            return
        recv_monitor_message(self._monitor, zmq.NOBLOCK)
        found = self._find_again()
        if found is not None and found != self._endpoint:  # the server was restarted with other keys
            self._conversation.needs_socket = True
        else:
            remedy = "use the keys of the running server: limbeck doctor shows its connection file"
            self._conversation.refuse(ProtocolError("E_AUTH", "the server does not accept this client's key", remedy))

    def _send(self) -> None:
        outbox = self._conversation.exchange.outbox
        while outbox and self._socket is not None:
            try:
                # copy=True, because pyzmq starts a thread for copy=False, which Blender forbids
                self._socket.send_multipart(outbox[0], zmq.NOBLOCK, copy=True)
            except zmq.Again:
                return
            outbox.popleft()

    def _receive(self) -> list[bytes] | None:
        if self._socket is None:
            return None
        try:
            frames = [self._socket.recv(zmq.NOBLOCK)]
        except zmq.Again:
            return None
        while self._socket.getsockopt(zmq.RCVMORE):
            part = self._socket.recv(zmq.NOBLOCK)
            if len(frames) <= MAX_FRAMES:  # the rest of an endless message is read and dropped
                frames.append(part)
        return frames
