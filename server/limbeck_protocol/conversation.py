# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client's side of the protocol, without a socket: frames in, frames and events out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from limbeck_protocol import FEATURES, MAJOR, MINOR, PREVIEW_EDGES
from limbeck_protocol.downloads import Download
from limbeck_protocol.envelope import SERVER_MESSAGES, read_message
from limbeck_protocol.errors import ProtocolError, error_from_dict
from limbeck_protocol.events import (
    ClientEvent,
    Connected,
    Disconnected,
    JobProgress,
    RequestFailed,
    Submitted,
)
from limbeck_protocol.exchange import Exchange
from limbeck_protocol.frames import Frame, Packet, decode_packet
from limbeck_protocol.inquiries import Inquiries
from limbeck_protocol.job import JobSpec
from limbeck_protocol.limits import KEEP_SESSION_S, LIVENESS_S, PING_INTERVAL_S
from limbeck_protocol.mesh_download import MeshDownload
from limbeck_protocol.messages import (
    Bye,
    Hello,
    JobAccepted,
    JobCancel,
    JobSnapshot,
    Ping,
    Welcome,
)
from limbeck_protocol.uploads import Submission
from limbeck_protocol.watches import Watches, changed_job

ConnectionState = Literal["connecting", "ready", "reconnecting", "refused"]
PAUSE_S = 1.0
"""If the application did not pump for this long (a render), silence until then says nothing about the server."""


