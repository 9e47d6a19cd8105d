# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""CURVE keys and who is let in. Over TCP, loopback too, everything is encrypted and both sides prove their keys."""

from __future__ import annotations

from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

ZAP_ADDRESS = "inproc://zeromq.zap.01"


@dataclass(frozen=True)
class KeyPair:
    """A CURVE key pair in Z85, 40 characters each."""

    public: str
    secret: str = field(repr=False)


def new_key_pair() -> KeyPair:
    """Return a fresh key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def secure_server_socket(socket: zmq.Socket[bytes], keys: KeyPair, domain: str) -> None:
    """Demand CURVE on a socket that will be bound; ``domain`` tells the gatekeeper which list of clients counts."""
    socket.curve_server = True
    socket.curve_secretkey = keys.secret.encode()
    socket.zap_domain = domain.encode()


class Gatekeeper:
    """Answers libzmq's question whether a client's key may enter (ZAP, RFC 27), from the server's own loop."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: dict[str, set[str]]) -> None:
        """Listen; ``allowed`` maps a domain to the public keys that may enter."""
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ZAP_ADDRESS)
        self._allowed = allowed

    def answer(self) -> None:
        """Answer every question that waits."""
        while self.socket.poll(0):
            version, request, domain, _address, _identity, mechanism, *credentials = self.socket.recv_multipart()
            key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" and len(credentials) == 1 else ""
            is_known = key in self._allowed.get(domain.decode(errors="replace"), set())
            verdict = [b"200", b"OK", key.encode()] if is_known else [b"400", b"unknown key", b""]
            self.socket.send_multipart([version, request, *verdict, b""])
