# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The clients' side of the server: messages are answered one by one, and go out as fast as each client reads."""

from __future__ import annotations

import logging
import time
from typing import Any

import zmq

from limbeck.recipes import CARDS
from limbeck_protocol import MINOR, limits
from limbeck_protocol.envelope import CLIENT_MESSAGES, read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, Packet, decode_packet, request_id_of
from limbeck_protocol.ids import is_token, new_ulid
from limbeck_protocol.messages import Bye, Failure, Hello, Welcome
from limbeck_protocol.typed import from_plain
from limbeck_server.older_clients import as_known
from limbeck_server.parts import Parts
from limbeck_server.push import push_news
from limbeck_server.replies import Reply
from limbeck_server.requests import HANDLERS, REMEMBERED
from limbeck_server.sessions import Session
from limbeck_server.transport import Sent, receive, send

log = logging.getLogger("limbeck.server")
MAX_MESSAGES_A_TURN = 256


class Reception:
    """Answers clients. Whatever they send, they get a typed answer and the server goes on."""

    def __init__(self, parts: Parts, socket: zmq.Socket[bytes]) -> None:
        """Take the clients' bound socket."""
        self._parts = parts
        self._socket = socket

    def answer_all(self, now: float) -> None:
        """Answer the messages that wait, up to a number that leaves time for other things."""
        for _ in range(MAX_MESSAGES_A_TURN):
            received = receive(self._socket)
            if received is None:
                return
            self._answer(*received, now)

    def tell_all(self, now: float) -> bool:
        """Send what can be sent; say whether something is left that a client was too slow for."""
        self._parts.sessions.expire(now)
        push_news(self._parts, now)
        for session in self._parts.sessions:
            self._flush(session)
        return any(session.outbox for session in self._parts.sessions)

    def say_bye(self, reason: str) -> None:
        """Tell every client that the server stops."""
        frames = write_message(Bye(reason), Header("", id=new_ulid()))
        for session in self._parts.sessions:
            send(self._socket, session.peer, frames)

    def _answer(self, peer: bytes, frames: list[bytes], now: float) -> None:
        try:
            self._take(peer, decode_packet(frames), now)
        except ProtocolError as error:
            self._refuse(peer, request_id_of(frames), error)
        except Exception as error:  # a bug in one request must not end the jobs of all
            trace_id = new_ulid()
            log.exception("request failed", extra={"trace_id": trace_id})
            what = f"the server failed: {type(error).__name__}"
            remedy = "report it with the line of the server's log that has this trace id"
            self._refuse(peer, request_id_of(frames), ProtocolError("E_INTERNAL", what, remedy, trace_id=trace_id))

    def _take(self, peer: bytes, packet: Packet, now: float) -> None:
        if not is_token(packet.header.id):
            raise ProtocolError("E_SCHEMA", "expected an id of 1 to 128 letters, digits and . _ : -", field="id")
        message = read_message(packet, CLIENT_MESSAGES)
        if isinstance(message, Hello):
            self._welcome(peer, packet, message, now)
            return
        session = self._parts.sessions.get(peer)
        session.heard_at = now
        self._serve(session, packet, message)

    def _welcome(self, peer: bytes, packet: Packet, hello: Hello, now: float) -> None:
        if not is_token(hello.client):
            raise ProtocolError("E_SCHEMA", "expected a client id of letters, digits and . _ : -", field="client")
        session = self._parts.sessions.open(peer, hello.client, now, hello.minor)
        log.info("client connected", extra={"client": hello.client, "app": hello.app[:100], "minor": hello.minor})
        welcome = Welcome(
            self._parts.epoch,
            session.id,
            self._parts.version,
            minor=MINOR,
            limits=LIMITS,
            ping_interval_s=limits.PING_INTERVAL_S,
            devices=("auto",),
            recipes=tuple(CARDS),
        )
        self._post(session, packet, Reply(welcome))

    def _serve(self, session: Session, packet: Packet, message: Any) -> None:
        request = (session.client, packet.header.t, packet.header.id)
        remembered = self._parts.sessions.remembered(request)
        if remembered is not None:
            session.post(remembered)
            return
        reply = HANDLERS[type(message)](self._parts, session, message, packet)
        if reply is not None:
            frames = self._post(session, packet, reply)
            if isinstance(message, REMEMBERED):
                self._parts.sessions.remember(request, frames)

    def _post(self, session: Session, packet: Packet, reply: Reply) -> list[bytes]:
        header = Header("", id=new_ulid(), re=packet.header.id, sid=session.id, ts=time.time())
        frames = write_message(as_known(reply.message, session.minor), header, reply.arrays)
        session.post(frames)
        return frames

    def _refuse(self, peer: bytes, request: str, error: ProtocolError) -> None:
        """Answer at once, without a session: there may be none."""
        header = Header("", id=new_ulid(), re=request or None, ts=time.time())
        quotable = {name: _quotable(value) for name, value in error.to_dict().items()}
        send(self._socket, peer, write_message(from_plain(Failure, quotable), header))

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
