# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server's sockets: where they may listen, and how whole messages go in and out without blocking."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import zmq

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import MAX_FRAMES, MAX_MESSAGE_FRAME_BYTES
from limbeck_server.files import make_private_folder
from limbeck_server.keys import KeyPair, secure_server_socket


class Sent(enum.Enum):
    """What became of a message."""

    SENT = "sent"
    FULL = "the peer does not keep up"
    GONE = "the peer is gone"


def _has_port(parts: SplitResult) -> bool:
    """Read the port, which raises ValueError beyond 65535; libzmq would take it modulo 65536. ``*`` is any free one."""
    return parts.netloc.endswith(":*") or parts.port is not None


def check_address(address: str) -> None:
    """Refuse to listen where other people could connect.

    Raises:
        ProtocolError: E_INSECURE_BIND, or E_ADDRESS if it is not an address at all.
    """
    if address.startswith("ipc://") and len(address) > len("ipc://"):
        make_private_folder(Path(address.removeprefix("ipc://")).parent)
        return
    try:
        parts = urlsplit(address)
        host, is_tcp = parts.hostname or "", parts.scheme == "tcp" and _has_port(parts)
    except ValueError:
        host, is_tcp = "", False
    if not is_tcp or not host:
        remedy = "use tcp://127.0.0.1:7711 or ipc:///folder/name"
        raise ProtocolError("E_ADDRESS", f"expected an address to listen on, got {address!r}", remedy)
    if not _is_loopback(host):
        message = f"expected a loopback address, got {host!r}, which other machines could reach"
        remedy = "bind tcp://127.0.0.1:PORT and reach it through an SSH tunnel; keys for remote clients come later"
        raise ProtocolError("E_INSECURE_BIND", message, remedy)


def bind_router(
    context: zmq.Context[zmq.Socket[bytes]], address: str, keys: KeyPair, domain: str, *, has_heartbeat: bool
) -> tuple[zmq.Socket[bytes], str]:
    """Return a bound ROUTER and the address that it got; over TCP it demands CURVE, with a heartbeat it drops the dead.

    Raises:
        ProtocolError: E_ADDRESS if the address cannot be bound.
    """
    check_address(address)
    socket = context.socket(zmq.ROUTER)
    options = {
        zmq.LINGER: 0,
        zmq.ROUTER_MANDATORY: 1,
        zmq.SNDHWM: 16,
        zmq.RCVHWM: 16,
        zmq.MAXMSGSIZE: MAX_MESSAGE_FRAME_BYTES,
        zmq.HANDSHAKE_IVL: 5000,
        zmq.BACKLOG: 128,
    }
    if has_heartbeat:
        options |= {zmq.HEARTBEAT_IVL: 5000, zmq.HEARTBEAT_TIMEOUT: 15000}
    for option, value in options.items():
        socket.setsockopt(option, value)
    if address.startswith("tcp:"):
        secure_server_socket(socket, keys, domain)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        socket.close()
        message = f"{address} cannot be bound: {error.strerror}"
        raise ProtocolError("E_ADDRESS", message, "choose another address or port with --bind") from error
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


def receive(socket: zmq.Socket[bytes]) -> tuple[bytes, list[bytes]] | None:
    """Return (peer, frames) of a message that waits, or None; of an endless message only the start is kept."""
    parts = receive_parts(socket)
    return (parts[0], parts[1:]) if parts else None


def receive_parts(socket: zmq.Socket[bytes]) -> list[bytes]:
    """Return the parts of a message that waits, or nothing; parts far beyond the wire's limit are read and dropped."""
    try:
        parts = [socket.recv(zmq.NOBLOCK)]
    except zmq.Again:
        return []
    while socket.getsockopt(zmq.RCVMORE):
        part = socket.recv(zmq.NOBLOCK)
        if len(parts) <= MAX_FRAMES + 1:
            parts.append(part)
    return parts


def send(socket: zmq.Socket[bytes], peer: bytes, frames: Sequence[bytes]) -> Sent:
    """Send a message if the peer is there and keeps up."""
    try:
        socket.send_multipart([peer, *frames], zmq.NOBLOCK)
    except zmq.Again:
        return Sent.FULL
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:
            return Sent.GONE
        raise
    return Sent.SENT


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
