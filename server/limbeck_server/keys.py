# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""CURVE on sockets, and who is let in: over TCP, loopback too, both sides prove their keys and all is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import zmq
from zmq.utils import z85

from limbeck_protocol.dealer import monitored_event
from limbeck_server.access import Principal
from limbeck_server.key_files import KeyPair, new_key_pair
from limbeck_server.security_log import SecurityLog

__all__ = ["Gatekeeper", "HandshakeWatch", "KeyPair", "new_key_pair", "secure_server_socket"]

ZAP_ADDRESS = "inproc://zeromq.zap.01"
FAILURES = {
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): "a handshake that stopped half-way",
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): "a handshake of another kind, or with another server's key",
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): "a key that is not authorised",
}
MAX_EVENTS_A_TURN = 2000

Lookup = Callable[[str], Principal | None]
"""From a public key to its owner, or None if it may not enter."""


def secure_server_socket(socket: zmq.Socket[bytes], keys: KeyPair, domain: str) -> None:
    """Demand CURVE on a socket that will be bound; ``domain`` tells the gatekeeper which list of clients counts."""
    socket.curve_server = True
    socket.curve_secretkey = keys.secret.encode()
    socket.zap_domain = domain.encode()


class Gatekeeper:
    """Answers libzmq's question whether a client's key may enter (ZAP, RFC 27), from the server's own loop.

    The key comes back with every message of that client as its User-Id.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], doors: Mapping[str, Lookup], security: SecurityLog
    ) -> None:
        """Listen; ``doors`` maps a socket's domain to whom it lets in."""
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ZAP_ADDRESS)
        self._doors = doors
        self._security = security

    def answer(self) -> None:
        """Answer every question that waits."""
        while self.socket.poll(0):
            version, request, domain, address, _identity, mechanism, *credentials = self.socket.recv_multipart()
            key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and len(credentials) == 1 else ""
            door = self._doors.get(domain.decode(errors="replace"))
            is_known = door is not None and door(key) is not None
            verdict = [b"200", b"OK", key.encode()] if is_known else [b"400", b"unknown key", b""]
            if not is_known:
                who = {"address": address.decode(errors="replace"), "key": key, "door": domain.decode(errors="replace")}
                self._security.note("key refused", **who)
            self.socket.send_multipart([version, request, *verdict, b""])


class HandshakeWatch:
    """Notes the handshakes that fail on a bound socket: plain clients, wrong server keys, garbage, half-open ones."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], bound: zmq.Socket[bytes], security: SecurityLog
    ) -> None:
        """Begin to listen."""
        address = f"inproc://limbeck.handshakes.{id(self)}"
        bound.monitor(address, sum(FAILURES))
        self.socket = context.socket(zmq.PAIR)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)  # with a limit, libzmq's own thread would wait for us
        self.socket.connect(address)
        self._security = security

    def note_failures(self) -> None:
        """Write what has failed to the log."""
        for _ in range(MAX_EVENTS_A_TURN):
            try:
                event = monitored_event(self.socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            self._security.note("handshake failed", reason=FAILURES.get(event, "unknown"))
