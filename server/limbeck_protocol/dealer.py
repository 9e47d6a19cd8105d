# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client's socket: whole messages in and out without blocking, and what became of the connection below.

The only file here that needs pyzmq.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import zmq

from limbeck_protocol.connection import NEW_KEY, Endpoint
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame
from limbeck_protocol.limits import MAX_FRAMES, MAX_MESSAGE_FRAME_BYTES
from limbeck_protocol.reach import WATCHED, Reach, next_reach

OPTIONS = {
    zmq.LINGER: 0,
    zmq.SNDHWM: 32,
    zmq.RCVHWM: 32,
    zmq.MAXMSGSIZE: MAX_MESSAGE_FRAME_BYTES,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 400,
    zmq.HEARTBEAT_IVL: 5000,
    zmq.HEARTBEAT_TIMEOUT: 15000,
}


class Dealer:
    """A DEALER socket that connects, and again when it was cut off.

    Attributes:
        was_cut: the connection stood, or nearly, and is gone; what was said on it has to be said again.
        was_refused: the server does not accept the keys.
        reach: how far the connection has come.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: Endpoint) -> None:
        """Begin to connect.

        Raises:
            ProtocolError: E_CONNECTION_FILE if the endpoint's address or keys are damaged.
        """
        self.was_cut = self.was_refused = False
        self.reach: Reach = "unknown"
        self._socket = context.socket(zmq.DEALER)
        self._monitor = self._socket.get_monitor_socket(WATCHED | int(zmq.EVENT_HANDSHAKE_FAILED_AUTH))
        try:
            for option, value in OPTIONS.items():
                self._socket.setsockopt(option, value)
            if endpoint.server_key is not None:
                self._socket.curve_serverkey = endpoint.server_key.encode()
                self._socket.curve_publickey = (endpoint.client_public or "").encode()
                self._socket.curve_secretkey = (endpoint.client_secret or "").encode()
            self._socket.connect(endpoint.address)
        except (zmq.ZMQError, ValueError) as error:
            self.close()
            message = f"the server's address or keys are damaged: {error}"
            remedy = "restart the server: limbeck serve" if endpoint.pid else f"make a new one at the server: {NEW_KEY}"
            raise ProtocolError("E_CONNECTION_FILE", message, remedy) from error

    @property
    def has_messages(self) -> bool:
        """Whether one waits, or the connection has changed."""
        return any(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN for socket in (self._socket, self._monitor))

    def look(self) -> None:
        """Note what has become of the connection."""
        while self._monitor.poll(0):
            event = monitored_event(self._monitor.recv_multipart(zmq.NOBLOCK))
            self.was_cut |= event == zmq.EVENT_DISCONNECTED
            self.was_refused |= event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self.reach = next_reach(self.reach, event)

    def send(self, frames: Sequence[Frame]) -> bool:
        """Send a message, or say that there is no room."""
        try:
            # copy=True, because pyzmq starts a thread for copy=False, which Blender forbids
            self._socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        except zmq.Again:
            return False
        return True

    def receive(self) -> list[bytes] | None:
        """Return a message that waits, or None."""
        try:
            frames = [self._socket.recv(zmq.NOBLOCK)]
        except zmq.Again:
            return None
        while self._socket.getsockopt(zmq.RCVMORE):
            part = self._socket.recv(zmq.NOBLOCK)
            if len(frames) <= MAX_FRAMES:  # the rest of an endless message is read and dropped
                frames.append(part)
        return frames

    def close(self, linger_ms: int = 0) -> None:
        """Hang up; what was sent has so long to leave."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=linger_ms)


def monitored_event(frames: Sequence[bytes]) -> int:
    """Return what a message of a socket's monitor says; pyzmq's own reader would load asyncio, 25 ms of every start."""
    return int.from_bytes(frames[0][:2], sys.byteorder)
