# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The clients' side of the server: messages are answered one by one, and go out as fast as each client reads."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import zmq

from limbeck.recipes import CARDS
from limbeck_protocol import FEATURES, MINOR, limits
from limbeck_protocol.envelope import CLIENT_MESSAGES, read_message, write_message, write_views
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame, Header, Packet, decode_packet, request_id_of
from limbeck_protocol.ids import is_token, new_ulid
from limbeck_protocol.messages import Bye, Failure, Hello, Welcome
from limbeck_protocol.typed import from_plain
from limbeck_server.access import LOCAL_USER, Principal, require_allowed
from limbeck_server.budget import Budget
from limbeck_server.older_clients import as_known
from limbeck_server.parts import Parts
from limbeck_server.push import push_news
from limbeck_server.quotas import owner_of
from limbeck_server.replies import Reply
from limbeck_server.requests import HANDLERS, REMEMBERED
from limbeck_server.sessions import Session
from limbeck_server.transport import Received, Sent, receive_from, send

log = logging.getLogger("limbeck.server")
MAX_MESSAGES_A_TURN = 256
REFUSAL_LINES_PER_S = 20.0
"""Whoever sends nothing but mistakes must not fill the log; what is not logged has no trace id."""
MAX_LATE_REFUSALS = 4096
"""Refusals that wait for peers without a session; of a flood the oldest are dropped."""
SECURITY_CODES = frozenset({"E_AUTH", "E_FORBIDDEN", "E_QUOTA"})


