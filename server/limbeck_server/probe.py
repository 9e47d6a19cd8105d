# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Asks a server elsewhere whether a worker may come in, so that a person hears at once what would be refused."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import zmq

from limbeck import __version__
from limbeck_protocol.absent import CAUSES
from limbeck_protocol.connection import Endpoint
from limbeck_protocol.dealer import monitored_event
from limbeck_protocol.envelope import read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.reach import WATCHED, Reach, next_reach
from limbeck_server.dialling import dial
from limbeck_server.executors.local import WorkerOrders
from limbeck_server.remote_messages import PROTOCOL, REMOTE_NAMES, TO_REMOTE, Refused, Welcomed, WorkerJoin

POLL_MS = 200
TELL_AFTER_S = 5.0
WAITING = "waiting for the server (limbeck serve --executor static)"
AGAIN_S = 30.0
"""A fresh socket each time: a name may mean another address by now."""


def ask_to_come_in(endpoint: Endpoint, should_stop: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Return once the server would let a worker in, however long it is away; or if ``should_stop`` says so.

    Raises:
        ProtocolError: E_AUTH, E_VERSION, E_QUOTA or what else the server refuses a worker with; E_ADDRESS.
    """
    has_told = False

    def is_over(since: float, reach: Reach) -> bool:
        nonlocal has_told
        waited = time.monotonic() - since
        if waited > TELL_AFTER_S and not has_told:
            has_told = True
            say(f"no answer from {endpoint.address} yet: {CAUSES[reach]}; {WAITING}")
        return should_stop() or waited > AGAIN_S

    while not should_stop():
        since = time.monotonic()
        if _knock(endpoint, lambda reach, since=since: is_over(since, reach)):
            return


def _knock(endpoint: Endpoint, is_over: Callable[[Reach], bool]) -> bool:
    """Say whether the server has answered that a worker may come in."""
    keys = endpoint.server_key or "", endpoint.client_public or "", endpoint.client_secret or ""
    orders = WorkerOrders(endpoint.address, "", "", 0, *keys, seat="probe")
    with zmq.Context() as context:
        try:
            socket = dial(context, orders)
        except (zmq.ZMQError, ValueError) as error:
            message = f"expected a server's address and keys, got {endpoint.address!r}: {error}"
            raise ProtocolError("E_ADDRESS", message, "give --connect tcp://HOST:PORT") from error
        monitor = socket.get_monitor_socket(WATCHED | int(zmq.EVENT_HANDSHAKE_FAILED_AUTH))
        reach: Reach = "unknown"
        with closing(socket), closing(monitor):
            join = WorkerJoin(PROTOCOL, __version__, "", "", platform.node())
            socket.send_multipart(write_message(join, Header(""), None, REMOTE_NAMES))
            while not is_over(reach):
                reach = _next_reach(reach, monitor)
                if socket.poll(POLL_MS):
                    return _is_welcome(endpoint.address, socket.recv_multipart())
    return False


def _next_reach(reach: Reach, monitor: zmq.Socket[bytes]) -> Reach:
    """Return how far the connection has come by now.

    Raises:
        ProtocolError: E_AUTH if the server does not accept the key.
    """
    while monitor.poll(0):
        event = monitored_event(monitor.recv_multipart())
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            remedy = "a client's key is none; at the server: limbeck keys authorize NAME PUBLIC --role worker"
            raise ProtocolError("E_AUTH", "the server does not accept this worker's key", remedy)
        reach = next_reach(reach, event)
    return reach


def _is_welcome(address: str, frames: Sequence[bytes]) -> bool:
    try:
        message = read_message(decode_packet(frames), TO_REMOTE)
    except ProtocolError as error:
        if error.code != "E_UNKNOWN_TYPE":
            raise
        what = f"expected the server's port for workers, got another at {address}, which answers clients"
        remedy = "use a key and address for workers: limbeck keys new NAME --authorize worker, port 7712 by default"
        raise ProtocolError("E_ADDRESS", what, remedy) from error
    if isinstance(message, Refused):
        raise ProtocolError(message.code, message.message, message.remedy)
    return isinstance(message, Welcomed)
