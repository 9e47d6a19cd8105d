# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How far a client's socket has come on its way to a server, so that a wrong port is told from a wrong program."""

from __future__ import annotations

from typing import Literal

import zmq

Reach = Literal["unknown", "unreachable", "connected", "stranger", "silent"]
"""Nothing is known yet; nobody listens there; somebody listens, but has not spoken ZeroMQ (so far: it may be slow);
somebody listens who does not speak ZeroMQ or uses other security; ZeroMQ stands, so that only the answer is missing."""

WATCHED = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
"""Events of a socket's monitor that tell how far it is."""
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


def next_reach(reach: Reach, event: int) -> Reach:
    """Return how far the connection is after an event of the socket's monitor."""
    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        return "silent"
    if event == zmq.EVENT_CONNECTED:
        return "connected"
    if event & _FAILED or (event == zmq.EVENT_DISCONNECTED and reach == "connected"):
        return "stranger"
    return "unreachable" if event == zmq.EVENT_CONNECT_RETRIED and reach == "unknown" else reach