class Reception:
    """Answers clients. Whatever they send, they get a typed answer and the server goes on."""

    def __init__(self, parts: Parts, socket: zmq.Socket[bytes]) -> None:
        """Take the clients' bound socket."""
        self._parts = parts
        self._socket = socket
        self._is_keyed = socket.getsockopt(zmq.MECHANISM) == zmq.CURVE
        self._refusals = Budget(REFUSAL_LINES_PER_S)
        self._late: deque[tuple[bytes, Sequence[Frame]]] = deque(maxlen=MAX_LATE_REFUSALS)

    def answer_all(self, now: float) -> None:
        """Answer the messages that wait, up to a number that leaves time for other things."""
        for _ in range(MAX_MESSAGES_A_TURN):
            received = receive_from(self._socket)
            if received is None:
                return
            self._answer(received, now)
            session = self._parts.sessions.find(received.peer)
            if session is not None:
                self._flush(session)  # now: a pong must not wait for the chunks that another asked for

    def tell_all(self, now: float) -> bool:
        """Send what can be sent; say whether something is left that a client was too slow for."""
        self._parts.sessions.expire(now)
        if self._parts.access.refresh(now):
            self._drop_revoked()
        push_news(self._parts, now)
        self._send_late()
        for session in [session for session in self._parts.sessions if session.outbox]:
            self._flush(session)
        return bool(self._late) or any(session.outbox for session in self._parts.sessions)

    def say_bye(self, reason: str) -> None:
        """Tell every client that the server stops."""
        frames = write_message(Bye(reason), Header("", id=new_ulid()))
        for session in self._parts.sessions:
            send(self._socket, session.peer, frames)

    def _answer(self, received: Received, now: float) -> None:
        frames = received.frames
        try:
            self._take(received, self._principal_of(received.key), decode_packet(frames), now)
        except ProtocolError as error:
            self._note_refusal(received, error)
            self._refuse(received.peer, request_id_of(frames), error)
        except Exception as error:  # a bug in one request must not end the jobs of all
            trace_id = new_ulid()
            log.exception("request failed", extra={"trace_id": trace_id})
            what = f"the server failed: {type(error).__name__}"
            remedy = "report it with the line of the server's log that has this trace id"
            refusal = ProtocolError("E_INTERNAL", what, remedy, trace_id=trace_id)
            self._refuse(received.peer, request_id_of(frames), refusal)

    def _principal_of(self, key: str) -> Principal:
        if not self._is_keyed:
            return LOCAL_USER
        principal = self._parts.access.client(key)
        if principal is None:  # revoked since the handshake, which is the only time that libzmq asks
            raise ProtocolError("E_AUTH", "this key is not authorised any more", "ask whoever runs the server")
        return principal

    def _drop_revoked(self) -> None:
        for session in self._parts.sessions:
            try:
                principal = self._principal_of(session.key)
            except ProtocolError as error:
                self._parts.security.note("revoked key dropped", client=session.client)
                self._parts.sessions.drop(session.peer)
                self._refuse(session.peer, "", error)
            else:
                session.principal = principal

    def _note_refusal(self, received: Received, error: ProtocolError) -> None:
        """Log a refusal under the trace id that the client gets with it."""
        self._parts.counts["errors", error.code] += 1
        session = self._parts.sessions.find(received.peer)
        client = session.client if session is not None else ""
        if error.code in SECURITY_CODES:
            self._parts.security.note(f"refused {error.code}", client=client, key=received.key)
        if error.trace_id is None and self._refusals.take():
            error.trace_id = new_ulid()
            extra = {"trace_id": error.trace_id, "code": error.code, "field": error.field, "client": client}
            log.info("request refused", extra=extra)

    def _take(self, received: Received, principal: Principal, packet: Packet, now: float) -> None:
        if not is_token(packet.header.id):
            raise ProtocolError("E_SCHEMA", "expected an id of 1 to 128 letters, digits and . _ : -", field="id")
        message = read_message(packet, CLIENT_MESSAGES)
        if isinstance(message, Hello):
            self._welcome(received, principal, (packet, message), now)
            return
        session = self._parts.sessions.get(received.peer, received.key)
        session.heard_at = now
        self._serve(session, packet, message)

    def _welcome(self, received: Received, principal: Principal, request: tuple[Packet, Hello], now: float) -> None:
        packet, hello = request
        if not is_token(hello.client):
            raise ProtocolError("E_SCHEMA", "expected a client id of letters, digits and . _ : -", field="client")
        sessions = self._parts.sessions
        session = sessions.open(received.peer, hello.client, now, principal=principal, key=received.key)
        session.minor, session.features = hello.minor, frozenset(hello.features) & FEATURES
        log.info("client connected", extra={"client": session.client, "app": hello.app[:100], "minor": hello.minor})
        welcome = Welcome(
            self._parts.epoch,
            session.id,
            self._parts.version,
            minor=MINOR,
            features=tuple(sorted(session.features)),
            limits=LIMITS,
            ping_interval_s=limits.PING_INTERVAL_S,
            devices=("auto",),
            role=principal.role,
            recipes=tuple(CARDS),
        )
        self._post(session, packet, Reply(welcome))

    def _serve(self, session: Session, packet: Packet, message: Any) -> None:
        self._parts.counts["requests", packet.header.t] += 1
        request = (session.client, packet.header.t, packet.header.id)
        remembered = self._parts.sessions.remembered(request)
        if remembered is not None:
            session.post(remembered)
            return
        require_allowed(session.principal, message, owner_of(self._parts, message))
        reply = HANDLERS[type(message)](self._parts, session, message, packet)
        if reply is not None:
            frames = self._post(session, packet, reply)
            if isinstance(message, REMEMBERED):
                self._parts.sessions.remember(request, frames)

    def _post(self, session: Session, packet: Packet, reply: Reply) -> Sequence[Frame]:
        header = Header("", id=new_ulid(), re=packet.header.id, sid=session.id, ts=time.time())
        frames = write_views(as_known(reply.message, session.minor), header, reply.arrays)
        session.post(frames)
        return frames

    def _refuse(self, peer: bytes, request: str, error: ProtocolError) -> None:
        """Answer, with or without a session; what a stranger is too slow for waits among ``_late``."""
        header = Header("", id=new_ulid(), re=request or None, ts=time.time())
        quotable = {name: _quotable(value) for name, value in error.to_dict().items()}
        frames = write_message(from_plain(Failure, quotable), header)
        session = self._parts.sessions.find(peer)
        if session is not None:
            session.post(frames)
        elif send(self._socket, peer, frames) is Sent.FULL:
            self._late.append((peer, frames))

    def _send_late(self) -> None:
        for peer, frames in [self._late.popleft() for _ in range(len(self._late))]:
            if send(self._socket, peer, frames) is Sent.FULL:
                self._late.append((peer, frames))

    def _flush(self, session: Session) -> None:
        while session.outbox:
            sent = send(self._socket, session.peer, session.outbox[0])
            if sent is Sent.GONE:
                self._parts.sessions.drop(session.peer)
                return
            if sent is Sent.FULL:
                return
            session.take_sent()


def _quotable(value: Any) -> Any:
    """Return a value that can be sent: a refusal may quote what the peer sent, down to what UTF-8 cannot say."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


LIMITS = {
    name.lower(): getattr(limits, name)
    for name in (
        "MAX_HEADER_BYTES",
        "MAX_BUFFER_BYTES",
        "MAX_BUFFERS",
        "MAX_SPEC_BYTES",
        "MAX_BLOB_BYTES",
        "CHUNK_BYTES",
    )
}
"""What a client is told about this server's limits."""
