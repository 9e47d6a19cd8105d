# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What to say about a server that is not found, does not answer or lets nobody in: here it is ours to start."""

from __future__ import annotations

import os

from limbeck_protocol.connection import Endpoint, connection_file, is_elsewhere
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.reach import Reach

START = "start one with: limbeck serve"
ASK = "ask whoever runs the server whether it runs, and where; correct the address in the connection file"
CAUSES: dict[Reach, str] = {
    "unknown": "nothing answers at that address: it is wrong, or a firewall is between",
    "unreachable": "nobody listens at that address: the server does not run, or the address is wrong",
    "connected": "somebody listens there, but not with this server key, or it is no Limbeck server",
    "stranger": "somebody listens there, but not with this server key, or it is no Limbeck server",
    "silent": "the key was let in and nothing answers: the port is one for others (clients, workers), or it is busy",
}
"""Why a server may be silent, by how far the socket has come."""


def no_server() -> ProtocolError:
    """Return the error for a connection file that leads to no server."""
    path = connection_file()
    if os.environ.get("LIMBECK_CONNECTION") and not path.exists():
        message = f"the connection file {path}, which LIMBECK_CONNECTION names, does not exist"
        remedy = "correct LIMBECK_CONNECTION, or unset it to use this computer's own server"
        return ProtocolError("E_CONNECTION_FILE", message, remedy)
    return ProtocolError("E_NO_SERVER", f"no server is running: {path} names none", START, retryable=True)


def silent_server(endpoint: Endpoint, reach: Reach, timeout_s: float) -> ProtocolError:
    """Return the error for a server that has not answered within ``timeout_s``."""
    message = f"the server that {connection_file()} names did not answer within {timeout_s:g} s"
    remedy = "restart it with: limbeck serve"
    if is_elsewhere(endpoint):
        message += f" at {endpoint.address}: {CAUSES[reach]}"
        remedy = _remedy_elsewhere(reach)
    return ProtocolError("E_NO_SERVER", message, remedy, retryable=True)


def lost_server(endpoint: Endpoint, patience_s: float) -> ProtocolError:
    """Return the error for a server that was there and has been away for ``patience_s``."""
    remedy = ASK if is_elsewhere(endpoint) else START
    return ProtocolError("E_NO_SERVER", f"the server has been away for {patience_s:g} s", remedy, retryable=True)


def unknown_key(endpoint: Endpoint) -> ProtocolError:
    """Return the error for a server that does not accept the endpoint's keys."""
    if endpoint.pid == 0:  # made for somebody elsewhere, not written by the server
        command = f"limbeck keys authorize NAME {endpoint.client_public} --role submit"
        remedy = f"ask whoever runs the server to let it in: {command}"
    else:
        remedy = "use the keys of the running server: limbeck doctor shows its connection file"
    return ProtocolError("E_AUTH", "the server does not accept this client's key", remedy)


def _remedy_elsewhere(reach: Reach) -> str:
    if reach in ("connected", "stranger"):
        return "ask whoever runs the server for its key (limbeck keys list there), or for a new connection file"
    if reach == "silent":
        return "a worker's key is for limbeck worker --key; ask whoever runs the server for a client's key and address"
    return ASK
