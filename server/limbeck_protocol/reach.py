# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How far a client's socket has come on its way to a server, so that a wrong port is told from a wrong program."""

from __future__ import annotations

from typing import Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

Reach = Literal["unknown", "unreachable", "connected", "stranger", "silent"]
"""Nothing is known yet; nobody listens there; somebody listens, but has not spoken ZeroMQ (so far: it may be slow);
somebody listens who does not speak ZeroMQ or uses other security; ZeroMQ stands, so that only the answer is missing."""

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_WATCHED = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | _FAILED
)


class ReachMonitor:
    """Watches one socket's connection; reads its monitor without waiting."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.reach: Reach = "unknown"
        self._watched = socket
        self._monitor = socket.get_monitor_socket(_WATCHED)

    def was_denied(self) -> bool:
        """Read what has happened since the last call; return whether the server has refused our key."""
        is_denied = False
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor, zmq.NOBLOCK)["event"]
            is_denied = is_denied or event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self._note(event)
        return is_denied

    def close(self) -> None:
        self._watched.disable_monitor()
        self._monitor.close(linger=0)

    def _note(self, event: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.reach = "silent"
        elif event == zmq.EVENT_CONNECTED:
            self.reach = "connected"
        elif event & _FAILED or (event == zmq.EVENT_DISCONNECTED and self.reach == "connected"):
            self.reach = "stranger"
        elif event == zmq.EVENT_CONNECT_RETRIED and self.reach == "unknown":
            self.reach = "unreachable"