class Conversation(Inquiries):
    """The state of one client; ``Client`` moves its frames.

    Attributes:
        needs_socket: the connection is lost, or never stood: take a fresh socket and call ``begin``.
    """

    def __init__(self, app: str, client_id: str, *, wants_edges: bool = False) -> None:
        self.exchange = Exchange()
        self.state: ConnectionState = "connecting"
        self.refusal: ProtocolError | None = None
        self.server: Welcome | None = None
        self.needs_socket = False
        features = FEATURES if wants_edges else FEATURES - {PREVIEW_EDGES}
        self._hello = Hello(client_id, app, MINOR, tuple(sorted(features)))
        self._events: list[ClientEvent] = []
        self._watches = Watches(self.exchange, self._events.append)
        self._downloads: list[Download | MeshDownload] = []
        self._heard_at = self._pinged_at = self._pumped_at = 0.0

    def begin(self, now: float) -> None:
        """Say hello on a fresh socket."""
        self.exchange.now = self._heard_at = self._pinged_at = self._pumped_at = now
        self.needs_socket = False
        self.exchange.lose()
        self.exchange.tell(self._hello)

    def tick(self, now: float) -> None:
        """Let time pass: ping, repeat requests, notice that the server is silent."""
        if now - self._pumped_at > PAUSE_S:
            self._heard_at = now
        self._pumped_at = self.exchange.now = now
        self._downloads = [download for download in self._downloads if not download.is_ended]
        if self.state == "refused":
            return
        if now - self._heard_at > LIVENESS_S:
            self.lose("the server does not answer")
        elif self.state == "ready" and self._should_ping(now):
            self._pinged_at = now
            self.exchange.tell(Ping())
        self.exchange.send_again()
        self._watches.tick()

    def receive(self, frames: Sequence[Frame]) -> None:
        """Take one message; what cannot be read is dropped, but another major version ends the conversation."""
        self._heard_at = self.exchange.now
        try:
            packet = decode_packet(frames)
            message = read_message(packet, SERVER_MESSAGES)
        except ProtocolError as error:
            if error.code == "E_VERSION":
                self.refuse(error)
            return
        self._dispatch(packet, message)

    def take_events(self) -> list[ClientEvent]:
        """Return what has happened since the last call, with only the latest progress of each job."""
        events, latest = list(self._events), {}
        self._events.clear()
        for index, event in enumerate(events):
            if isinstance(event, JobProgress):
                latest[event.job] = index
        return [e for i, e in enumerate(events) if not isinstance(e, JobProgress) or latest[e.job] == i]

    def put_back(self, events: Sequence[ClientEvent]) -> None:
        """Let ``take_events`` return these first."""
        self._events[:0] = events

    def lose(self, reason: str) -> None:
        """Give up the connection; watches, downloads and unanswered requests wait for the next one."""
        if self.state == "ready":
            self.state = "reconnecting"
            self._events.append(Disconnected(reason))
        self.exchange.lose()
        self.needs_socket = True

    def refuse(self, error: ProtocolError) -> None:
        """End the conversation for good, because this client and this server cannot talk."""
        if self.state != "refused":
            self.state, self.refusal = "refused", error
            self.exchange.lose()
            self._events.append(Disconnected(str(error), is_final=True))

    def submit(self, job: JobSpec, key: str | None, priority: int | None = None) -> str:
        """Begin to submit a job and return the request's id."""
        return Submission(self.exchange, self._events.append, job, key, priority).request

    def cancel(self, job: str, attempt: int | None = None) -> str:
        """Ask for a job to be cancelled, or one attempt at it."""
        return self.change(JobCancel(job, attempt))

    def change(self, question: object) -> str:
        """Ask for an existing job to be changed; the answer is the job."""
        return self.ask(question, lambda _request, answer, _packet: changed_job(answer), JobSnapshot)

    def descend(self, question: object) -> str:
        """Ask for a job made from another; the answer is a new job."""
        return self.ask(question, lambda request, answer, _packet: Submitted(request, answer.job), JobAccepted)

    def ask(self, question: object, event: Callable[[str, Any, Packet], ClientEvent], expected: type) -> str:
        """Ask a question whose answer is one message, and return the request's id: see ``Inquiries``."""
        request = ""

        def answer(message: Any, packet: Packet) -> None:
            if isinstance(message, expected):
                self._events.append(event(request, message, packet))
            else:
                fail(ProtocolError("E_DECODE", f"expected an answer of type {expected.__name__}, got another"))

        def fail(error: ProtocolError) -> None:
            self._events.append(RequestFailed(request, error))

        request = self.exchange.ask(question, answer, fail)
        return request

    def watch(self, job: str, *, previews: bool) -> str:
        """Follow a job."""
        return self._watches.add(job, previews=previews)

    def limit_previews(self, interval_s: float) -> None:
        """Set the least time between two previews of a job."""
        self._watches.preview_interval_s = interval_s

    def unwatch(self, job: str) -> str:
        """Stop following a job."""
        return self._watches.end(job)

    def fetch(self, job: str, path: Path, artifact: str, *, keep_part: bool = False) -> str:
        """Begin to download an artifact and return the request's id."""
        download = Download(self.exchange, self._events.append, (job, artifact), path, keep_part=keep_part)
        self._downloads.append(download)
        return download.request

    def fetch_mesh(self, job_id: str, step: int) -> str:
        """Begin to download the mesh that a job had at a step and return the request's id."""
        download = MeshDownload(self.exchange, self._events.append, job_id, step)
        self._downloads.append(download)
        return download.request

    def close(self) -> None:
        """Leave no half-written file behind, and tell the server if it listens."""
        for download in self._downloads:
            download.stop()
        if self.state == "ready":
            self.exchange.tell(Bye())

    def _should_ping(self, now: float) -> bool:
        has_silence = now - max(self._heard_at, self._pinged_at) >= PING_INTERVAL_S
        return has_silence or now - self._pinged_at >= KEEP_SESSION_S

    def _dispatch(self, packet: Packet, message: Any) -> None:
        if isinstance(message, Welcome):
            self._open(message)
        elif isinstance(message, Bye):
            self.lose(message.reason or "the server stopped")
        elif packet.header.t == "error" and self._is_about_session(packet):
            return
        elif not self.exchange.take_answer(packet, message):
            self._watches.receive(packet, message)

    def _open(self, welcome: Welcome) -> None:
        self.state, self.server = "ready", welcome
        self._events.append(Connected(welcome))
        self._watches.resume()
        self.exchange.open()

    def _is_about_session(self, packet: Packet) -> bool:
        error = error_from_dict(packet.header.body)
        if error.code == "E_NO_SESSION":  # the server was restarted, or forgot us while the application was busy
            if self.state == "ready":
                self.state = "reconnecting"
                self._events.append(Disconnected("the session ended; opening another"))
                self.begin(self.exchange.now)
            return True
        if error.code in ("E_VERSION", "E_AUTH"):
            versions = f" (this side speaks version {MAJOR})" if error.code == "E_VERSION" else ""
            self.refuse(ProtocolError(error.code, error.message + versions, error.remedy))
            return True
        return False
