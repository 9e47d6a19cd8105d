# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server's sockets: where they may listen, and how whole messages go in and out without blocking."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import zmq

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame
from limbeck_protocol.limits import MAX_FRAMES, MAX_HEADER_BYTES, MAX_MESSAGE_FRAME_BYTES
from limbeck_server.keys import KeyPair, secure_server_socket
from limbeck_server.socket_files import check_socket_path, require_unused


class Sent(enum.Enum):
    """What became of a message."""

    SENT = "sent"
    FULL = "the peer does not keep up"
    GONE = "the peer is gone"


def _has_port(parts: SplitResult) -> bool:
    """Read the port, which raises ValueError beyond 65535; libzmq would take it modulo 65536. ``*`` is any free one."""
    return parts.netloc.endswith(":*") or parts.port is not None


def check_address(address: str, *, has_keys: bool = False, role: str = "submit") -> None:
    """Refuse to listen where other people could connect, unless keys say who may.

    Raises:
        ProtocolError: E_INSECURE_BIND, or E_ADDRESS if it is not an address at all.
    """
    if address.startswith("ipc://"):
        check_socket_path(Path(address.removeprefix("ipc://")))
        return
    try:
        parts = urlsplit(address)
        host, is_tcp = parts.hostname or "", parts.scheme == "tcp" and _has_port(parts)
    except ValueError:
        host, is_tcp = "", False
    if not is_tcp or not host:
        remedy = "use tcp://127.0.0.1:7711 or ipc:///folder/name"
        raise ProtocolError("E_ADDRESS", f"expected an address to listen on, got {address!r}", remedy)
    if not has_keys and not is_loopback(host):
        message = f"expected authorised keys for {host!r}, which other machines can reach, got none"
        what = "a client" if role == "submit" else f"a {role}"
        remedy = f"let {what} in first: limbeck keys new NAME --authorize {role}; or bind tcp://127.0.0.1:PORT"
        raise ProtocolError("E_INSECURE_BIND", message, remedy)


def bind_router(
    context: zmq.Context[zmq.Socket[bytes]],
    address: str,
    keys: KeyPair,
    domain: str,
    *,
    has_heartbeat: bool,
    has_keys: bool = False,
) -> tuple[zmq.Socket[bytes], str]:
    """Return a bound ROUTER and the address that it got; over TCP it demands CURVE, with a heartbeat it drops the dead.

    Raises:
        ProtocolError: E_ADDRESS if the address cannot be bound, E_INSECURE_BIND if others reach it and ``has_keys`` is
            not set, E_INSECURE_FOLDER.
    """
    check_address(address, has_keys=has_keys)
    if address.startswith("ipc://"):
        require_unused(Path(address.removeprefix("ipc://")))
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


@dataclass(frozen=True)
class Received:
    """A message; ``key`` is the public key that its sender has proved, empty where there is no CURVE."""

    peer: bytes
    key: str
    frames: list[Frame]


def receive_from(socket: zmq.Socket[bytes]) -> Received | None:
    """Return a message that waits, or None; of an endless message only the start is kept."""
    try:
        peer = socket.recv(zmq.NOBLOCK, copy=False)  # a frame, because only frames tell whose they are
    except zmq.Again:
        return None
    return Received(peer.bytes, _key_of(peer), _rest(socket, []))


def _key_of(frame: zmq.Frame) -> str:
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return ""


def receive(socket: zmq.Socket[bytes]) -> tuple[bytes, list[Frame]] | None:
    """Return (peer, frames) of a message that waits, or None; of an endless message only the start is kept."""
    parts = receive_parts(socket)
    return (bytes(parts[0]), parts[1:]) if parts else None


def receive_parts(socket: zmq.Socket[bytes]) -> list[Frame]:
    """Return the parts of a message that waits, or nothing; parts far beyond the wire's limit are read and dropped."""
    try:
        return _rest(socket, [socket.recv(zmq.NOBLOCK)])
    except zmq.Again:
        return []


def _rest(socket: zmq.Socket[bytes], parts: list[Frame]) -> list[Frame]:
    while socket.getsockopt(zmq.RCVMORE):
        part = socket.recv(zmq.NOBLOCK, copy=False)
        if len(parts) <= MAX_FRAMES + 1:
            parts.append(part.bytes if len(part) <= MAX_HEADER_BYTES else part.buffer)  # meshes are copied once, later
    return parts


def send(socket: zmq.Socket[bytes], peer: bytes, frames: Sequence[Frame]) -> Sent:
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


def client_side(address: str) -> str:
    """Return the address by which a client on this machine reaches a server that was bound to any of its addresses."""
    return address.replace("tcp://0.0.0.0:", "tcp://127.0.0.1:").replace("tcp://[::]:", "tcp://[::1]:")


def server_side(asked: str, reached: str) -> str:
    """Return the address that was bound: what ``client_side`` made of it, with the host that was asked for."""
    if asked.startswith(("tcp://0.0.0.0:", "tcp://*:")):
        return reached.replace("tcp://127.0.0.1:", "tcp://0.0.0.0:")
    return reached.replace("tcp://[::1]:", "tcp://[::]:") if asked.startswith("tcp://[::]:") else reached


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
